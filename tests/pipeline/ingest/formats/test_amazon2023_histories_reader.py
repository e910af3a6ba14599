"""Handmade histories, and the real sample of 24 categories."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.catalog import Domain
from pipeline.columns import RAW_ITEMS, REVIEWS
from pipeline.ingest.formats import amazon2023_histories
from pipeline.ingest.formats.rows import ReadLog

Write = Callable[..., dict[str, Path]]


def _log(category: str = "All_Beauty", rejected: int = 0) -> ReadLog:
    return ReadLog(
        domain=Domain(
            name="beauty",
            title="beauty",
            format="amazon-2023-histories",
            folder="sample",
            category=category,
            max_rejected_rows=rejected,
        )
    )


def _entry(**changes: Any) -> dict[str, Any]:
    product = {"title": "Bow", "brand": None, "price": 12.99, "main_category": "All Beauty"}
    entry = {
        "parent_asin": "B1",
        "rating": 4.0,
        "timestamp_ms": 1627679830425,
        "review_excerpt": "Pretty",
        "review_full": "Pretty bow,\nbut dear",
        "review_title": "Pretty",
        "product": product,
    } | changes
    return {key: value for key, value in entry.items() if value is not ...}


def _line(*entries: Any, **changes: Any) -> bytes:
    record = {"user_id": "U1", "category": "All_Beauty", "history": list(entries)} | changes
    return json.dumps({key: value for key, value in record.items() if value is not ...}).encode()


@pytest.fixture
def written(tmp_path: Path) -> Write:
    """The three files, of the given lines in training.jsonl."""

    def write(*lines: bytes, validation: bytes = b"", test: bytes = b"") -> dict[str, Path]:
        files = {"training": b"\n".join(lines), "validation": validation, "test": test}
        for role, data in files.items():
            (tmp_path / f"{role}.jsonl").write_bytes(data)
        return {role: tmp_path / f"{role}.jsonl" for role in files}

    return write


def _reviews(paths: dict[str, Path], log: ReadLog) -> list[tuple[Any, ...]]:
    batches = list(amazon2023_histories.read_reviews(paths, log))
    assert all(batch.schema.types == REVIEWS.types for batch in batches)
    assert sum(batch.num_rows for batch in batches) == log.rows
    return [tuple(row.values()) for batch in batches for row in batch.to_pylist()]


def _items(paths: dict[str, Path], log: ReadLog) -> list[dict[str, Any]]:
    batches = list(amazon2023_histories.read_items(paths, log))
    assert all(batch.schema.types == RAW_ITEMS.types for batch in batches)
    return [row for batch in batches for row in batch.to_pylist()]


_REVIEW = ("U1", "B1", 1627679830425, 4.0, "Pretty\nPretty bow,\nbut dear", None, None, None)


def test_each_entry_of_a_history_is_a_review(written: Write) -> None:
    second = _entry(parent_asin="B2", rating=5, review_title="", review_full="Good")
    third = _entry(parent_asin="B3", review_title=None, review_full=...)
    assert _reviews(written(_line(_entry(), second, third)), _log()) == [
        _REVIEW,
        ("U1", "B2", 1627679830425, 5.0, "Good", None, None, None),
        ("U1", "B3", 1627679830425, 4.0, None, None, None, None),
    ]


def test_all_three_files_are_read_whatever_packs_them(written: Write) -> None:
    others = [_line(_entry(), user_id=f"U{number}") for number in (2, 3)]
    paths = written(_line(_entry()), validation=others[0], test=gzip.compress(others[1]))
    assert [row[0] for row in _reviews(paths, _log())] == ["U1", "U2", "U3"]


def test_lines_of_other_categories_are_passed_over_unread(written: Write) -> None:
    other = _line("no entry", category="Toys_and_Games", user_id=7)
    log = _log()
    assert _reviews(written(other, _line(_entry())), log) == [_REVIEW]
    assert log.rejected == []


def test_products_become_items(written: Write) -> None:
    bare = {"title": None, "brand": "Acme", "price": None, "main_category": None}
    entries = [
        _entry(),
        _entry(parent_asin="B2", product=bare),
        _entry(parent_asin="B3", product=...),
    ]
    shared: dict[str, Any] = {"description": None, "image_urls": []}
    none: dict[str, Any] = {
        "title": None,
        "category": None,
        "categories": [],
        "brand": None,
        "price": None,
    }
    named = {"title": "Bow", "category": "All Beauty", "categories": ["All Beauty"]}
    assert _items(written(_line(*entries)), _log()) == [
        {"item_id": "B1", "brand": None, "price": "12.99"} | named | shared,
        {"item_id": "B2"} | none | {"brand": "Acme"} | shared,
        {"item_id": "B3"} | none | shared,
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{broken", "not a JSON object"),
        (b"[1, 2]", "of type list"),
        (b"[" * 5000, "not a JSON object"),
        (b'{"category": "\\ud800"}', "not a JSON object"),
        (b'{"category": "\xff"}', "not a JSON object"),
        (_line(_entry(), category=...), "'category' is missing"),
        (_line(_entry(), user_id=None), "'user_id' is missing"),
        (_line(_entry(), user_id=7), "'user_id' is 7; it must be of type str"),
        (_line(history={}), "'history' is {}; it must be of type list"),
        (_line("B1"), "'history' holds 'B1'"),
        (_line(_entry(parent_asin=...)), "'parent_asin' is missing"),
        (_line(_entry(rating="4")), "'rating' is '4'"),
        (_line(_entry(rating=True)), "'rating' is True"),
        (_line(_entry(rating=1e300)), "'rating' is 1e+300"),
        (_line(_entry(rating=None)), "'rating' is missing"),
        (_line(_entry(timestamp_ms=1.5)), "'timestamp_ms' is 1.5"),
        (_line(_entry(timestamp_ms=2**63)), "'timestamp_ms' is 9223372036854775808"),
        (_line(_entry(review_full=["a"])), "'review_full' is ['a']"),
    ],
)
def test_a_row_that_cannot_be_used_is_rejected_with_its_line(
    written: Write, line: bytes, reason: str
) -> None:
    log = _log(rejected=1)
    assert _reviews(written(b"", line, _line(_entry())), log) == [_REVIEW]
    assert [(entry.file, entry.row) for entry in log.rejected] == [("training.jsonl", 2)]
    assert reason in log.rejected[0].reason
    with pytest.raises(ValueError, match=r"training.jsonl row 2: .*max_rejected_rows allows 0"):
        _reviews(written(b"", line, _line(_entry())), _log())


def test_one_bad_entry_leaves_the_rest_of_its_history(written: Write) -> None:
    log = _log(rejected=1)
    assert _reviews(written(_line(_entry(rating=None), _entry())), log) == [_REVIEW]


def test_a_product_that_is_none_is_rejected(written: Write) -> None:
    log = _log(rejected=2)
    product = {"title": 7}
    lines = _line(_entry(product="Bow"), _entry(product=product), _entry())
    assert [row["item_id"] for row in _items(written(lines), log)] == ["B1"]
    assert ["'product'" in log.rejected[0].reason, "'title'" in log.rejected[1].reason] == [
        True
    ] * 2


def test_an_unknown_category_is_named_with_the_known_ones(written: Write) -> None:
    paths = written(_line(_entry()), _line(category="Toys_and_Games"))
    with pytest.raises(ValueError, match="must be one of: All_Beauty, Toys_and_Games"):
        _reviews(paths, _log("all beauty"))


def test_places_are_the_three_files_of_the_folder() -> None:
    assert amazon2023_histories.places(_log().domain) == {
        "training": ("sample/training.jsonl", "folder"),
        "validation": ("sample/validation.jsonl", "folder"),
        "test": ("sample/test.jsonl", "folder"),
    }


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    entry=st.dictionaries(st.sampled_from(sorted(_entry())), _JSON),
    product=st.dictionaries(st.sampled_from(sorted(_entry()["product"])), _JSON),
    junk=st.binary(max_size=50).map(lambda data: data.replace(b"\n", b"")),
)
def test_no_values_break_the_reader(
    entry: dict[str, Any], product: dict[str, Any], junk: bytes, written: Write
) -> None:
    paths = written(_line(_entry() | entry, _entry(product=product), _entry()), junk)
    for read in (_reviews, _items):
        log = _log(rejected=100)
        assert 1 <= len(read(paths, log)) <= 3
        assert log.rows + len(log.rejected) <= 4


def test_the_whole_sample_is_read(real: Callable[[str], Path]) -> None:
    folder = real("amazon2023-multicat")
    paths = {role: folder / f"{role}.jsonl" for role in ("training", "validation", "test")}
    lines = [json.loads(line) for path in paths.values() for line in path.open(encoding="utf-8")]
    categories = sorted({line["category"] for line in lines})
    tables = []
    for category in categories:
        log = _log(category)
        table = pa.Table.from_batches(amazon2023_histories.read_reviews(paths, log))
        tables.append(pl.DataFrame(table).with_columns(category=pl.lit(category)))
        items = pl.DataFrame(
            pa.Table.from_batches(amazon2023_histories.read_items(paths, _log(category)))
        )
        assert set(items["item_id"]) == set(tables[-1]["item_id"])
    reviews = pl.concat(tables)
    users = reviews.group_by("user_id").agg(pl.col("category").n_unique())
    assert (reviews.height, len(categories), users.height) == (2_764, 24, 354)
    assert users.filter(pl.col("category") > 1).height == 123
    years = pl.from_epoch(reviews["timestamp"], "ms").dt.date()
    assert (str(years.min()), str(years.max())) == ("2006-12-05", "2023-03-14")
    assert reviews["rating"].is_between(1, 5).all()
    assert reviews["text"].null_count() == 0
