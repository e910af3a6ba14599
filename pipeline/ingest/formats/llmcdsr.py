"""Reader of the LLMCDSR release: sequence files over the items of two domains, A and B.

The release is that of Xin et al. (LLMCDSR), whose Food-Kitchen set is the one of LGCD's
Table 1. A line of a sequence file is "<line id> TAB <item>,<item>,..." in order of time. An
item of A is its row in items_A; an item of B is its row in items_B plus the number of items
of A. num.txt has the two numbers of items, instance_num.txt the numbers of sequences of
train_A, train_B and train_overlap. Text files may be compressed under these very names.

There are no user ids and no times: a line stands for a user, a position for a time. Both
halves of the folder give the same line the same user id, so positions interleave the domains.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.catalog import Domain
from pipeline.columns import RAW_ITEMS, REVIEWS
from pipeline.ingest.formats.blocks import decode, read_lines
from pipeline.ingest.formats.parsed_lines import parsed_lines
from pipeline.ingest.formats.rows import ReadLog, RowError, batches, shown
from pipeline.ingest.formats.whole_numbers import whole_number

HALVES = ("A", "B")


@dataclass(frozen=True, kw_only=True)
class SequenceFile:
    role: str  # its name without ".txt", the first half of its users' ids
    part: str  # of pipeline.columns.PARTS
    count_line: int | None  # line of instance_num.txt, 0-based, with its number of sequences


@dataclass(frozen=True, kw_only=True)
class Numbering:
    allowed: range  # items that a file may name
    total: int  # items of both domains


def sequence_files(half: str) -> tuple[SequenceFile, ...]:
    """The files that hold items of a half."""
    return (
        SequenceFile(role=f"train_{half}", part="single", count_line=HALVES.index(half)),
        SequenceFile(role="train_overlap", part="overlap", count_line=2),
        SequenceFile(role="valid", part="valid", count_line=None),
        SequenceFile(role="test", part="test", count_line=None),
    )


def places(domain: Domain) -> dict[str, tuple[str, str]]:
    """Every file that the domain is read from: role to path below the data folder and its key."""
    half = _half(domain)
    texts = ("num", "instance_num", *(file.role for file in sequence_files(half)))
    names = {"items": f"items_{half}.parquet", **{role: f"{role}.txt" for role in texts}}
    folder = PurePosixPath(domain.folder or ".")
    return {role: (str(folder / name), "folder") for role, name in names.items()}


def read_reviews(paths: dict[str, Path], log: ReadLog) -> Iterator[pa.RecordBatch]:
    """The half's interactions in REVIEWS columns; all but user, item, time and part are null.

    A line that is no sequence, repeats a line id or names an item that its file cannot hold is
    a rejected row. Raises ValueError where counts differ from num.txt or, with no line of the
    file rejected, from instance_num.txt.
    """
    return batches(_interactions(paths, log), REVIEWS, log)


def read_items(paths: dict[str, Path], log: ReadLog) -> Iterator[pa.RecordBatch]:
    """The half's items in RAW_ITEMS columns: the release has titles alone."""
    catalogue = _catalogue(paths, _half(log.domain))
    rows = (
        (asin, title, None, None, None, None, None, None)
        for asin, title in zip(*catalogue, strict=True)
    )
    return batches(rows, RAW_ITEMS, log)


def _half(domain: Domain) -> str:
    assert domain.half is not None  # the catalog requires it of this format
    return domain.half


def _interactions(paths: dict[str, Path], log: ReadLog) -> Iterator[tuple[Any, ...]]:
    half = _half(log.domain)
    asins, _ = _catalogue(paths, half)
    counts = _counts(paths["num"], 2)
    first = sum(counts[: HALVES.index(half)])  # the half's lowest token
    own, everything = range(first, first + len(asins)), range(sum(counts))
    for file in sequence_files(half):
        allowed = own if file.part == "single" else everything
        numbering = Numbering(allowed=allowed, total=len(everything))
        for line_id, items in _sequences(paths, file, numbering, log):
            user = f"{file.role}:{line_id}"
            for position, item in enumerate(items):
                if item in own:
                    asin = asins[item - first]
                    yield user, asin, position, None, None, None, None, file.part


def _sequences(
    paths: dict[str, Path], file: SequenceFile, numbering: Numbering, log: ReadLog
) -> Iterator[tuple[str, list[int]]]:
    path, seen, rejected_before = paths[file.role], set[str](), len(log.rejected)
    yield from parsed_lines(path, partial(_sequence, seen=seen, numbering=numbering), log)
    if file.count_line is None or len(log.rejected) > rejected_before:
        return
    expected = _counts(paths["instance_num"], 3)[file.count_line]
    if len(seen) != expected:
        raise ValueError(
            f"{path} has {len(seen)} sequences; {paths['instance_num']} line "
            f"{file.count_line + 1} says {expected}. Fetch the folder's files again"
        )


def _sequence(line: str, seen: set[str], numbering: Numbering) -> tuple[str, list[int]]:
    """A line's id, new to `seen`, and its items. RowError where it is no sequence."""
    line_id, tab, tokens = line.strip().partition("\t")
    if not (line_id and tab):
        raise RowError("has no line id and tab; a line is '<id> TAB <item>,<item>,...'")
    if line_id in seen:
        raise RowError(f"repeats the line id {shown(line_id)}")
    items = [whole_number(token.strip(), "item") for token in tokens.split(",")]
    for item in items:
        if item not in numbering.allowed:
            raise RowError(_stranger(item, numbering))
    seen.add(line_id)
    return line_id, items


def _stranger(item: int, numbering: Numbering) -> str:
    allowed = numbering.allowed
    if item >= numbering.total:
        return f"names item {item}; the catalogue has {numbering.total} items"
    return (
        f"names item {item} of the other domain; this file's items are {allowed.start} to "
        f"{allowed.stop - 1}"
    )


def _counts(path: Path, lines: int) -> list[int]:
    try:
        values = [
            whole_number(decode(line).strip(), f"line {row}") for row, line in read_lines(path)
        ]
    except RowError as error:
        raise ValueError(f"{path}: {error}") from error
    if len(values) != lines:
        raise ValueError(
            f"{path} has {len(values)} lines with numbers; it must hold {lines}. Fetch the "
            "folder's files again"
        )
    return values


def _catalogue(paths: dict[str, Path], half: str) -> tuple[list[str], list[str | None]]:
    """Asins and titles by index, checked against num.txt."""
    path, expected = paths["items"], _counts(paths["num"], 2)[HALVES.index(half)]
    wanted = pa.schema([("index", pa.int64()), ("asin", pa.string()), ("title", pa.string())])
    try:
        table = pq.read_table(path, columns=wanted.names).select(wanted.names).cast(wanted)
    except (pa.ArrowException, OSError, KeyError) as error:
        raise ValueError(
            f"{path} is no readable Parquet file of index, asin, title: {error}"
        ) from error
    if table.num_rows != expected:
        raise ValueError(
            f"{path} has {table.num_rows} items; {paths['num']} line {HALVES.index(half) + 1} "
            f"says {expected}. Fetch the folder's files again"
        )
    table = table.sort_by("index")
    if table["index"].to_pylist() != list(range(expected)):
        raise ValueError(f"{path}: column 'index' must hold 0 to {expected - 1}, each once")
    asins = pc.utf8_trim_whitespace(table["asin"])
    if asins.null_count or len(pc.unique(asins)) != expected:
        raise ValueError(
            f"{path}: column 'asin' must hold {expected} different ids, none of them null"
        )
    return asins.to_pylist(), table["title"].to_pylist()
