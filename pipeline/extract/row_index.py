"""Where each row of a cache lies: keys in sorted arrays, 28 bytes a row, no Python objects.

Keys are 16 bytes; here they are two words, uint64 [rows, 2]. One key may lie in several parts:
rows that were computed again stand beside the old ones, and a compaction that was killed leaves
both the old parts and the new one. The newest row of a key is the one that counts.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa

KEY_BYTES = 16


class PartRows(NamedTuple):
    """The rows of a part, in their order."""

    words: np.ndarray  # of their keys, uint64 [rows, 2]
    added: np.ndarray  # seconds since 1970, int64 [rows]


class RowIndex:
    """Rows that were added before `since` (seconds since 1970) are not taken in."""

    def __init__(self, since: int = 0) -> None:
        self._since = since
        # Sorted by the first word alone: two keys that share it are next to never met.
        self._first = np.empty(0, dtype=np.uint64)
        self._second = np.empty(0, dtype=np.uint64)
        self._part = np.empty(0, dtype=np.int32)
        self._row = np.empty(0, dtype=np.int32)
        self._added = np.empty(0, dtype=np.uint32)  # lasts until 2106
        self._names: list[str] = []  # by number; those of dropped parts stay
        self._numbers: dict[str, int] = {}

    @property
    def parts(self) -> set[str]:
        return set(self._numbers)

    def part(self, number: int) -> str:
        """The name of the part that `locate` gives the number of."""
        return self._names[number]

    def insert(self, parts: Mapping[str, PartRows]) -> None:
        """Take in parts by name."""
        if not parts:
            return
        numbers = range(len(self._names), len(self._names) + len(parts))
        self._names += parts
        self._numbers |= dict(zip(parts, numbers, strict=True))
        words = np.concatenate([part.words for part in parts.values()])
        added = np.concatenate([part.added for part in parts.values()])
        sizes = [len(part.words) for part in parts.values()]
        part = np.repeat(np.array(numbers, dtype=np.int32), sizes)
        row = np.concatenate([np.arange(size, dtype=np.int32) for size in sizes])
        taken = np.flatnonzero(added >= self._since)
        order = taken[np.argsort(words[taken, 0])]
        first = words[order, 0]
        at = np.searchsorted(self._first, first)
        self._first = np.insert(self._first, at, first)
        self._second = np.insert(self._second, at, words[order, 1])
        self._part = np.insert(self._part, at, part[order])
        self._row = np.insert(self._row, at, row[order])
        self._added = np.insert(self._added, at, added[order].astype(np.uint32))

    def drop(self, parts: Collection[str]) -> None:
        """Forget parts that are gone."""
        if not parts:
            return
        kept = ~np.isin(self._part, [self._numbers.pop(name) for name in parts])
        self._first, self._second = self._first[kept], self._second[kept]
        self._part, self._row = self._part[kept], self._row[kept]
        self._added = self._added[kept]

    def locate(self, words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of the newest row with each key its part's number, -1 where the key is unknown, and the
        row in that part: int32 [len(words)]."""
        part = np.full(len(words), -1, dtype=np.int32)
        row = np.zeros(len(words), dtype=np.int32)
        added = np.zeros(len(words), dtype=np.uint32)
        at = np.searchsorted(self._first, words[:, 0])
        pending = np.arange(len(words))
        while len(pending):  # one round for each row that shares the key's first word
            pending = pending[at[pending] < len(self._first)]
            pending = pending[self._first[at[pending]] == words[pending, 0]]
            hit = self._second[at[pending]] == words[pending, 1]
            newer = (part[pending] < 0) | (self._added[at[pending]] > added[pending])
            found = pending[hit & newer]
            part[found], row[found] = self._part[at[found]], self._row[at[found]]
            added[found] = self._added[at[found]]
            at[pending] += 1
        return part, row


def words_of(keys: pa.FixedSizeBinaryArray) -> np.ndarray:
    """Keys as words, not copied. ValueError where they are not 16 bytes each, or null."""
    if keys.type != pa.binary(KEY_BYTES) or keys.null_count:
        raise ValueError(f"keys must be {KEY_BYTES} bytes each, not {keys.type} with nulls")
    if not len(keys):
        return np.empty((0, 2), dtype=np.uint64)
    words = np.frombuffer(keys.buffers()[1], dtype=np.uint64)
    return words[2 * keys.offset : 2 * (keys.offset + len(keys))].reshape(-1, 2)


def first_of_each(words: np.ndarray) -> np.ndarray:
    """Which rows are the first with their key: bool [len(words)]."""
    order = np.lexsort((words[:, 1], words[:, 0]))  # stable: equal keys stay in order
    again = (words[order[1:]] == words[order[:-1]]).all(axis=1)
    firsts = np.ones(len(words), dtype=bool)
    firsts[order[1:][again]] = False
    return firsts


def newest_of_each(rows: PartRows) -> np.ndarray:
    """Which rows are the newest with their key, the first of equally new ones: bool [rows]."""
    order = np.argsort(-rows.added, kind="stable")
    newest = np.empty(len(order), dtype=bool)
    newest[order] = first_of_each(rows.words[order])
    return newest
