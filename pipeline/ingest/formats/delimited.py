"""Text files of one row a line, its fields parted by a separator, without quoting.

A block of lines is parsed at once. Where a block is not clean, its lines are parsed one by one,
which finds those that are no rows; both ways give the same rows. A blank line is no row.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv

from pipeline.ingest.formats.blocks import BLOCK_BYTES, Block, decode, read_blocks, read_lines
from pipeline.ingest.formats.rows import ReadLog, RowError, shown
from pipeline.ingest.formats.typed_rows import Rows, review_batch

_BOM = b"\xef\xbb\xbf"
_UNIT = b"\x1f"
"""ASCII's unit separator: stands for a separator of several bytes, which PyArrow does not know."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How the lines of a file read."""

    separator: str  # one character or several
    width: int  # fields of a line
    places: dict[str, int]  # column of REVIEWS to the field that it is read from, 0-based
    names: dict[str, str]  # and to what errors call that field


def first_line(path: Path) -> tuple[int, bytes] | None:
    """A file's first line that is not blank, with its number; None where there is none."""
    return next(read_lines(path), None)


def read_review_lines(
    path: Path, layout: Layout, log: ReadLog, *, required: tuple[str, ...], after: int = 0
) -> Iterator[pa.RecordBatch]:
    """The lines after number `after`, in REVIEWS columns; columns without a place are null.

    A line with another number of fields, or with a field that is not UTF-8, no number or empty
    where `required` names it, is rejected. Raises ValueError as `read_blocks` does, and where
    more rows are rejected than the domain allows.
    """
    for block in blocks_after(path, after, log=log):
        rows = rows_at_once(block, layout) or rows_one_by_one(block, layout)
        yield review_batch(path, rows, layout.names, required, log)


def blocks_after(
    path: Path, row: int, size: int = BLOCK_BYTES, log: ReadLog | None = None
) -> Iterator[Block]:
    """A file's blocks without its first `row` lines."""
    for block in read_blocks(path, size, log):
        lines = max(row - block.first_row + 1, 0)
        data = block.data.split(b"\n", lines)[-1] if lines else block.data
        if data and block.data.count(b"\n") >= lines:
            yield dataclasses.replace(block, first_row=block.first_row + lines, data=data)


def rows_at_once(block: Block, layout: Layout) -> Rows | None:
    """All rows of a block, or None where one of its lines may be none, or is blank."""
    data = block.data
    separator = layout.separator.encode()
    if len(separator) > 1:
        if _UNIT in data:
            return None
        data, separator = data.replace(separator, _UNIT), _UNIT
    numbers = np.arange(data.count(b"\n") + (not data.endswith(b"\n")), dtype=np.int64)
    columns = columns_at_once(data, separator.decode(), layout, len(numbers), quote=False)
    return Rows(numbers=numbers + block.first_row, columns=columns) if columns else None


def columns_at_once(
    data: bytes, separator: str, layout: Layout, length: int, quote: str | Literal[False]
) -> dict[str, pa.Array] | None:
    """The fields that are read, as texts; None unless PyArrow finds `length` rows in the bytes."""
    if data.startswith(_BOM) or data.count(b"\r") != data.count(b"\r\n"):
        return None  # PyArrow drops the one, and takes the other for a line break
    wanted = [str(place) for place in sorted(set(layout.places.values()))]
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(data),
            read_options=pyarrow.csv.ReadOptions(
                column_names=[str(place) for place in range(layout.width)],
                block_size=max(len(data), 1),
                use_threads=False,
            ),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=separator, quote_char=quote, newlines_in_values=bool(quote)
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                include_columns=wanted,
                column_types=dict.fromkeys(wanted, pa.string()),
                null_values=[],
                check_utf8=True,
            ),
        )
    except pa.ArrowInvalid:
        return None  # which line it is, is found one by one
    if table.num_rows != length:
        return None  # there are blank lines
    return {target: table[str(place)].combine_chunks() for target, place in layout.places.items()}


def rows_one_by_one(block: Block, layout: Layout) -> Rows:
    """The rows of a block, and its lines that are none."""
    separator = layout.separator.encode()
    numbers: list[int] = []
    cells: list[list[str]] = []
    rejected: list[tuple[int, str]] = []
    for number, line in enumerate(block.data.split(b"\n"), start=block.first_row):
        fields = line.removesuffix(b"\r").split(separator)
        if len(fields) != layout.width:
            if line.strip():
                rejected.append((number, wrong_width(len(fields), layout.width, layout.separator)))
            continue
        if line or layout.width > 1:
            try:
                cells.append(chosen_fields(fields, layout))
                numbers.append(number)
            except RowError as error:
                rejected.append((number, str(error)))
    return rows_of_cells(numbers, cells, layout, rejected)


def rows_of_cells(
    numbers: list[int],
    cells: list[list[str]],
    layout: Layout,
    rejected: list[tuple[int, str]],
) -> Rows:
    """`cells` has a list for each row, in the order of `layout.places`."""
    by_place = list(zip(*cells, strict=True)) or [()] * len(layout.places)
    columns = {
        target: pa.array(column, pa.string())
        for target, column in zip(layout.places, by_place, strict=True)
    }
    return Rows(
        numbers=np.array(numbers, dtype=np.int64), columns=columns, rejected=tuple(rejected)
    )


def chosen_fields(fields: list[bytes], layout: Layout) -> list[str]:
    """The fields that are read, in the order of `layout.places`. RowError: one is not UTF-8."""
    try:
        return [decode(fields[place]) for place in layout.places.values()]
    except RowError as error:
        raise RowError(f"a field is {error}") from error


def wrong_width(found: int, width: int, separator: str) -> str:
    return f"{found} fields, parted by {shown(separator)}; there must be {width}"
