"""Compaction: many small parts become few of a good size.

The new part is written before the old ones are deleted, so a killed compaction leaves rows twice,
never none; the next one deletes what was left. Work and memory are bounded by the size of one
merge, and large parts are never rewritten.
"""

import logging
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from pipeline.extract.cache_parts import (
    drop_replaced,
    healthy,
    load_part,
    part_names,
    remove_parts,
    size_of,
    write_part,
)
from pipeline.extract.row_index import first_of_each, words_of

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
    total = 0
    while merged := merge_once(folder):
        total += merged
    return total


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
    """All rows, each key once."""
    first, *others = tables
    for other in others:
        if tables[other].schema != tables[first].schema:
            raise ValueError(
                f"{first} and {other} hold different types of values: one of them was copied here "
                "from another folder, delete it"
            )
    table = pa.concat_tables(tables.values())
    firsts = first_of_each(words_of(pa.concat_arrays(table.column("key").chunks)))
    return table if firsts.all() else table.filter(pa.array(firsts))
