"""Compaction: many small parts become few of a good size, and rows that were computed again go.

The new part is written before the old ones are deleted, so a killed compaction leaves rows twice,
never none; the next one deletes what was left. Work and memory are bounded by the size of one
merge; a large part is rewritten only where rows of it go.
"""

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.extract.cache_parts import (
    drop_replaced,
    healthy,
    keep_rows,
    load_part,
    load_rows,
    part_names,
    remove_parts,
    size_of,
    write_part,
)
from pipeline.extract.row_index import PartRows, newest_of_each, words_of

log = logging.getLogger(__name__)

_MIB = 2**20
SMALL_BYTES = 16 * _MIB  # parts below this are merged
MERGED_BYTES = 64 * _MIB  # that many at once
MANY = 64  # more small parts than this are too many


def merge_when_many(folder: Path) -> None:
    """One merge, where a folder holds too many small parts; the caller holds its lock.

    A merge that fails for want of space is put off: the rows are safe as they are.
    """
    if len(_small(folder)) <= MANY:
        return
    try:
        drop_replaced(folder)
        merge_once(folder)
    except OSError as error:
        log.warning("%s: small parts could not be merged: %s", folder, error)


def merge_all(folder: Path) -> int:
    """Merge until at most one small part is left; the caller holds the lock. Parts merged."""
    drop_replaced(folder)
    drop_older(folder)
    total = 0
    while merged := merge_once(folder):
        total += merged
    return total


def drop_older(folder: Path) -> None:
    """Drop the rows whose key a newer row has; the caller holds the lock."""
    paths = [folder / name for name in sorted(part_names(folder))]
    loaded = {path: rows for path in paths if (rows := healthy(path, load_rows)) is not None}
    if not loaded:
        return
    newest = newest_of_each(
        PartRows(*(np.concatenate(columns) for columns in zip(*loaded.values(), strict=True)))
    )
    ends = np.cumsum([len(rows.words) for rows in loaded.values()])
    for path, kept in zip(loaded, np.split(newest, ends[:-1]), strict=True):
        if not kept.all():
            keep_rows(path, kept)


def merge_once(folder: Path) -> int:
    """Merge the smallest parts, 64 MiB of them at most; the caller holds the lock.

    Returns how many became one, 0 where there was nothing to merge.
    """
    group = _next_group(folder)
    if not group:
        return 0
    tables = {path: table for path in group if (table := healthy(path, load_part)) is not None}
    if tables:
        merged = write_part(folder, _joined(tables), replaces=group)
        remove_parts(group)
        log.info("%s: %d parts became %s", folder, len(group), merged.name)
    return len(group)


def _small(folder: Path) -> list[tuple[int, Path]]:
    """Sizes and paths, smallest first."""
    paths = [folder / name for name in part_names(folder)]
    sizes = [(size, path) for path in paths if (size := healthy(path, size_of)) is not None]
    return sorted(entry for entry in sizes if entry[0] < SMALL_BYTES)


def _next_group(folder: Path) -> list[Path]:
    group, total = [], 0
    for size, path in _small(folder):
        total += size
        if total > MERGED_BYTES:
            break
        group.append(path)
    return group if len(group) > 1 else []


def _joined(tables: Mapping[Path, pa.Table]) -> pa.Table:
    """The newest row of each key."""
    first, *others = tables
    for other in others:
        if tables[other].schema != tables[first].schema:
            raise ValueError(
                f"{first} and {other} hold different types of values: one of them was copied here "
                "from another folder, delete it"
            )
    table = pa.concat_tables(tables.values())
    words = words_of(pa.concat_arrays(table.column("key").chunks))
    newest = newest_of_each(PartRows(words, table.column("added").to_numpy()))
    return table if newest.all() else table.filter(pa.array(newest))
