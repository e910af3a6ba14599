"""The row cache: every model output is paid for once.

Rows are content-addressed: a key digests everything that decides the output. Each cache is a
folder of Parquet parts named by their content; a chunk of new rows is one more part, written
atomically, so a killed run loses at most the chunk in flight and two runs may write at once.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from pipeline.digest import digest_json
from pipeline.store import Store

log = logging.getLogger(__name__)

Request = TypeVar("Request")


@dataclass(frozen=True, kw_only=True)
class CacheUse:
    """What a run took from the cache and what it had to compute."""

    hits: int
    computed: int
    seconds: float  # spent computing

    @property
    def rows_per_second(self) -> float:
        return self.computed / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class RowCache:
    """`value` is the Arrow type of one output."""

    root: Path
    name: str
    value: pa.DataType

    @property
    def _schema(self) -> pa.Schema:
        return pa.schema(
            [
                pa.field("key", pa.string(), nullable=False),
                pa.field("value", self.value, nullable=False),
            ]
        )

    def lookup(self, keys: Sequence[str]) -> dict[str, Any]:
        """The outputs known for `keys`. ValueError names a corrupt part."""
        wanted, found = set(keys), {}
        for part in sorted((self.root / self.name).glob("part-*.parquet")):
            table = Store(self.root).read_table(f"{self.name}/{part.stem}")
            for key, value in zip(table["key"].to_pylist(), table["value"], strict=True):
                if key in wanted:
                    found[key] = value.as_py()
        return found

    def add(self, rows: dict[str, Any]) -> None:
        """Commit one chunk of outputs."""
        table = pa.table(
            {"key": list(rows), "value": pa.array(list(rows.values()), self.value)}, self._schema
        )
        Store(self.root).write_table(
            f"{self.name}/part-{digest_json(sorted(rows))}", self._schema, table
        )


def cached_map(
    cache: RowCache,
    requests: Sequence[Request],
    key_of: Callable[[Request], str],
    compute: Callable[[Sequence[Request]], Sequence[Any]],
    chunk_rows: int,
) -> tuple[list[Any], CacheUse]:
    """Outputs of all requests, in order; equal requests are computed once.

    `compute` sees only what the cache lacks, `chunk_rows` at a time, and each chunk is
    committed before the next begins.
    """
    keys = [key_of(request) for request in requests]
    known = cache.lookup(keys)
    hits = sum(key in known for key in keys)
    missing = {
        key: request for key, request in zip(keys, requests, strict=True) if key not in known
    }
    todo, started = list(missing.items()), time.perf_counter()
    for first in range(0, len(todo), chunk_rows):
        chunk = todo[first : first + chunk_rows]
        values = compute([request for _, request in chunk])
        rows = {key: value for (key, _), value in zip(chunk, values, strict=True)}
        cache.add(rows)
        known |= rows
        _log_progress(cache.name, first + len(chunk), len(todo), time.perf_counter() - started)
    seconds = time.perf_counter() - started if todo else 0.0
    return [known[key] for key in keys], CacheUse(hits=hits, computed=len(todo), seconds=seconds)


def _log_progress(name: str, done: int, total: int, seconds: float) -> None:
    rate = done / seconds if seconds else 0.0
    remaining = (total - done) / rate if rate else 0.0
    log.info("%s: %d of %d rows, %.1f rows/s, %.0f s to go", name, done, total, rate, remaining)
