"""Faulty dumps: what is dropped, what is an error, and that an error stores nothing."""

import gzip
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from pipeline.catalog import Catalog
from pipeline.ingest import reviews
from pipeline.ingest.formats import blocks
from pipeline.ingest.reviews import ingest_reviews
from pipeline.store import Store
from tests.pipeline.ingest.raw_lines import json_line, put_reviews, stored_files

Build = Callable[..., Catalog]
Review = Callable[..., dict[str, Any]]


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"unixReviewTime": -1}, r"no time, one before 1970, .* \(timestamp = -1\)"),
        ({"unixReviewTime": 32_503_680_000}, "no time, one before 1970"),
        ({"overall": -3}, r"a rating outside the domain's range: 1 \(rating = -3\.0\)"),
        ({"overall": 0}, "a rating outside the domain's range"),
        ({"reviewerID": "  "}, r"no user id: 1 \(user_id = ''\)"),
        ({"asin": "\t\n"}, r"no item id: 1 \(item_id = ''\)"),
    ],
)
def test_impossible_values_are_dropped_up_to_a_share_and_an_error_beyond(
    amazon: Build, review: Review, store: Store, changes: dict[str, Any], rule: str
) -> None:
    lines = [review(), review(**changes)]
    with pytest.raises(ValueError, match=f"domain 'toys': of 2 rows 1 cannot be used: {rule}"):
        ingest_reviews(amazon(lines), "toys", store)
    assert stored_files(store) == []
    outcome = ingest_reviews(amazon(lines, max_dropped_share=0.5), "toys", store)
    assert outcome.facts["rows_out"] == 1


def test_seconds_and_milliseconds_are_told_apart(
    amazon: Build, review: Review, store: Store
) -> None:
    lines = [review(unixReviewTime=time) for time in (1_400_000_000_123, 1_300_000_000)]
    lines[1]["asin"] = "I2"
    outcome = ingest_reviews(amazon(lines), "toys", store)
    times = store.read_table("reviews/toys")["timestamp"].to_pylist()
    assert times == [1_400_000_000, 1_300_000_000]
    assert outcome.facts["changed_milliseconds"] == 1


def test_no_number_is_a_malformed_line_in_json(amazon: Build, review: Review, store: Store) -> None:
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="row 1: not a JSON object"):
            ingest_reviews(amazon([review(overall=value)]), "toys", store)


def test_an_error_leaves_what_was_stored_and_no_scratch_file(
    amazon: Build, review: Review, store: Store
) -> None:
    ingest_reviews(amazon([review()]), "toys", store)
    before = stored_files(store)
    with pytest.raises(ValueError, match=r"reviews\.json\.gz row 2: not a JSON object"):
        ingest_reviews(amazon([review(), b"{"]), "toys", store)
    assert store.read_table("reviews/toys").num_rows == 1
    assert stored_files(store) == before


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf", gzip.compress(b"", mtime=0)])
def test_an_empty_dump_is_an_error(amazon: Build, store: Store, data: bytes) -> None:
    catalog = amazon()
    put_reviews(catalog, data)
    with pytest.raises(ValueError, match=r"'toys' holds no usable row.*\(0 read, 0 rejected\)"):
        ingest_reviews(catalog, "toys", store)
    assert stored_files(store) == []


@pytest.mark.parametrize("pack", [gzip.compress, pa.compress], ids=["gzip", "zstd"])
def test_a_damaged_dump_stores_nothing(
    amazon: Build, review: Review, store: Store, pack: Callable[..., Any]
) -> None:
    data = b"".join(
        json_line(review(asin=f"I{i}", reviewText=f"{i * i * 7919}")) for i in range(3000)
    )
    packed = bytes(pack(data) if pack is gzip.compress else pack(data, codec="zstd"))
    catalog = amazon()
    for damaged in (packed[: len(packed) // 2], packed[:-3], packed + b"trailing garbage"):
        put_reviews(catalog, damaged)
        with pytest.raises(ValueError, match=r"reviews\.json\.gz is cut off or damaged in row \d+"):
            ingest_reviews(catalog, "toys", store)
        assert stored_files(store) == []


def test_a_dump_that_grows_while_it_is_read_stores_nothing(
    amazon: Build, review: Review, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = amazon()
    path = put_reviews(catalog, b"".join(json_line(review(asin=f"I{i}")) for i in range(100)))
    clean = reviews.clean_reviews

    def growing(*args: Any) -> Any:
        with path.open("ab") as file:
            file.write(json_line(review(asin="late")))
        return clean(*args)

    monkeypatch.setattr(blocks.read_blocks, "__defaults__", (500, None))
    monkeypatch.setattr(reviews, "clean_reviews", growing)
    with pytest.raises(ValueError, match=r"reviews\.json\.gz changed while it was read"):
        ingest_reviews(catalog, "toys", store)
    assert stored_files(store) == []


def test_a_line_that_never_ends_is_an_error(
    amazon: Build, review: Review, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "LONGEST_LINE", 1 << 20)
    monkeypatch.setattr(blocks.read_blocks, "__defaults__", (1 << 18, None))
    catalog = amazon()
    put_reviews(catalog, json_line(review()) + b'{"reviewerID": "' + b"x" * (3 << 20))
    with pytest.raises(ValueError, match="row 2: a line of more than 1 MiB"):
        ingest_reviews(catalog, "toys", store)


def test_a_missing_file_and_a_folder_in_its_place_are_errors(amazon: Build, store: Store) -> None:
    catalog = amazon()
    path = catalog.folder / "reviews.json.gz"
    path.unlink()
    with pytest.raises(ValueError, match=r"is missing: it is 'reviews' of domain 'toys'"):
        ingest_reviews(catalog, "toys", store)
    path.mkdir()
    with pytest.raises(ValueError, match=r"is no file: it is 'reviews' of domain 'toys'"):
        ingest_reviews(catalog, "toys", store)


def test_an_unknown_domain_is_an_error_that_lists_the_known(amazon: Build, store: Store) -> None:
    with pytest.raises(ValueError, match="unknown domain 'toy'; known domains: toys"):
        ingest_reviews(amazon(), "toy", store)
