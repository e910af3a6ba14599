"""Both ways of parsing lines against a parser that is as plain as can be."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.catalog import Domain
from pipeline.columns import REVIEWS
from pipeline.ingest.formats.blocks import Block
from pipeline.ingest.formats.delimited import (
    Layout,
    blocks_after,
    first_line,
    read_review_lines,
    rows_at_once,
    rows_one_by_one,
)
from pipeline.ingest.formats.rows import ReadLog
from pipeline.ingest.formats.typed_rows import Rows, review_batch

REQUIRED = ("user_id", "item_id", "timestamp")
PLACES = {"user_id": 0, "item_id": 1, "rating": 2, "timestamp": 3}
MOST_FLOAT32 = float(np.finfo(np.float32).max)
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
WHOLE = re.compile(r"[+-]?[0-9]+")

Found = tuple[list[tuple[Any, ...]], list[int]]


def layout(separator: str = ",", width: int = 4) -> Layout:
    names = {target: target for target in PLACES}
    return Layout(separator=separator, width=width, places=PLACES, names=names)


def plain_parser(data: bytes, separator: bytes, width: int) -> Found:
    """Rows (user, item, rating, timestamp) and the numbers of lines that are none."""
    rows: list[tuple[Any, ...]] = []
    rejected: list[int] = []
    for number, line in enumerate(data.split(b"\n"), start=1):
        fields = line.removesuffix(b"\r").split(separator)
        if len(fields) != width and not line.strip():
            continue
        try:
            assert len(fields) == width
            user, item, rating, time = (field.decode() for field in fields[:4])
            assert user and item
            rows.append((user, item, plain_number(rating) if rating else None, plain_time(time)))
        except (AssertionError, UnicodeDecodeError):
            rejected.append(number)
    return rows, rejected


def plain_number(text: str) -> float:
    assert NUMBER.fullmatch(text.strip(" \t"))
    value = float(text)
    assert math.isfinite(value) and abs(value) <= MOST_FLOAT32
    return float(np.float32(value))


def plain_time(text: str) -> int:
    text = text.strip(" \t")
    assert NUMBER.fullmatch(text)
    if WHOLE.fullmatch(text) and -(1 << 63) <= int(text) < 1 << 63:
        return int(text)
    assert abs(float(text)) < 1 << 63
    return math.floor(float(text))


def read(path: Path, log: ReadLog, way: Callable[[Block], Rows], size: int) -> Found:
    names = layout().names
    batches = [
        review_batch(path, way(block), names, REQUIRED, log)
        for block in blocks_after(path, 0, size)
    ]
    table = pa.Table.from_batches(batches) if batches else None
    columns = ("user_id", "item_id", "rating", "timestamp")
    rows = [] if table is None else list(zip(*(table[c].to_pylist() for c in columns), strict=True))
    assert log.rows == len(rows)
    return rows, [entry.row for entry in log.rejected]


@pytest.fixture
def log() -> ReadLog:
    return lenient()


def lenient() -> ReadLog:
    return ReadLog(domain=Domain(name="toys", title="toys", max_rejected_rows=10_000))


ODD_NUMBERS = [
    "0x10",
    "1_0",
    "nan",
    "inf",
    "-inf",
    "1e400",
    "1e39",
    "3.4028236e38",
    "\uff11",
    "1e3",
    "-0",
    "+5",
    "5.",
    ".5",
    ".",
    "e5",
    "1e",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "1e19",
    "1.9",
    "-1.5",
    "007",
    "0000000000000000000000000007",
    "1d",
    "1f",
]
numbers = st.one_of(
    st.integers(-(10**10), 10**13).map(str),
    st.floats().map(str),
    st.sampled_from([*ODD_NUMBERS, "", " 5", "5 ", "\u00a05", "5\x00"]),
    st.text("0123456789+-.eE", max_size=6),
)
ids = st.one_of(
    st.text("AB01", min_size=1, max_size=3),
    st.sampled_from(["", " ", "é", '"', '"a', "\ufeff", "NA", "null", "\u2028", "\x1f", "\x85"]),
)
good = st.tuples(st.sampled_from("UVW"), st.sampled_from("IJ"), st.just("4.5"), st.just("99"))


def lines_of(separator: str) -> st.SearchStrategy[bytes]:
    fields = st.one_of(good, st.tuples(ids, ids, numbers, numbers), st.lists(ids, max_size=6))
    whole = fields.map(lambda parts: separator.join(parts).encode())
    damaged = st.tuples(whole, st.binary(max_size=2), st.integers(0, 12)).map(
        lambda parts: parts[0][: parts[2]] + parts[1] + parts[0][parts[2] :]
    )
    blank = st.sampled_from([b"", b" ", b"\t", b"\t\t\t", b"\r"])
    line = st.one_of(whole, whole, whole, damaged, blank)
    return st.tuples(st.lists(line, max_size=8), st.sampled_from([b"\n", b"\r\n"])).flatmap(
        lambda parts: st.sampled_from([b"", parts[1]]).map(
            lambda end: parts[1].join(parts[0]) + end
        )
    )


@pytest.mark.parametrize("separator", [",", "\t", "::", "§"])
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_both_ways_find_the_rows_and_the_faults_of_a_plain_parser(
    tmp_path: Path, data: st.DataObject, separator: str
) -> None:
    content = data.draw(lines_of(separator))
    path = tmp_path / "ratings.csv"
    path.write_bytes(content)
    lay = layout(separator)
    expected = plain_parser(content.removeprefix(b"\xef\xbb\xbf"), separator.encode(), 4)

    for size in (1 << 20, data.draw(st.integers(3, 40))):
        fast = read(
            path, lenient(), lambda b: rows_at_once(b, lay) or rows_one_by_one(b, lay), size
        )
        slow = read(path, lenient(), lambda b: rows_one_by_one(b, lay), size)
        assert fast == expected
        assert slow == expected


@settings(deadline=None)
@given(rows=st.lists(good, min_size=1, max_size=5), end=st.sampled_from([b"\n", b"\r\n"]))
def test_clean_lines_are_parsed_at_once(rows: list[tuple[str, ...]], end: bytes) -> None:
    data = end.join(",".join(row).encode() for row in rows)

    found = rows_at_once(Block(path=Path("x"), first_row=7, data=data), layout())

    assert found is not None
    assert found.numbers.tolist() == list(range(7, 7 + len(rows)))
    assert found.columns["user_id"].to_pylist() == [row[0] for row in rows]


def test_fields_that_are_not_read_may_hold_anything(tmp_path: Path, log: ReadLog) -> None:
    path = tmp_path / "ratings.csv"
    path.write_bytes(b"U,I,5,1,\xff\nV,I,nan,2,x\n")  # the second goes the slow way, too

    rows, rejected = read(
        path, log, lambda block: rows_one_by_one(block, layout(width=5)), size=1 << 20
    )

    assert rows == [("U", "I", 5.0, 1)]
    assert rejected == [2]
    path.write_bytes(b"U,I,5,1,\xff\n")
    block = next(blocks_after(path, 0))
    assert rows_at_once(block, layout(width=5)) is not None


def test_a_rejected_row_names_line_field_and_value_but_not_the_line(
    tmp_path: Path, log: ReadLog
) -> None:
    path = tmp_path / "ratings.csv"
    path.write_bytes(b"Secret,I,five,1\nSecret,I,5\nSecret,,5,1\n\xffSecret,I,5,1\n")

    batches = list(read_review_lines(path, layout(), log, required=REQUIRED))

    assert sum(batch.num_rows for batch in batches) == 0
    assert [(entry.file, entry.row) for entry in log.rejected] == [
        ("ratings.csv", number) for number in (1, 2, 3, 4)
    ]
    reasons = [entry.reason for entry in log.rejected]
    assert reasons[0] == "'rating' is 'five'; it must be a finite number"
    assert reasons[1] == "3 fields, parted by ','; there must be 4"
    assert reasons[2] == "'item_id' is empty"
    assert "not UTF-8" in reasons[3]
    assert not any("Secret,I" in reason for reason in reasons)


def test_more_rejected_rows_than_allowed_are_an_error_with_file_and_row(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("U,I,5,1\nU,J,bad,1\n")
    log = ReadLog(domain=Domain(name="toys", title="toys"))

    with pytest.raises(ValueError, match=r"ratings.csv row 2: 'rating' is 'bad'"):
        list(read_review_lines(path, layout(), log, required=REQUIRED))


def test_lines_before_the_first_row_are_skipped_however_blocks_fall(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_bytes(b"\n\nheader\nU,I,5,1\nV,I,5,1\n")

    assert first_line(path) == (3, b"header")
    for size in range(1, 30):
        found = [
            (number, line)
            for block in blocks_after(path, 3, size)
            for number, line in block.lines()
        ]
        assert found == [(4, b"U,I,5,1"), (5, b"V,I,5,1")]


def test_an_empty_file_has_neither_line_nor_rows(tmp_path: Path, log: ReadLog) -> None:
    path = tmp_path / "ratings.csv"
    path.touch()

    assert first_line(path) is None
    assert list(read_review_lines(path, layout(), log, required=REQUIRED)) == []


def test_batches_have_the_types_of_reviews(tmp_path: Path, log: ReadLog) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("U,I,5,1\n")

    (batch,) = read_review_lines(path, layout(), log, required=REQUIRED)

    assert batch.schema.names == REVIEWS.names
    assert batch.schema.types == REVIEWS.types
    assert pl.from_arrow(batch).row(0) == ("U", "I", 1, 5.0, None, None, None, None)
