"""Reader of the LLMCDSR release: sequence files over the items of two domains, A and B.

The release is that of Xin et al. (LLMCDSR), whose Food-Kitchen set is the one of LGCD's
Table 1. A line of a sequence file is "<line id> TAB <item>,<item>,..." in order of time. An
item of A is its row in items_A; an item of B is its row in items_B plus the number of items
of A. num.txt has the two numbers of items, instance_num.txt the numbers of sequences of
train_A, train_B and train_overlap.

There are no user ids and no times: a line stands for a user, a position for a time. Both
halves of the folder give the same line the same user id, so positions interleave the domains.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.catalog import Domain
from pipeline.columns import ITEMS, REVIEWS
from pipeline.ingest.rows import Tally, batches

HALVES = ("A", "B")


@dataclass(frozen=True, kw_only=True)
class SequenceFile:
    role: str  # its name without ".txt", the first half of its users' ids
    part: str  # of pipeline.columns.PARTS
    count_line: int | None  # line of instance_num.txt, 0-based, with its number of sequences


def sequence_files(half: str) -> tuple[SequenceFile, ...]:
    """The files that hold items of a half."""
    single = f"train_{half}"
    return (
        SequenceFile(role=single, part="single", count_line=HALVES.index(half)),
        SequenceFile(role="train_overlap", part="overlap", count_line=2),
        SequenceFile(role="valid", part="valid", count_line=None),
        SequenceFile(role="test", part="test", count_line=None),
    )


def file_names(half: str) -> dict[str, str]:
    """Every file that a half is read from: role to name."""
    names = {file.role: f"{file.role}.txt" for file in sequence_files(half)}
    counts = {"num": "num.txt", "instance_num": "instance_num.txt"}
    return {"items": f"items_{half}.parquet", **counts, **names}


def read_reviews(paths: dict[str, Path], domain: Domain, tally: Tally) -> Iterator[pa.RecordBatch]:
    """The half's interactions in REVIEWS columns; rating and text are null.

    Raises ValueError, naming file and line, where a line is not a sequence, names an item
    outside the catalogue, or where counts differ from num.txt or instance_num.txt.
    """
    return batches(_interactions(paths, domain), REVIEWS, tally)


def read_items(paths: dict[str, Path], domain: Domain, tally: Tally) -> Iterator[pa.RecordBatch]:
    """The half's items in ITEMS columns: the release has titles alone."""
    no_urls: list[str] = []
    catalogue = _catalogue(paths, _half(domain))
    rows = ((asin, title, None, None, no_urls) for asin, title in catalogue)
    return batches(rows, ITEMS, tally)


def _half(domain: Domain) -> str:
    assert domain.half is not None  # the catalog requires it of this format
    return domain.half


def _interactions(paths: dict[str, Path], domain: Domain) -> Iterator[tuple[Any, ...]]:
    half = _half(domain)
    asins = [asin for asin, _ in _catalogue(paths, half)]
    counts = _counts(paths["num"], 2)
    first = sum(counts[: HALVES.index(half)])  # the half's lowest token
    own = range(first, first + len(asins))
    for file in sequence_files(half):
        allowed = own if file.part == "single" else range(sum(counts))
        for line_id, items in _sequences(paths, file, allowed, sum(counts)):
            user = f"{file.role}:{line_id}"
            for position, item in enumerate(items):
                if item in own:
                    yield user, asins[item - first], position, None, None, file.part


def _sequences(
    paths: dict[str, Path], file: SequenceFile, allowed: range, total: int
) -> Iterator[tuple[str, list[int]]]:
    seen: set[str] = set()
    path = paths[file.role]
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            line_id, items = _sequence(line, f"{path} line {number}")
            if line_id in seen:
                raise ValueError(f"{path} line {number} repeats the line id {line_id!r}")
            seen.add(line_id)
            for item in items:
                if item not in allowed:
                    raise ValueError(_stranger(path, number, item, allowed, total))
            yield line_id, items
    if file.count_line is not None:
        expected = _counts(paths["instance_num"], 3)[file.count_line]
        if len(seen) != expected:
            raise ValueError(
                f"{path} has {len(seen)} sequences; {paths['instance_num']} line "
                f"{file.count_line + 1} says {expected}. Fetch the folder's files again"
            )


def _sequence(line: str, where: str) -> tuple[str, list[int]]:
    line_id, tab, tokens = line.strip().partition("\t")
    try:
        items = [int(token) for token in tokens.split(",")]
    except ValueError:
        items = []
    if not (line_id and tab and items):
        raise ValueError(
            f"{where} is {line.rstrip()[:80]!r}; a line is '<id> TAB <item>,<item>,...'"
        )
    return line_id, items


def _stranger(path: Path, number: int, item: int, allowed: range, total: int) -> str:
    if not 0 <= item < total:
        return f"{path} line {number} names item {item}; the catalogue has {total} items"
    return (
        f"{path} line {number} names item {item} of the other domain; "
        f"this file's items are {allowed.start} to {allowed.stop - 1}"
    )


def _counts(path: Path, lines: int) -> list[int]:
    text = path.read_text(encoding="utf-8")
    values = text.split()
    if len(values) != lines or not all(value.isdecimal() for value in values):
        raise ValueError(
            f"{path} holds {text[:80]!r}; it must hold {lines} lines with one number each"
        )
    return [int(value) for value in values]


def _catalogue(paths: dict[str, Path], half: str) -> list[tuple[str, str | None]]:
    """Asin and title by index, checked against num.txt."""
    path = paths["items"]
    try:
        table = pq.read_table(path, columns=["index", "asin", "title"])
    except (pa.ArrowException, OSError) as error:
        raise ValueError(
            f"{path} is no readable Parquet file of index, asin, title: {error}"
        ) from error
    expected = _counts(paths["num"], 2)[HALVES.index(half)]
    if table.num_rows != expected:
        raise ValueError(
            f"{path} has {table.num_rows} items; {paths['num']} line {HALVES.index(half) + 1} "
            f"says {expected}. Fetch the folder's files again"
        )
    rows = sorted(zip(*(table[name].to_pylist() for name in table.column_names), strict=True))
    if [row[0] for row in rows] != list(range(expected)):
        raise ValueError(f"{path}: column 'index' must hold 0 to {expected - 1}, each once")
    if len({asin.strip() for _, asin, _ in rows if asin}) != expected:
        raise ValueError(
            f"{path}: column 'asin' must hold {expected} different ids, none of them null"
        )
    return [(asin.strip(), title) for _, asin, title in rows]
