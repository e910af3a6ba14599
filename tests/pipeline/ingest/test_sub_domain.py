"""Which items lie on a sub-domain's category paths, and a real sub-domain from end to end."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
import pytest

from pipeline.catalog import Catalog, Domain
from pipeline.catalog.domains import resolve_sub_domain
from pipeline.ingest.items import ingest_items
from pipeline.ingest.reviews import ingest_reviews
from pipeline.ingest.sub_domain import lies_within
from pipeline.store import Store

Build = Callable[..., Catalog]


def _within(
    categories: Sequence[list[str] | None], *paths: str, without: tuple[str, ...] = ()
) -> list[bool]:
    domain = Domain(name="rock", title="rock", within="music", paths=paths, without=without)
    column = pl.Series(categories, dtype=pl.List(pl.String))
    return lies_within(column, domain).to_list()


@pytest.mark.parametrize(
    ("path", "pattern", "lies"),
    [
        ("Digital Music > Rock", "Digital Music > Rock", True),
        ("Digital Music > Rock > Progressive", "Digital Music > Rock", True),
        ("Digital Music > Rock", "Digital Music", True),
        ("Digital Music", "Digital Music > Rock", False),
        ("Digital Music > Rock & Roll", "Digital Music > Rock", False),
        ("Digital Music > Classic Rock", "Digital Music > Rock", False),
        ("My Digital Music > Rock", "Digital Music > Rock", False),
        ("Digital Music > Rock", "* > Rock", True),
        ("CDs & Vinyl > Rock > Progressive", "* > Rock", True),
        ("Rock", "* > Rock", False),
        ("A > B > Rock", "* > Rock", False),
        ("A > B > Rock", "* > * > Rock", True),
        ("A > Rock > B", "* > Rock > *", True),
        ("A > Rock", "* > Rock > *", False),
        ("anything", "*", True),
        ("A > B", "*", True),
        ("Music > R&B", "* > R&B", True),
        ("Music > RxB", "* > R.B", False),
        ("Music > Rock (General)", "Music > Rock (General)", True),
        ("Music > Rock (General) > 70s", "* > Rock (General)", True),
        ("Music > Rock General", "* > Rock (General)", False),
        ("Music > C++", "* > C++", True),
        ("Music > [X] {1} ^a$ \\d | ?", "Music > [X] {1} ^a$ \\d | ?", True),
        ("Music > a-b # ~ é 日", "* > a-b # ~ é 日", True),
        ("Music > x", "Music > [X]", False),
        ("Music > Rock", "music > rock", False),
        ("Music > Rock", " Music  > Rock ", True),
        ("Music\nX > Rock", "* > Rock", True),
        ("", "*", False),
    ],
)
def test_a_path_begins_with_the_names_of_a_pattern(path: str, pattern: str, lies: bool) -> None:
    assert _within([[path]], pattern) == [lies]


def test_any_path_of_an_item_and_any_pattern_will_do() -> None:
    categories = [["A", "B > C"], ["B"], ["C > D", "A > E"], [], None]
    assert _within(categories, "B > C", "A > E") == [True, False, True, False, False]


def test_what_lies_on_a_path_of_others_too_is_left_out() -> None:
    categories = [["M > Rock"], ["M > Rock", "M > R&B"], ["M > R&B"], ["M > R&B > Rock"]]
    assert _within(categories, "* > Rock", without=("* > R&B",)) == [True, False, False, False]
    assert _within(categories, "M", without=("M > Rock", "M > R&B")) == [False] * 4


PRODUCTS = [
    {"asin": "R1", "title": "Rock one", "categories": [["Music", "Rock"]]},
    {"asin": "R2", "title": "Rock two", "categories": [["Music", "Rock", "70s"]]},
    {"asin": "B1", "title": "Both", "categories": [["Music", "Rock"], ["Music", "R&amp;B"]]},
    {"asin": "N1", "title": "None"},
]


def _with(catalog: Catalog, name: str, *paths: str, without: tuple[str, ...] = ()) -> Catalog:
    own = Domain(name=name, title=name, within="toys", paths=paths, without=without)
    domain = resolve_sub_domain(own, catalog.domains, f"domain.{name}")
    return dataclasses.replace(catalog, domains={**catalog.domains, name: domain})


def test_a_sub_domain_has_its_items_and_their_reviews(
    amazon: Build, review: Callable[..., object], store: Store
) -> None:
    lines = [
        review(asin=asin, reviewerID=f"U{i}") for i, asin in enumerate([" R1\t", "B1", "R2", "X"])
    ]
    catalog = amazon(lines, PRODUCTS, format="amazon-2014")
    catalog = _with(catalog, "rock", "* > Rock", without=("* > R&B",))
    items = ingest_items(catalog, "rock", store)
    assert store.read_table("items/rock")["item_id"].to_pylist() == ["R1", "R2"]
    assert items.facts["dropped_outside_the_sub_domain"] == 2
    assert (items.facts["rows_in"], items.facts["rows_out"]) == (4, 2)
    reviews = ingest_reviews(catalog, "rock", store)
    assert store.read_table("reviews/rock")["item_id"].to_pylist() == ["R1", "R2"]
    assert reviews.facts["dropped_outside_the_sub_domain"] == 2


def test_an_unknown_path_is_an_error_that_names_the_key(amazon: Build, store: Store) -> None:
    catalog = _with(amazon(items=PRODUCTS, format="amazon-2014"), "jazz", "* > Jazz", "Jazz")
    with pytest.raises(ValueError, match=r"no item lies on \* > Jazz or Jazz: check dom"):
        ingest_items(catalog, "jazz", store)
    assert not store.exists("items/jazz", ".parquet")


def test_reviews_of_a_sub_domain_need_its_items(
    amazon: Build, review: Callable[..., object], store: Store
) -> None:
    catalog = _with(amazon([review()], PRODUCTS, format="amazon-2014"), "rock", "* > Rock")
    with pytest.raises(ValueError, match=r"items/rock\.parquet is missing: materialize items"):
        ingest_reviews(catalog, "rock", store)


def test_a_sub_domain_without_a_review_is_an_error(
    amazon: Build, review: Callable[..., object], store: Store
) -> None:
    catalog = _with(amazon([review()], PRODUCTS, format="amazon-2014"), "rock", "* > Rock")
    ingest_items(catalog, "rock", store)
    with pytest.raises(ValueError, match="'rock' holds no usable row"):
        ingest_reviews(catalog, "rock", store)


def test_real_rock_and_rhythm_and_blues_have_their_published_users(
    real: Callable[[str], Path], amazon: Build, store: Store
) -> None:
    folder, catalog = real("amazon2014-music-movies"), amazon(format="amazon-2014")
    for name, source in (
        ("reviews.json.gz", "reviews_Digital_Music_5.first6908.json.gz"),
        ("items.json.gz", "meta_Digital_Music.first7419.json.gz"),
    ):
        (catalog.folder / name).unlink()
        (catalog.folder / name).symlink_to(folder / source)
    users = {}
    for name, path, other in (("rock", "* > Rock", "* > R&B"), ("rnb", "* > R&B", "* > Rock")):
        catalog = _with(catalog, name, path, without=(other,))
        ingest_items(catalog, name, store)
        ingest_reviews(catalog, name, store)
        table = store.read_table(f"reviews/{name}")
        users[name] = set(table["user_id"].to_pylist())
        reviewed = len(table["item_id"].unique())
        assert (reviewed, len(users[name])) == {"rock": (166, 1474), "rnb": (118, 915)}[name]
    assert len(users["rock"] & users["rnb"]) == 246
