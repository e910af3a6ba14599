"""Review dumps of three releases: what becomes a row, and what is rejected."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.catalog import Catalog
from pipeline.ingest.formats import amazon as reader
from pipeline.ingest.formats import rows
from pipeline.ingest.formats.amazon_reviews import (
    parse_object,
    read_amazon_reviews,
)
from pipeline.ingest.formats.readers import existing_paths
from pipeline.ingest.formats.rows import ReadLog, RowError

Build = Callable[..., Catalog]
Review = Callable[..., dict[str, Any]]
Rows = list[tuple[Any, ...]]

ODD = b'{"reviewerID": "U0", "asin": "not plain", "overall": 1, "unixReviewTime": 1}'
"""A line that is read one by one, and so are those of its block."""


def _read(catalog: Catalog, log: ReadLog | None = None) -> list[dict[str, Any]]:
    domain = catalog.domains["toys"]
    batches = reader.read_reviews(existing_paths(catalog, domain), log or ReadLog(domain=domain))
    return [row for batch in batches for row in batch.to_pylist()]


# -- rows ----------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [[], [ODD]])
def test_a_review_becomes_a_row_without_the_reviewers_name(
    amazon: Build, review: Review, after: list[bytes]
) -> None:
    row = _read(amazon([review(verified=True), *after]))[0]
    assert row == {
        "user_id": "U1",
        "item_id": "I1",
        "timestamp": 86_400,
        "rating": 4.0,
        "text": "Nice\nWorks well",
        "behaviour": None,
        "verified": True,
        "part": None,
    }


def test_reviews_of_2023_have_names_and_milliseconds_of_their_own(amazon: Build) -> None:
    entry = {
        "rating": 5.0,
        "title": "Nice",
        "text": "Works",
        "images": [{"hi_res": "https://x/y.jpg"}],
        "asin": "VARIANT",
        "parent_asin": "PRODUCT",
        "user_id": "U1",
        "timestamp": 1_588_687_728_923,
        "helpful_vote": 0,
        "verified_purchase": True,
    }
    (row,) = _read(amazon([entry], format="amazon-2023"))
    assert list(row.values()) == [
        "U1",
        "PRODUCT",
        1_588_687_728_923,
        5.0,
        "Nice\nWorks",
        None,
        True,
        None,
    ]


@pytest.mark.parametrize("after", [[], [ODD]])
def test_a_review_may_lack_its_texts(amazon: Build, review: Review, after: list[bytes]) -> None:
    lines = [
        review(summary=...),
        review(summary="", reviewText=...),
        review(summary=None, reviewText=""),
        review(reviewText=None),
        review(summary="5", reviewText="[[VIDEOID:1]]"),
    ]
    texts = [row["text"] for row in _read(amazon([*lines, *after]))[:5]]
    assert texts == ["Works well", None, None, "Nice", "5\n[[VIDEOID:1]]"]


@pytest.mark.parametrize("after", [[], [ODD]])
def test_ids_come_as_they_are(amazon: Build, review: Review, after: list[bytes]) -> None:
    ids = ["a,b", "a\tb", "a\nb", " a ", "é", "", "true", "0001", 7, 7.0, "A" * 300]
    found = _read(amazon([*(review(asin=name) for name in ids), *after]))
    as_texts = [str(name) for name in ids[:9]]
    assert [row["item_id"] for row in found][:11] == [*as_texts, "7", "A" * 300]


def test_times_and_ratings_are_not_judged_here(amazon: Build, review: Review) -> None:
    lines = [
        review(unixReviewTime=time, overall=rating)
        for time, rating in ((-1, -3), (32_503_680_000, 0), (1_588_687_728_923, 1e9), (5.0, 5))
    ]
    assert [(row["timestamp"], row["rating"]) for row in _read(amazon(lines))] == [
        (-1, -3.0),
        (32_503_680_000, 0.0),
        (1_588_687_728_923, 1e9),
        (5, 5.0),
    ]


def test_the_python_dialect_reads_as_json_does(amazon: Build) -> None:
    line = b"{'reviewerID': 'U1', 'asin': '0001', 'overall': 5.0, 'unixReviewTime': 7,"
    line += b" 'reviewText': 'It\\'s \\xe9', 'verified': True, 'summary': None}"
    (row,) = _read(amazon([line]))
    assert list(row.values()) == ["U1", "0001", 7, 5.0, "It's é", None, True, None]


def test_rows_come_in_bounded_batches(
    amazon: Build, review: Review, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "BATCH_ROWS", 2)
    catalog = amazon([ODD, *(review(asin=f"I{i}") for i in range(4))])
    domain = catalog.domains["toys"]
    log = ReadLog(domain=domain)
    batches = list(read_amazon_reviews(existing_paths(catalog, domain)["reviews"], log))
    assert [batch.num_rows for batch in batches] == [2, 2, 1]
    assert log.rows == 5


def test_line_breaks_of_windows_blank_lines_and_a_byte_order_mark_are_fine(
    amazon: Build, review: Review
) -> None:
    catalog = amazon()
    lines = [json.dumps(review(asin=f"I{i}")).encode() for i in range(3)]
    data = b"\xef\xbb\xbf" + b"\r\n".join([lines[0], b"", lines[1], b"  ", lines[2]])
    (catalog.folder / "reviews.json.gz").write_bytes(data)
    assert [row["item_id"] for row in _read(catalog)] == ["I0", "I1", "I2"]


def test_an_empty_file_has_no_reviews(amazon: Build) -> None:
    assert _read(amazon()) == []


# -- rejected rows -------------------------------------------------------------------------


def test_tolerated_malformed_lines_are_noted_and_left_out(amazon: Build, review: Review) -> None:
    lines = [b'{"reviewerID": "U', review(), b"[1, 2]", review(asin="I2"), b"", b"7", b"null"]
    catalog = amazon(lines, max_rejected_rows=4)
    log = ReadLog(domain=catalog.domains["toys"])
    assert [row["item_id"] for row in _read(catalog, log)] == ["I1", "I2"]
    assert log.rows == 2
    assert [(row.file, row.row, row.reason) for row in log.rejected] == [
        ("reviews.json.gz", 1, "not a JSON object: unexpected end of data at character 17"),
        ("reviews.json.gz", 3, "not a JSON object but of type list"),
        ("reviews.json.gz", 6, "not a JSON object but of type int"),
        ("reviews.json.gz", 7, "not a JSON object but of type NoneType"),
    ]


def test_one_malformed_line_too_many_is_an_error_with_file_row_reason_and_key(
    amazon: Build, review: Review
) -> None:
    catalog = amazon([b"{", review(), b'{"reviewerID": oops'], max_rejected_rows=1)
    with pytest.raises(ValueError, match=r"reviews\.json\.gz row 3: not a JSON object") as error:
        _read(catalog)
    assert "rejected row 2 of the domain; domain.toys.max_rejected_rows allows 1" in str(
        error.value
    )
    assert "oops" not in str(error.value)


@pytest.mark.parametrize(
    "line",
    [
        b'{"asin": "\xff"}',
        b'{"asin": "\\ud83c"}',
        b'{"asin": "a\x01"}',
        b'{"asin": "a\x00"}',
        b'{"asin": NaN}',
        b'{"asin": 1e}',
        b'{"asin": "a",}',
        b'{"asin": "a"} {"asin": "b"}',
        b'{"asin"',
        b"x",
        b"{asin: 1}",
        b"{'asin': __import__('os').system('x')}",
        b'{"a":' * 1500 + b"1" + b"}" * 1500,
    ],
)
def test_what_is_no_json_is_a_row_error(line: bytes) -> None:
    with pytest.raises(RowError, match=r"JSON|UTF-8"):
        parse_object(line)


@pytest.mark.parametrize("field", ["reviewerID", "asin", "overall", "unixReviewTime"])
@pytest.mark.parametrize("value", [..., None])
def test_a_missing_required_field_is_named(
    amazon: Build, review: Review, field: str, value: Any
) -> None:
    catalog = amazon([review(), review(**{field: value})])
    with pytest.raises(
        ValueError, match=f"row 2: required field '{field}' is missing; the row has"
    ):
        _read(catalog)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("asin", 7.5),
        ("asin", 1e15),
        ("asin", True),
        ("asin", ["I1"]),
        ("reviewerID", {"a": 1}),
        ("overall", "five"),
        ("overall", "5.0"),
        ("overall", True),
        ("overall", 1e30),
        ("overall", [5]),
        ("unixReviewTime", "1"),
        ("unixReviewTime", 1.5),
        ("unixReviewTime", False),
        ("unixReviewTime", 1 << 63),
        ("unixReviewTime", 1e300),
        ("reviewText", 3),
        ("reviewText", ["a", "b"]),
        ("summary", {"a": "b"}),
        ("summary", True),
        ("verified", "yes"),
        ("verified", 1),
    ],
)
def test_a_field_of_the_wrong_kind_is_named(
    amazon: Build, review: Review, field: str, value: Any
) -> None:
    with pytest.raises(ValueError, match=f"row 2: field '{field}' is "):
        _read(amazon([review(), review(**{field: value}), review()]))


@pytest.mark.parametrize("value", [b"[" * 1010 + b"]" * 1010, b"1e999"])
def test_values_that_cannot_be_shown_are_rejected_all_the_same(amazon: Build, value: bytes) -> None:
    with pytest.raises(ValueError, match="row 1: "):
        _read(amazon([b'{"reviewerID": %s, "asin": "I"}' % value]))


def test_a_number_too_long_to_show_is_rejected_all_the_same(amazon: Build) -> None:
    huge = b"f" * 9000
    with pytest.raises(ValueError, match="the row has a value of type list, too large to show"):
        _read(amazon([b"{'reviewerID': 'U', 0x%s: 1}" % huge]))
    line = b"{'reviewerID': 0x%s, 'asin': 'I'}" % huge
    with pytest.raises(ValueError, match="is a value of type int, too large to show"):
        _read(amazon([line]))


def test_reading_reviews_from_a_metadata_dump_names_the_missing_field(amazon: Build) -> None:
    with pytest.raises(
        ValueError, match=r"'reviewerID' is missing; the row has \['asin', 'title'\]"
    ):
        _read(amazon([{"asin": "I1", "title": "T"}]))


def test_a_file_that_is_cut_off_is_named(amazon: Build, review: Review) -> None:
    catalog = amazon([review(asin=f"I{i}", reviewText=f"{i * i * 7919}") for i in range(2000)])
    path = catalog.folder / "reviews.json.gz"
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(ValueError, match=r"reviews\.json\.gz is cut off or damaged in row"):
        _read(catalog)


def test_a_missing_file_names_path_key_and_remedy(amazon: Build) -> None:
    catalog = amazon()
    (catalog.folder / "reviews.json.gz").unlink()
    with pytest.raises(ValueError, match=r"gz is missing: .*domain\.toys\.reviews; put the file"):
        _read(catalog)
