"""Rows that stream by are stored without duplicates, in their order, in bounded memory.

Rows go to a scratch file first, each with the hash of what makes it a duplicate; the hashes
alone, a part of them at a time, tell which rows stay. 64-bit hashes: of 67 million rows, the
largest category there is, two different ones would be taken for one with a chance of 1 in 8,000.
"""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from pipeline.ingest.ahead import ahead
from pipeline.store import Artifact, Store

_HASH, _ORDER = "__hash", "__order"
_ROWS_AT_A_TIME = 4_000_000


def write_distinct(
    store: Store,
    key: str,
    schema: pa.Schema,
    frames: Iterator[pl.DataFrame],
    same: list[str],
    order: pl.Expr,
) -> tuple[Artifact, int]:
    """Write a table of which no two rows are alike in the columns `same`; and count the others.

    Of such rows the one with the least `order` (int64) stays, of these the first. At most some
    100 MB are held, and one byte a row; the scratch file takes about the table's own space.
    """
    with store.scratch(key) as path:
        _write_scratch(path, schema, frames, same, order)
        keep = _first_of_each(path)
        artifact = store.write_table(key, schema, ahead(_kept(path, schema, keep)))
    return artifact, len(keep) - int(keep.sum())


def _write_scratch(
    path: Path, schema: pa.Schema, frames: Iterator[pl.DataFrame], same: list[str], order: pl.Expr
) -> None:
    marks = _hash(same).alias(_HASH), order.cast(pl.Int64).alias(_ORDER)
    none = pl.DataFrame(pl.from_arrow(schema.empty_table()))
    tables = (
        frame.select(*schema.names, *marks).to_arrow(compat_level=pl.CompatLevel.oldest())
        for frame in chain([none], frames)
    )
    first = next(tables)
    # Not compressed: packing would cost more time than the disk does.
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, first.schema) as writer:
        for table in tables:
            for batch in table.combine_chunks().to_batches():
                writer.write_batch(batch)


def _hash(same: list[str]) -> pl.Expr:
    """Columns hashed with seeds of their own, so that equal values in two do not cancel out."""
    hashes = [pl.col(name).hash(seed) for seed, name in enumerate(same, start=1)]
    whole = hashes[0]
    for one in hashes[1:]:
        whole = whole ^ one
    return whole


def _first_of_each(path: Path) -> np.ndarray:
    """True for each row that stays: hashes are compared in parts of about equal size."""
    num_rows = sum(len(hashes) for hashes, _ in _marks(path))
    keep = np.zeros(num_rows, dtype=bool)
    num_parts = -(-num_rows // _ROWS_AT_A_TIME)
    for part in range(num_parts):
        rows, hashes, orders = _part_of(path, part, num_parts)
        ranked = np.lexsort((rows, orders, hashes))
        hashes = hashes[ranked]
        first = np.ones(len(ranked), dtype=bool)
        first[1:] = hashes[1:] != hashes[:-1]
        keep[rows[ranked[first]]] = True
    return keep


def _part_of(path: Path, part: int, num_parts: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row numbers, hashes and orders of the rows whose hash falls into a part."""
    chosen, start = [], 0
    for hashes, orders in _marks(path):
        own = np.flatnonzero(hashes % np.uint64(num_parts) == part)
        chosen.append((own + start, hashes[own], orders[own]))
        start += len(hashes)
    rows, hashes, orders = (np.concatenate(column) for column in zip(*chosen, strict=True))
    return rows, hashes, orders


def _marks(path: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    with pa.OSFile(str(path), "rb") as file:
        names = pa.ipc.open_file(file).schema.names
        wanted = [names.index(_HASH), names.index(_ORDER)]
        options = pa.ipc.IpcReadOptions(included_fields=wanted)
        with pa.ipc.open_file(file, options=options) as reader:
            for number in range(reader.num_record_batches):
                batch = reader.get_batch(number)
                yield batch[_HASH].to_numpy(), batch[_ORDER].to_numpy()


def _kept(path: Path, schema: pa.Schema, keep: np.ndarray) -> Iterator[pa.RecordBatch]:
    start = 0
    with pa.OSFile(str(path), "rb") as file, pa.ipc.open_file(file) as reader:
        for number in range(reader.num_record_batches):
            batch = reader.get_batch(number)
            mask = keep[start : start + batch.num_rows]
            start += batch.num_rows
            # Polars filters texts without copying them.
            frame = pl.DataFrame(pl.from_arrow(batch.select(schema.names))).filter(mask)
            yield from frame.to_arrow(compat_level=pl.CompatLevel.oldest()).to_batches()
