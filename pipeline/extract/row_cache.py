"""The row cache: every model output is paid for once, whoever asks, however a run ends.

Rows are found by the digest of all that decides them. A chunk of new rows is one more Parquet
part, written whole or not at all: a killed run loses the chunk in flight at most, and any number
of processes may write at once. What others commit is picked up on the way.

Who wants rows computed again names the moment from which on they count: to that run older ones are
unknown. What it adds takes their place for everybody, row by row, and what it added it finds again.
"""

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.extract.cache_folder import Identity, check_about, lock, write_about
from pipeline.extract.cache_parts import (
    healthy,
    load_rows,
    open_part,
    part_names,
    part_schema,
    values_at,
    write_part,
)
from pipeline.extract.compaction import merge_when_many
from pipeline.extract.row_index import KEY_BYTES, PartRows, RowIndex, first_of_each, words_of
from pipeline.extract.take import take_rows
from pipeline.extract.vectors import is_vector, vectors_of


class LostRows(ValueError):
    """Rows that were asked for are not in the cache, or not any more: compute them again."""


class _PartGone(Exception):
    """A part was deleted or set aside since it was located."""


@dataclass(frozen=True)
class RowCache:
    root: Path
    since: int = 0  # rows that were added earlier are unknown; seconds since 1970

    def open(self, identity: Mapping[str, Any], value: pa.DataType) -> "CachedRows":
        """The rows of one identity, each a `value`. Nothing is written before the first row.

        `identity` is JSON-able, holds all that decides outputs, and at least "operation",
        "model" and "prompt". ValueError where the folder's about.json tells of another one.
        """
        return CachedRows(self.root, Identity(facts=identity, value=value), self.since)


class CachedRows:
    """For one thread of a process, and for any number of processes."""

    def __init__(self, root: Path, identity: Identity, since: int):
        self.folder = identity.folder(root)
        self._identity = identity
        self._since = since
        self._index = RowIndex(since)
        check_about(self.folder, identity)

    def keys(self, payloads: Iterable[bytes]) -> pa.FixedSizeBinaryArray:
        """A key for each payload: all that decides this row's output beside the identity."""
        secret = self._identity.digest.encode()
        digests = [
            hashlib.blake2b(payload, digest_size=KEY_BYTES, key=secret).digest()
            for payload in payloads
        ]
        joined = pa.py_buffer(b"".join(digests))
        return pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(KEY_BYTES), len(digests), [None, joined]
        )

    def known(self, keys: pa.Array) -> np.ndarray:
        """Which rows the cache holds by now, bool [len(keys)]."""
        self._refresh()
        parts, _ = self._index.locate(words_of(keys))
        return parts >= 0

    def add(self, keys: pa.Array, values: pa.Array) -> int:
        """Commit rows as one part; those that are there already are left out. Rows added.

        ValueError where a value is null or of another type than the cache's. OSError says how
        much space is left; rows that were committed before are safe then.
        """
        words = self._checked(keys, values)
        with lock(self.folder):
            write_about(self.folder, self._identity)
            self._refresh()
            parts, _ = self._index.locate(words)
            new = np.flatnonzero((parts < 0) & first_of_each(words))
            if not len(new):
                return 0
            chosen = pa.array(new)
            # A clock that was set back must not make new rows unknown.
            added = np.full(len(new), max(int(time.time()), self._since), dtype=np.int64)
            path = write_part(
                self.folder,
                pa.table(
                    [keys.take(chosen), pa.array(added), values.take(chosen)],
                    schema=part_schema(self._identity.value),
                ),
            )
            self._index.insert({path.name: PartRows(words[new], added)})
            merge_when_many(self.folder)
        return len(new)

    def fetch(self, keys: pa.Array) -> pa.Array:
        """The values of rows, in the order of their keys, of which some may be equal.

        LostRows where some are not there: never added, evicted, or in a part that has just
        proved corrupt, which is set aside and named in the log.
        """
        words = words_of(keys)
        while True:
            self._refresh()
            parts, rows = self._index.locate(words)
            missing = int((parts < 0).sum())
            if missing:
                raise LostRows(
                    f"{missing} of {len(keys)} rows are not in {self.folder}: compute them again"
                )
            try:
                return self._joined(parts, rows)
            except _PartGone:  # merged, evicted or corrupt: look where its rows are now
                continue

    def _checked(self, keys: pa.Array, values: pa.Array) -> np.ndarray:
        words, kind = words_of(keys), self._identity.value
        if len(keys) != len(values):
            raise ValueError(f"{len(keys)} keys came with {len(values)} values")
        if values.type != kind or values.null_count:
            raise ValueError(
                f"values for {self.folder} must be {kind} without nulls, not {values.type} with "
                f"{values.null_count}"
            )
        if is_vector(kind):
            vectors_of(values)
        return words

    def _refresh(self) -> None:
        """Take in parts that other processes committed, and forget those that are gone."""
        while True:
            names = part_names(self.folder)
            self._index.drop(self._index.parts - names)
            new = sorted(names - self._index.parts)
            loaded = {name: healthy(self.folder / name, load_rows) for name in new}
            rows = {name: part for name, part in loaded.items() if part is not None}
            self._index.insert(rows)
            if len(rows) == len(new):
                return

    def _joined(self, parts: np.ndarray, rows: np.ndarray) -> pa.Array:
        kind, order = self._identity.value, np.lexsort((rows, parts))
        pieces = self._pieces(parts[order], rows[order])
        if is_vector(kind):
            return _scattered(pieces, order, kind)
        taken = [take_rows(values, chosen) for values, chosen in pieces]
        return take_rows(pa.concat_arrays([pa.array([], kind), *taken]), np.argsort(order))

    def _pieces(self, parts: np.ndarray, rows: np.ndarray) -> Iterator[tuple[pa.Array, np.ndarray]]:
        """Values that lie together, and which of them come next; rows are in order of parts."""
        numbers, starts = np.unique(parts, return_index=True)
        for number, asked in zip(numbers, np.split(rows, starts[1:]), strict=False):
            path = self.folder / self._index.part(number)
            file = healthy(path, open_part)
            if file is None:
                raise _PartGone
            if file.schema_arrow.field("value").type != self._identity.value:
                raise ValueError(
                    f"{path} holds {file.schema_arrow.field('value')}, not "
                    f"{self._identity.value}: it was copied from another folder, delete it"
                )
            yield from values_at(file, asked)


def _scattered(
    pieces: Iterator[tuple[pa.Array, np.ndarray]], order: np.ndarray, kind: pa.DataType
) -> pa.Array:
    """Vectors, put straight into their places: no second copy of what is large."""
    matrix = np.empty((len(order), kind.list_size), dtype=kind.value_type.to_pandas_dtype())
    done = 0
    for values, chosen in pieces:
        end = done + len(chosen)
        matrix[order[done:end]] = vectors_of(values)[chosen]
        done = end
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), type=kind)
