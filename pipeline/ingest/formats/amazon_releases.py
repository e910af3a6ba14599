"""How the Amazon review releases name things.

2014: McAuley et al., SIGIR 2015. 2018: Ni, Li and McAuley, EMNLP 2019. 2023: Hou et al., 2024,
whose `parent_asin` joins the variants of one product. Everything else, names of people first,
stays in the file.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Release:
    """Field names of a release's review and metadata objects."""

    user: str
    item: str
    rating: str
    time: str  # seconds since 1970; of 2023 milliseconds
    summary: str
    text: str
    verified: str | None
    item_title: str
    brand: str
    categories: tuple[str, ...]  # the first that is there
    description: str
    price: str
    images: tuple[str, ...]  # the first with a URL


_BEFORE_2023 = Release(
    user="reviewerID",
    item="asin",
    rating="overall",
    time="unixReviewTime",
    summary="summary",
    text="reviewText",
    verified="verified",  # since 2018; absent before
    item_title="title",
    brand="brand",
    categories=("categories", "category"),  # 2014: a list of paths; 2018: one path
    description="description",
    price="price",
    images=("imageURLHighRes", "imageURL", "imUrl"),  # the last one is of 2014
)

RELEASES = {
    "amazon-2014": _BEFORE_2023,
    "amazon-2018": _BEFORE_2023,
    "amazon-2023": Release(
        user="user_id",
        item="parent_asin",
        rating="rating",
        time="timestamp",
        summary="title",
        text="text",
        verified="verified_purchase",
        item_title="title",
        brand="store",
        categories=("categories",),
        description="description",
        price="price",
        images=("images",),
    ),
}
