from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.catalog import Catalog
from pipeline.columns import REVIEWS
from pipeline.ingest import rows
from pipeline.ingest.reviews import ingest_reviews
from pipeline.store import Store

Build = Callable[..., Catalog]
Review = Callable[..., dict[str, Any]]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_of_reviews_of_one_item_by_one_user_the_earliest_stays(
    amazon: Build, review: Review, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "BATCH_ROWS", 2)  # duplicates lie in different batches
    lines = [
        review(unixReviewTime=30, summary="third"),
        review(unixReviewTime=10, summary="first"),
        review(asin="I2", unixReviewTime=10),
        review(reviewerID=" U1", unixReviewTime=10, summary="as early, further down"),
        review(reviewerID="U2", unixReviewTime=40),
    ]
    outcome = ingest_reviews(amazon(lines), "toys", store)
    table = store.read_table("reviews/toys")
    kept = list(zip(*(table[name].to_pylist() for name in REVIEWS.names[:3]), strict=True))
    assert kept == [("U1", "I1", 10), ("U1", "I2", 10), ("U2", "I1", 40)]
    assert table["text"][0].as_py() == "first\nWorks well"
    assert outcome.facts == {
        "rows_in": 5,
        "malformed_lines": 0,
        "duplicates_dropped": 2,
        "rows_out": 3,
        "users": 2,
        "items": 2,
    }


def test_texts_are_cleaned_and_the_preview_has_none(
    amazon: Build, review: Review, store: Store
) -> None:
    catalog = amazon(
        [review(summary="A &amp; B", reviewText="so<br/>good\x00"), b"{"], max_malformed_lines=1
    )
    outcome = ingest_reviews(catalog, "toys", store)
    assert store.read_table("reviews/toys")["text"].to_pylist() == ["A & B\nso good"]
    assert outcome.facts["malformed_lines"] == 1
    assert outcome.preview is not None
    assert outcome.preview.column_names == ["user_id", "item_id", "timestamp", "rating", "part"]
    assert outcome.preview.num_rows == 1


def test_equal_files_give_equal_digests(amazon: Build, review: Review, store: Store) -> None:
    first = ingest_reviews(amazon([review()]), "toys", store).artifact.digest
    assert ingest_reviews(amazon([review()]), "toys", store).artifact.digest == first
    assert ingest_reviews(amazon([review(asin="I9")]), "toys", store).artifact.digest != first


def test_an_error_leaves_what_was_stored(amazon: Build, review: Review, store: Store) -> None:
    ingest_reviews(amazon([review()]), "toys", store)
    with pytest.raises(ValueError, match="line 1"):
        ingest_reviews(amazon([b"{"]), "toys", store)
    assert store.read_table("reviews/toys").num_rows == 1


def test_an_empty_dump_is_an_error(amazon: Build, store: Store) -> None:
    with pytest.raises(ValueError, match="'toys' holds no review"):
        ingest_reviews(amazon(), "toys", store)


def test_an_unknown_domain_is_an_error_that_lists_the_known(amazon: Build, store: Store) -> None:
    with pytest.raises(ValueError, match="unknown domain 'toy'; known domains: toys"):
        ingest_reviews(amazon(), "toy", store)


def test_parts_of_a_published_split_are_kept(sequences: Build, store: Store) -> None:
    outcome = ingest_reviews(sequences(), "a", store)
    parts = store.read_table("reviews/a")["part"].to_pylist()
    assert parts == ["single"] * 4 + ["overlap"] * 2 + ["valid", "test"]
    assert (outcome.facts["users"], outcome.facts["items"]) == (5, 3)


def test_real_duplicates_are_dropped(
    real: Callable[[str], Path], amazon: Build, store: Store
) -> None:
    folder, catalog = real("amazon2018-small-5core"), amazon()
    (catalog.folder / "reviews.json.gz").unlink()
    (catalog.folder / "reviews.json.gz").symlink_to(folder / "All_Beauty_5.json.gz")
    facts = ingest_reviews(catalog, "toys", store).facts
    assert facts == {
        "rows_in": 5269,
        "malformed_lines": 0,
        "duplicates_dropped": 1177,
        "rows_out": 4092,
        "users": 991,
        "items": 85,
    }
