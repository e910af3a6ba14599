"""CSV whose fields may be quoted, and then hold separators, quotes and line breaks (RFC 4180).

A block of records is parsed at once where every quote of it opens or closes a field, or is
doubled. Any other is read record by record: after a closing quote must come a separator, and a
field has at most 131,072 characters. A record that breaks these rules costs the line that it
begins in, and reading goes on with the next line. A record's number is that of its first line.
"""

import csv
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipeline.ingest.formats.blocks import Block
from pipeline.ingest.formats.delimited import (
    Layout,
    blocks_after,
    chosen_fields,
    columns_at_once,
    rows_of_cells,
    wrong_width,
)
from pipeline.ingest.formats.rows import ReadLog, RowError
from pipeline.ingest.formats.typed_rows import Rows

BLOCK_BYTES = 4 << 20
"""Smaller than elsewhere: fields that are read one by one take several times their bytes."""

_BLANK = " \t\r\n\x0b\x0c"
_MOST_CHARACTERS = 131_072
"""Of a field: what `csv` reads at most, unless a process sets another limit."""

_UNCLOSED = "unexpected end of data"
"""How `csv` says that the last line ends within quotes."""


def read_csv_rows(
    path: Path,
    layout: Layout,
    after: int = 0,
    size: int = BLOCK_BYTES,
    log: ReadLog | None = None,
) -> Iterator[Rows]:
    """The records after line number `after`, as texts; a blank line is no record.

    Raises ValueError as `read_blocks` does. The separator must be one character.
    """
    rest = Block(path=path, first_row=after + 1, data=b"")
    for block in blocks_after(path, after, size, log):
        if rest.data:
            block = dataclasses.replace(rest, data=rest.data + block.data)
        rows, rest = records_at_once(block, layout) or records_one_by_one(block, layout)
        yield rows
    if rest.data:
        yield records_one_by_one(rest, layout, is_last=True)[0]


def parse_record(line: str, separator: str) -> list[str]:
    """The fields of a record of one line, without its line break. RowError where it is none."""
    try:
        return next(csv.reader([line], delimiter=separator, strict=True), [])
    except csv.Error as error:
        raise RowError(f"not CSV: {error}") from error


def records_at_once(block: Block, layout: Layout) -> tuple[Rows, Block] | None:
    """As `records_one_by_one`, or None where a record may be none, or a line is blank."""
    data = np.frombuffer(block.data, dtype=np.uint8)
    quotes = np.flatnonzero(data == ord('"'))
    if not _are_strict(data, quotes, layout.separator):
        return None
    breaks = np.flatnonzero(data == ord("\n"))
    if not len(breaks) or breaks[-1] != len(data) - 1:
        breaks = np.append(breaks, len(data))  # the file's last line lacks its own
    is_end = np.searchsorted(quotes, breaks) % 2 == 0
    ends = breaks[is_end] + 1
    if np.diff(ends, prepend=0, append=len(data)).max() > _MOST_CHARACTERS:
        return None
    size = int(ends[-1]) if len(ends) else 0
    lines = np.flatnonzero(is_end) + 1  # whose records have ended, 0-based
    numbers = np.concatenate(([0], lines[:-1])) if len(lines) else lines
    columns = columns_at_once(block.data[:size], layout.separator, layout, len(numbers), quote='"')
    if columns is None:
        return None
    done = int(lines[-1]) if len(lines) else 0
    rest = dataclasses.replace(block, first_row=block.first_row + done, data=block.data[size:])
    return Rows(numbers=numbers + block.first_row, columns=columns), rest


def _are_strict(data: np.ndarray, quotes: np.ndarray, separator: str) -> bool:
    """Whether each quote begins or ends a field, or is next to the one that it is doubled with."""
    if not separator.isascii():
        return False
    bounds = (ord(separator), ord("\n"))
    opening, closing = quotes[::2], quotes[1::2]
    closed = np.append(-2, closing)[: len(opening)]
    before = data[opening - 1]
    opens = (opening == 0) | (opening == closed + 1) | np.isin(before, bounds)
    last = len(data) - 1
    after = data[np.minimum(closing + 1, last)]
    opened = np.append(opening[1:], -1)[: len(closing)]
    closes = (closing == last) | (closing + 1 == opened) | np.isin(after, (*bounds, ord("\r")))
    return bool(opens.all() and closes.all())


def records_one_by_one(block: Block, layout: Layout, is_last: bool = False) -> tuple[Rows, Block]:
    """A block's records, and, unless it is the last, its lines from a record that goes on."""
    lines, is_utf8 = _lines(block.data)
    numbers: list[int] = []
    cells: list[list[str]] = []
    rejected: list[tuple[int, str]] = []
    places = tuple(layout.places.values())
    start = 0  # of the record that is read next, 0-based
    while start < len(lines):
        begun = start
        reader = csv.reader(_from(lines, begun), delimiter=layout.separator, strict=True)
        try:
            for fields in reader:
                if len(fields) != layout.width:
                    if lines[start].strip(_BLANK):
                        raise RowError(wrong_width(len(fields), layout.width, layout.separator))
                else:
                    cells.append(
                        [fields[place] for place in places] if is_utf8 else _utf8(fields, layout)
                    )
                    numbers.append(block.first_row + start)
                start = begun + reader.line_num
        except csv.Error as error:
            if str(error) == _UNCLOSED and not is_last:
                break
            rejected.append((block.first_row + start, f"not CSV: {error}"))
            start += 1
        except RowError as error:
            rejected.append((block.first_row + start, str(error)))
            start = begun + reader.line_num
    rest = "".join(lines[start:]).encode(errors="surrogateescape")
    return rows_of_cells(numbers, cells, layout, rejected), dataclasses.replace(
        block, first_row=block.first_row + start, data=rest
    )


def _lines(data: bytes) -> tuple[list[str], bool]:
    """Lines with their line feeds, and whether all is UTF-8; other bytes become surrogates."""
    text = data.decode(errors="surrogateescape")
    lines = [f"{line}\n" for line in text.split("\n")]
    if lines[-1] == "\n":
        lines.pop()
    return lines, text.isascii() or _is_utf8(data)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _from(lines: list[str], start: int) -> Iterator[str]:
    return (lines[index] for index in range(start, len(lines)))


def _utf8(fields: list[str], layout: Layout) -> list[str]:
    return chosen_fields([field.encode(errors="surrogateescape") for field in fields], layout)
