"""Where the official dumps of the Amazon reviews lie, by release, category and kind.

Every path pattern and list of categories below was compared with what the releases' own pages
link to, as public code, checksums and discussions that use them record it (2025 and 2026):

- 2014: the release's page (cseweb.ucsd.edu/~jmcauley/datasets/amazon/links.html) links to
  snap.stanford.edu, by https; where a network breaks that, plain http serves the same paths.
- 2018 and 2023: mcauleylab.ucsd.edu/public_datasets/data. Their earlier homes are gone:
  datarepo.eng.ucsd.edu answers 404, jmcauley.ucsd.edu has let its certificate expire.

Ratings come as CSV, with nothing inside that tells the release; the order of columns does, and is
what the catalog states anyway: user, item, ... in 2014; item, user, ... in 2018; a header line
(user_id, parent_asin, rating, timestamp) in 2023.
"""

import difflib
from dataclasses import dataclass

from pipeline.catalog import Domain, Download
from pipeline.ingest.images.image_address import parsed_url

_CLOSE = 0.5  # of difflib's ratio, for names that may have been meant


@dataclass(frozen=True, kw_only=True)
class Release:
    """One release: its paths, in which "{}" stands for the category, and its terms."""

    name: str
    base_url: str
    page: str
    reviews: dict[str, str]  # path by kind, JSON lines
    ratings: dict[str, str]  # path by kind, CSV
    items: str
    categories: frozenset[str]  # as file names spell them
    citation: str

    @property
    def terms(self) -> str:
        """Markdown: on what terms the files are to be had."""
        return (
            f"**{self.name}**, from <{self.page}>. Collected at UC San Diego and put online for "
            "research. The collectors grant no licence: texts, titles and images belong to those "
            "who made them, so do not pass the files on, and ask somebody who knows the law before "
            f"any commercial use. Work that uses the data cites: {self.citation}"
        )


@dataclass(frozen=True, kw_only=True)
class DumpSource:
    """One file to fetch."""

    role: str  # "reviews" or "items"; also the domain's key that names its place
    url: str
    dump: str  # which file of which release it is, wherever it is fetched from
    path: str  # its place, relative to the data folder
    page: str  # for people who fetch it by hand
    sha256: str | None  # that the catalog asks for, lower case

    @property
    def is_gzip(self) -> bool:
        return self.url.endswith(".gz")


_SHARED = {
    "Automotive",
    "Books",
    "CDs_and_Vinyl",
    "Cell_Phones_and_Accessories",
    "Clothing_Shoes_and_Jewelry",
    "Digital_Music",
    "Electronics",
    "Grocery_and_Gourmet_Food",
    "Home_and_Kitchen",
    "Kindle_Store",
    "Movies_and_TV",
    "Musical_Instruments",
    "Office_Products",
    "Patio_Lawn_and_Garden",
    "Pet_Supplies",
    "Sports_and_Outdoors",
    "Tools_and_Home_Improvement",
    "Toys_and_Games",
    "Video_Games",
}
_SINCE_2018 = {
    "All_Beauty",
    "Appliances",
    "Arts_Crafts_and_Sewing",
    "Gift_Cards",
    "Industrial_and_Scientific",
    "Magazine_Subscriptions",
    "Software",
}

RELEASES = {
    "amazon-2014": Release(
        name="Amazon product data (2014)",
        base_url="https://snap.stanford.edu/data/amazon/productGraph",
        page="https://cseweb.ucsd.edu/~jmcauley/datasets/amazon/links.html",
        reviews={
            "full": "categoryFiles/reviews_{}.json.gz",
            "5-core": "categoryFiles/reviews_{}_5.json.gz",
        },
        ratings={"ratings": "categoryFiles/ratings_{}.csv"},
        items="categoryFiles/meta_{}.json.gz",
        categories=frozenset(
            {
                *_SHARED,
                "Amazon_Instant_Video",
                "Apps_for_Android",
                "Baby",
                "Beauty",
                "Health_and_Personal_Care",
            }
        ),
        citation=(
            "R. He, J. McAuley: Ups and Downs: Modeling the Visual Evolution of Fashion Trends "
            "with One-Class Collaborative Filtering, WWW 2016; J. McAuley, C. Targett, J. Shi, "
            "A. van den Hengel: Image-Based Recommendations on Styles and Substitutes, SIGIR 2015."
        ),
    ),
    "amazon-2018": Release(
        name="Amazon review data (2018)",
        base_url="https://mcauleylab.ucsd.edu/public_datasets/data/amazon_v2",
        page="https://cseweb.ucsd.edu/~jmcauley/datasets/amazon_v2/",
        reviews={
            "full": "categoryFiles/{}.json.gz",
            "5-core": "categoryFilesSmall/{}_5.json.gz",
        },
        ratings={"ratings": "categoryFilesSmall/{}.csv"},
        items="metaFiles2/meta_{}.json.gz",
        categories=frozenset(
            {*_SHARED, *_SINCE_2018, "AMAZON_FASHION", "Luxury_Beauty", "Prime_Pantry"}
        ),
        citation=(
            "J. Ni, J. Li, J. McAuley: Justifying Recommendations using Distantly-Labeled Reviews "
            "and Fine-Grained Aspects, EMNLP 2019."
        ),
    ),
    "amazon-2023": Release(
        name="Amazon Reviews 2023",
        base_url="https://mcauleylab.ucsd.edu/public_datasets/data/amazon_2023",
        page="https://amazon-reviews-2023.github.io/",
        reviews={"full": "raw/review_categories/{}.jsonl.gz"},
        ratings={
            "ratings": "benchmark/0core/rating_only/{}.csv.gz",
            "5-core": "benchmark/5core/rating_only/{}.csv.gz",  # not of every category
        },
        items="raw/meta_categories/meta_{}.jsonl.gz",
        categories=frozenset(
            {
                *_SHARED,
                *_SINCE_2018,
                "Amazon_Fashion",
                "Baby_Products",
                "Beauty_and_Personal_Care",
                "Handmade_Products",
                "Health_and_Household",
                "Health_and_Personal_Care",
                "Subscription_Boxes",
                "Unknown",
            }
        ),
        citation=(
            "Y. Hou, J. Li, Z. He, A. Yan, X. Chen, J. McAuley: Bridging Language and Items for "
            "Retrieval and Recommendation, arXiv:2403.03952, 2024."
        ),
    ),
}

