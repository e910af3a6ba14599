"""Upkeep of the row cache: what is there, whether it is whole, and making it smaller.

None of it disturbs runs that use the cache at the same time: what is deleted under them they
compute again, what is merged they find in its new place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.extract.cache_folder import Title, cache_folders, forget_about, lock, title
from pipeline.extract.cache_parts import (
    CORRUPT,
    CorruptPart,
    drop_replaced,
    healthy,
    load_column,
    load_part,
    part_names,
    remove_parts,
    set_aside,
    size_of,
    write_part,
)
from pipeline.extract.compaction import merge_all
from pipeline.extract.row_index import first_of_each, words_of


@dataclass(frozen=True, kw_only=True)
class Holding:
    """What a folder holds."""

    folder: Path
    title: Title
    parts: int
    rows: int
    num_bytes: int
    oldest: int | None  # seconds since 1970, UTC; None without rows
    newest: int | None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What reading every byte of a folder showed."""

    folder: Path
    parts: int  # whole ones
    rows: int  # each key counted once
    duplicates: int  # further rows with the key of another
    num_bytes: int
    corrupt: tuple[str, ...]  # parts that were set aside just now
    problem: str | None  # with its about.json


def survey(root: Path) -> list[Holding]:
    """All folders. ValueError names an about.json that is unreadable."""
    return [_holding(folder) for folder in cache_folders(root)]


def verify(root: Path) -> list[Verdict]:
    """Read all parts of all folders in full; corrupt ones are set aside."""
    return [_verdict(folder) for folder in cache_folders(root)]


def compact(root: Path) -> dict[Path, int]:
    """Merge small parts; for each folder the number of parts that were merged."""
    merged = {}
    for folder in cache_folders(root):
        with lock(folder):
            merged[folder] = merge_all(folder)
    return merged


def evict(
    root: Path, model: str | None, before: int | None, dry_run: bool = False
) -> dict[Path, int]:
    """Delete rows of a model, or that were added before a time (seconds since 1970), or both.

    Returns the rows of each folder that has some. ValueError where neither is given or the
    cache has no such model. With `dry_run` nothing is deleted.
    """
    if model is None and before is None:
        raise ValueError("evict by model, by age or by both: everything was not asked for")
    titles = {folder: title(folder) for folder in cache_folders(root)}
    models = sorted({named.model for named in titles.values()})
    if model is not None and model not in models:
        raise ValueError(f"the cache holds no rows of model {model!r}; it knows {models}")
    evicted = {
        folder: _evict_folder(folder, before, dry_run)
        for folder, named in titles.items()
        if model in (None, named.model)
    }
    return {folder: rows for folder, rows in evicted.items() if rows}


def _holding(folder: Path) -> Holding:
    paths = [folder / name for name in part_names(folder)]
    times = [
        (added, size_of(path)) for path in paths if (added := healthy(path, _added)) is not None
    ]
    joined = np.concatenate([np.empty(0, dtype=np.int64), *(added for added, _ in times)])
    return Holding(
        folder=folder,
        title=title(folder),
        parts=len(times),
        rows=len(joined),
        num_bytes=sum(size for _, size in times),
        oldest=int(joined.min()) if len(joined) else None,
        newest=int(joined.max()) if len(joined) else None,
    )
