"""Upkeep of the row cache: what is there, whether it is whole, and making it smaller.

None of it disturbs runs that use the cache at the same time: what is deleted under them they
compute again, what is merged they find in its new place.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.extract.cache_folder import Title, cache_folders, forget, lock, title
from pipeline.extract.cache_parts import (
    CorruptPart,
    healthy,
    keep_rows,
    load_part,
    load_rows,
    part_names,
    set_aside,
    size_of,
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
    """Drop rows that were computed again since, and merge small parts; for each folder the number
    of parts that were merged."""
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
    loaded = [found for path in paths if (found := healthy(path, _times_and_size)) is not None]
    times = np.concatenate([np.empty(0, dtype=np.int64), *(times for times, _ in loaded)])
    return Holding(
        folder=folder,
        title=title(folder),
        parts=len(loaded),
        rows=len(times),
        num_bytes=sum(size for _, size in loaded),
        oldest=int(times.min()) if len(times) else None,
        newest=int(times.max()) if len(times) else None,
    )


def _times_and_size(path: Path) -> tuple[np.ndarray, int]:
    return load_rows(path).added, size_of(path)


def _verdict(folder: Path) -> Verdict:
    whole: dict[str, tuple[np.ndarray, int]] = {}  # words of the keys, bytes
    corrupt: list[str] = []
    seen: set[str] = set()
    while new := (names := part_names(folder)) - seen:  # others may add and merge meanwhile
        for name in sorted(new):
            try:
                whole[name] = _words_and_size(folder / name)
            except FileNotFoundError:
                continue
            except CorruptPart as error:
                set_aside(folder / name, error)
                corrupt.append(name)
        seen |= new
    present = [found for name, found in whole.items() if name in names]
    words = np.concatenate([np.empty((0, 2), dtype=np.uint64), *(words for words, _ in present)])
    rows = int(first_of_each(words).sum())
    return Verdict(
        folder=folder,
        parts=len(present),
        rows=rows,
        duplicates=len(words) - rows,
        num_bytes=sum(size for _, size in present),
        corrupt=tuple(corrupt),
        problem=_problem(folder),
    )


def _words_and_size(path: Path) -> tuple[np.ndarray, int]:
    keys = load_part(path).column("key").chunks
    return words_of(pa.concat_arrays(keys)), size_of(path)


def _problem(folder: Path) -> str | None:
    try:
        title(folder)
    except ValueError as error:
        return str(error)
    return None


def _evict_folder(folder: Path, before: int | None, dry_run: bool) -> int:
    evicted = 0
    with lock(folder):
        for name in sorted(part_names(folder)):
            rows = healthy(folder / name, load_rows)
            if rows is None:
                continue
            old = np.full(len(rows.added), True) if before is None else rows.added < before
            evicted += int(old.sum())
            if old.any() and not dry_run:
                keep_rows(folder / name, ~old)
        if before is None and not dry_run:
            forget(folder)
    return evicted