_RELEASE_OF_ORDER = {"user-item": "amazon-2014", "item-user": "amazon-2018", None: "amazon-2023"}


def release_of(domain: Domain) -> Release:
    """The release that a domain's format tells, or the order of columns of its ratings.

    ValueError where nothing official is there to fetch for the format.
    """
    return RELEASES[_release_key(domain)]


def dump_sources(domain: Domain) -> tuple[DumpSource, ...]:
    """The files that a domain's `download` asks for: its reviews, then its items if it names any.

    ValueError where the domain asks for none, or for what the release does not have.
    """
    where = f"domain.{domain.name}.download"
    download = domain.download
    if download is None or domain.reviews is None:
        raise ValueError(f"{where} is missing: there is nothing to fetch for the domain")
    key = _release_key(domain)
    release = RELEASES[key]
    _check_category(download, release, where)
    _check_base_url(download, where)
    wanted = [("reviews", _reviews(domain, download, key), domain.reviews, download.reviews_sha256)]
    if domain.items is not None:
        wanted.append(("items", release.items, domain.items, download.items_sha256))
    elif download.items_sha256 is not None:
        raise ValueError(f"{where}.items_sha256: the domain names no items to fetch")
    base_url = (download.base_url or release.base_url).rstrip("/")
    sources = []
    for role, pattern, place, sha256 in wanted:
        path = pattern.format(download.category)
        source = DumpSource(
            role=role,
            url=f"{base_url}/{path}",
            dump=f"{key}/{path}",
            path=place,
            page=release.page,
            sha256=_checked_sha256(sha256, f"{where}.{role}_sha256"),
        )
        _check_ending(source, domain.name)
        sources.append(source)
    return tuple(sources)


def _release_key(domain: Domain) -> str:
    if domain.format == "ratings-csv":
        return _RELEASE_OF_ORDER[domain.order]
    if domain.format not in RELEASES:
        raise ValueError(
            f"domain.{domain.name}.download: format {domain.format!r} has no official dumps to "
            f"fetch; those that have are {', '.join(RELEASES)} and ratings-csv"
        )
    return domain.format


def _reviews(domain: Domain, download: Download, key: str) -> str:
    """The pattern of the path of the reviews, or of the ratings."""
    release, is_ratings = RELEASES[key], domain.format == "ratings-csv"
    patterns = release.ratings if is_ratings else release.reviews
    if download.kind in patterns:
        return patterns[download.kind]
    what = f"as format {domain.format!r}, {release.name} has kind {' or '.join(patterns)}"
    other = release.reviews if is_ratings else release.ratings
    if download.kind in other:
        form, shape = (f"format {key!r}", "JSON") if is_ratings else ("format 'ratings-csv'", "CSV")
        what += f"; its {download.kind!r} files are {shape}: say {form} for them"
    raise ValueError(f"domain.{domain.name}.download.kind = {download.kind!r}: {what}")


def _check_category(download: Download, release: Release, where: str) -> None:
    if download.category in release.categories:
        return
    known = sorted(release.categories)
    by_lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(download.category.lower(), by_lower, cutoff=_CLOSE)
    names = [by_lower[name] for name in close]
    hint = f"did you mean {' or '.join(names)}?" if names else f"it has {', '.join(known)}"
    raise ValueError(
        f"{where}.category = {download.category!r}: {release.name} has no such category; {hint}"
    )


def _check_base_url(download: Download, where: str) -> None:
    if download.base_url is not None and parsed_url(download.base_url) is None:
        raise ValueError(
            f"{where}.base_url = {download.base_url!r}; it must begin with http:// or https:// "
            "and name a host, without a password"
        )


def _check_ending(source: DumpSource, domain: str) -> None:
    """A name that says gzip holds gzip: other programs go by names."""
    if source.path.endswith(".gz") != source.is_gzip:
        ending = source.url.rpartition("/")[2].partition(".")[2]
        raise ValueError(
            f"domain.{domain}.{source.role} = {source.path!r}; what is fetched there is "
            f".{ending}: give the name that ending"
        )


def _checked_sha256(text: str | None, where: str) -> str | None:
    if text is None:
        return None
    if len(text) != 64 or set(text.lower()) - set("0123456789abcdef"):
        raise ValueError(f"{where} = {text!r}; it must be 64 hexadecimal digits")
    return text.lower()
