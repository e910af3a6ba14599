"""CSV with quoted fields: what a writer writes comes back, and damage costs a line."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.ingest.formats.blocks import Block
from pipeline.ingest.formats.delimited import Layout
from pipeline.ingest.formats.quoted_csv import (
    parse_record,
    read_csv_rows,
    records_at_once,
    records_one_by_one,
)
from pipeline.ingest.formats.rows import RowError

Found = tuple[list[tuple[int, tuple[str, ...]]], list[tuple[int, str]]]

THREE = Layout(
    separator=",",
    width=3,
    places={"user_id": 0, "item_id": 2},
    names={"user_id": "user", "item_id": "item"},
)
in_files = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def read(path: Path, content: bytes, size: int = 1 << 20, layout: Layout = THREE) -> Found:
    path.write_bytes(content)
    rows: list[tuple[int, tuple[str, ...]]] = []
    rejected: list[tuple[int, str]] = []
    for part in read_csv_rows(path, layout, size=size):
        columns = (values.to_pylist() for values in part.columns.values())
        rows += zip(part.numbers.tolist(), zip(*columns, strict=True), strict=True)
        rejected += part.rejected
    return rows, rejected


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


texts = st.text(st.sampled_from("ab ,;\"'\n\té\u2028\x85\x1f"), max_size=6)


@pytest.mark.parametrize("separator", [",", ";", "\t", "§"])
@in_files
@given(
    rows=st.lists(st.tuples(texts, texts, texts), max_size=6),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    end=st.sampled_from(["\n", "\r\n"]),
    size=st.integers(4, 60),
)
def test_what_a_writer_wrote_comes_back_however_blocks_fall(
    table: Path, separator: str, rows: list[Any], quoting: Any, end: str, size: int
) -> None:
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=separator, quoting=quoting, lineterminator=end)
    starts = []
    for row in rows:
        starts.append(written.getvalue().count("\n") + 1)
        writer.writerow(row)
    content = written.getvalue().encode()
    layout = Layout(separator=separator, width=3, places=THREE.places, names=THREE.names)

    found, rejected = read(table, content, size, layout)

    assert rejected == []
    assert found == [(start, (row[0], row[2])) for start, row in zip(starts, rows, strict=True)]


@in_files
@given(
    content=st.lists(
        st.one_of(
            st.sampled_from(
                [b"u", b",", b'"', b"\n", b'""', b'",', b',"', b'\n"', b'"\n', b"\r\n"]
            ),
            st.sampled_from([b"\r", b" ", b"\xff", b"\xc3\xa9", b"u,v,w\n", b'"u","v","w"\n']),
        ),
        max_size=24,
    ).map(b"".join),
    size=st.integers(4, 30),
)
def test_damage_is_found_alike_at_once_one_by_one_and_however_blocks_fall(
    table: Path, content: bytes, size: int
) -> None:
    in_one = read(table, content)

    assert read(table, content, size) == in_one
    block = Block(path=table, first_row=1, data=content)
    parsed = records_at_once(block, THREE) if content else None
    if parsed is not None:
        rows, rest = parsed
        slow, slow_rest = records_one_by_one(block, THREE)
        assert rows.numbers.tolist() == slow.numbers.tolist()
        assert {name: c.to_pylist() for name, c in rows.columns.items()} == {
            name: c.to_pylist() for name, c in slow.columns.items()
        }
        assert slow.rejected == ()
        assert (rest.first_row, rest.data.rstrip(b"\n")) == (
            slow_rest.first_row,
            slow_rest.data.rstrip(b"\n"),
        )


def test_quoted_records_are_parsed_at_once(table: Path) -> None:
    data = b'"u,1","a\n\n""b""",w\r\nx,,"z"\n"open",'

    parsed = records_at_once(Block(path=table, first_row=5, data=data), THREE)

    assert parsed is None  # the last record has two fields
    parsed = records_at_once(Block(path=table, first_row=5, data=data + b'"'), THREE)
    assert parsed is not None
    rows, rest = parsed
    assert rows.numbers.tolist() == [5, 8]
    assert rows.columns["user_id"].to_pylist() == ["u,1", "x"]
    assert (rest.first_row, rest.data) == (9, b'"open","')


def test_a_quote_that_does_not_close_costs_its_line_alone(table: Path) -> None:
    content = b'a,"open,1\nb,x,2\nc,"fine\nstill",3\nd,y,4\n'

    rows, rejected = read(table, content)

    assert rows == [(2, ("b", "2")), (3, ("c", "3")), (5, ("d", "4"))]
    assert [number for number, _ in rejected] == [1]
    assert "not CSV" in rejected[0][1]


def test_a_quote_that_never_closes_costs_its_line_alone(table: Path) -> None:
    rows, rejected = read(table, b'a,"open,1\nb,x,2\nc,y,3')

    assert rows == [(2, ("b", "2")), (3, ("c", "3"))]
    assert [number for number, _ in rejected] == [1]


def test_a_quote_that_never_closes_does_not_gather_the_file(table: Path) -> None:
    content = b'a,"open,1\n' + b"b,x,2\n" * 60_000

    rows, rejected = read(table, content, size=50_000)

    assert len(rows) == 60_000
    assert [number for number, _ in rejected] == [1]


def test_a_quote_within_a_plain_field_is_a_quote(table: Path) -> None:
    rows, rejected = read(table, b'a,5" disk,1\nb,"6"" disk",2"\n')

    assert rows == [(1, ("a", "1")), (2, ("b", '2"'))]
    assert rejected == []


def test_other_numbers_of_fields_are_rejected_and_blank_lines_skipped(table: Path) -> None:
    rows, rejected = read(table, b'a,b\n\n  \n"c","d","e","f\n"\n,,\ng,"h",i\n')

    assert rows == [(6, ("", "")), (7, ("g", "i"))]
    assert rejected == [
        (1, "2 fields, parted by ','; there must be 3"),
        (4, "4 fields, parted by ','; there must be 3"),
    ]


def test_a_field_that_is_not_utf8_rejects_its_record_where_it_is_read(table: Path) -> None:
    rows, rejected = read(table, b'"\xff",x,1\n"b",\xff,2\n')

    assert rows == [(2, ("b", "2"))]
    assert [number for number, _ in rejected] == [1]
    assert "not UTF-8" in rejected[0][1]


@pytest.mark.parametrize("line", ['a,"b', 'a,"b"c', "a\rb", '"' + "x" * 200_000])
def test_a_line_that_is_no_record_is_a_row_error(line: str) -> None:
    with pytest.raises(RowError, match="not CSV"):
        parse_record(line, ",")


def test_a_line_is_a_record() -> None:
    assert parse_record('1,"A, ""B""",c', ",") == ["1", 'A, "B"', "c"]
    assert parse_record("", ",") == []
