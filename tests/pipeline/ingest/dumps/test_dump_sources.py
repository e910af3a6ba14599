"""Which official files a domain asks for, and what no release has."""

from dataclasses import replace
from typing import Any

import pytest

from pipeline.catalog import Domain, Download
from pipeline.ingest.dumps.dump_sources import RELEASES, dump_sources, release_of

SNAP = "https://snap.stanford.edu/data/amazon/productGraph/categoryFiles"
LAB = "https://mcauleylab.ucsd.edu/public_datasets/data"


def domain(**changes: Any) -> Domain:
    """Gift cards of 2018 by default; `category`, `kind`, ... are those of its download."""
    keys = {key: changes.pop(key) for key in list(changes) if key in Download.__annotations__}
    base = Domain(
        name="cards",
        title="gift cards",
        format="amazon-2018",
        reviews="raw/reviews.json.gz",
        items="raw/items.json.gz",
        download=Download(**({"category": "Gift_Cards"} | keys)),
    )
    return replace(base, **changes)


def urls(**changes: Any) -> list[str]:
    return [source.url for source in dump_sources(domain(**changes))]


@pytest.mark.parametrize(
    ("format", "category", "kind", "reviews", "items"),
    [
        ("amazon-2014", "Books", "full", "reviews_Books.json.gz", "meta_Books.json.gz"),
        ("amazon-2014", "Baby", "5-core", "reviews_Baby_5.json.gz", "meta_Baby.json.gz"),
    ],
)
def test_urls_of_2014(format: str, category: str, kind: str, reviews: str, items: str) -> None:
    found = urls(format=format, category=category, kind=kind)
    assert found == [f"{SNAP}/{reviews}", f"{SNAP}/{items}"]


def test_urls_of_2018() -> None:
    meta = f"{LAB}/amazon_v2/metaFiles2/meta_Gift_Cards.json.gz"
    assert urls() == [f"{LAB}/amazon_v2/categoryFiles/Gift_Cards.json.gz", meta]
    small = f"{LAB}/amazon_v2/categoryFilesSmall/Gift_Cards_5.json.gz"
    assert urls(kind="5-core") == [small, meta]


def test_urls_of_2023() -> None:
    assert urls(format="amazon-2023") == [
        f"{LAB}/amazon_2023/raw/review_categories/Gift_Cards.jsonl.gz",
        f"{LAB}/amazon_2023/raw/meta_categories/meta_Gift_Cards.jsonl.gz",
    ]


@pytest.mark.parametrize(
    ("order", "kind", "place", "url"),
    [
        ("user-item", "ratings", "r.csv", f"{SNAP}/ratings_Video_Games.csv"),
        ("item-user", "ratings", "r.csv", f"{LAB}/amazon_v2/categoryFilesSmall/Video_Games.csv"),
        (
            None,
            "ratings",
            "r.csv.gz",
            f"{LAB}/amazon_2023/benchmark/0core/rating_only/Video_Games.csv.gz",
        ),
        (
            None,
            "5-core",
            "r.csv.gz",
            f"{LAB}/amazon_2023/benchmark/5core/rating_only/Video_Games.csv.gz",
        ),
    ],
)
def test_the_order_of_columns_tells_the_release_of_ratings(
    order: str | None, kind: str, place: str, url: str
) -> None:
    changes = {"format": "ratings-csv", "order": order, "reviews": place, "items": None}
    assert urls(category="Video_Games", kind=kind, **changes) == [url]


def test_items_are_fetched_only_where_the_domain_names_them() -> None:
    assert [source.role for source in dump_sources(domain(items=None))] == ["reviews"]


def test_a_mirror_has_the_releases_paths_and_is_the_same_dump() -> None:
    (mirrored, _), (official, _) = (
        dump_sources(domain(base_url="http://mirror.example/amazon/")),
        dump_sources(domain()),
    )
    assert mirrored.url == "http://mirror.example/amazon/categoryFiles/Gift_Cards.json.gz"
    assert mirrored.dump == official.dump == "amazon-2018/categoryFiles/Gift_Cards.json.gz"


def test_every_category_of_every_release_makes_a_url_without_anything_to_quote() -> None:
    for key, release in RELEASES.items():
        assert len(release.categories) == {"2014": 24, "2018": 29, "2023": 34}[key[-4:]]
        for category in release.categories:
            for url in urls(format=key, category=category):
                assert category in url and url.replace("_", "").isascii() and " " not in url


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"category": "Gift Cards"}, r"category = 'Gift Cards'.*did you mean Gift_Cards"),
        ({"category": "Beauty"}, r"2018.*no such category; did you mean .*All_Beauty"),
        ({"category": "Luxury_Beauty", "format": "amazon-2023"}, "2023 has no such category"),
        ({"category": "zzz"}, r"it has AMAZON_FASHION, .*Video_Games"),
        ({"kind": "ratings"}, r"has kind full or 5-core; its 'ratings' files are CSV"),
        ({"kind": "5-core", "format": "amazon-2023"}, "say format 'ratings-csv' for them"),
        (
            {"format": "ratings-csv", "order": "item-user", "reviews": "r.csv", "items": None},
            r"kind = 'full'.*has kind ratings; its 'full' files are JSON: say format 'amazon-2018'",
        ),
        ({"format": "recbole"}, "format 'recbole' has no official dumps"),
        ({"download": None}, r"domain\.cards\.download is missing"),
        ({"base_url": "ftp://mirror"}, "base_url = 'ftp://mirror'; it must begin with http"),
        ({"base_url": "http://me:secret@mirror"}, "without a password"),
        ({"reviews_sha256": "abc"}, r"reviews_sha256 = 'abc'; it must be 64 hexadecimal"),
        ({"items_sha256": "0" * 64, "items": None}, "items_sha256: the domain names no items"),
        ({"reviews": "raw/reviews.json"}, r"is \.json\.gz: give the name that ending"),
    ],
)
def test_what_no_release_has_is_an_error_with_a_remedy(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        dump_sources(domain(**changes))


def test_terms_name_the_release_and_whom_to_cite() -> None:
    for key, author in (("amazon-2014", "R. He"), ("amazon-2018", "J. Ni"), ("amazon-2023", "Hou")):
        terms = release_of(domain(format=key)).terms
        assert key[-4:] in terms and author in terms and "no licence" in terms
