"""Extracted features as a table: ids, vectors, and what each vector was made from."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

import numpy as np
import pyarrow as pa

from pipeline.catalog import Precision
from pipeline.extract.extraction import vectors_in
from pipeline.extract.feature_cost import FeatureCost, save_feature_cost
from pipeline.extract.progress import Usage
from pipeline.extract.vectors import vector_type
from pipeline.outcome import Fact
from pipeline.store import Artifact, Store


class FeatureRows(Protocol):
    """Vectors in the order of the rows that have one; see `Extracted` and `SentenceRows`."""

    @property
    def usage(self) -> Usage: ...

    def batches(self) -> Iterator[pa.StructArray]:
        """Structs of `feature_type`, some thousand at a time."""
        ...


@dataclass(frozen=True, kw_only=True)
class FeatureTable:
    """`columns` describe every row; `is_extracted` tells which have a vector, others get zeros."""

    key: str
    model: str  # as the catalog names it
    pooling: str
    schema: Callable[[pa.DataType], pa.Schema]
    columns: pa.Table
    is_extracted: np.ndarray  # bool [rows]
    extracted: FeatureRows  # of those rows, in their order
    precision: Precision


@dataclass
class _Tally:
    width: int = 0
    cut_rows: int = 0
    cut_entries: int = 0
    tokens: int = 0
    rounding_error: float = 0.0


def write_features(table: FeatureTable, store: Store) -> tuple[Artifact, dict[str, Fact]]:
    """Write the table, some thousand rows in memory at a time; returns it with its figures."""
    batches, tally = table.extracted.batches(), _Tally()
    first = next(batches, None)
    if first is None:
        raise ValueError(f"{table.key}: not one row has anything for the model to read")
    tally.width = len(first[0]["vector"])
    schema = table.schema(vector_type(tally.width, table.precision))
    artifact = store.write_table(table.key, schema, _rows(table, schema, first, batches, tally))
    usage = table.extracted.usage
    cost = FeatureCost(
        model=table.model,
        pooling=table.pooling,
        width=tally.width,
        rows=int(table.is_extracted.sum()),
        tokens=tally.tokens or None,
        computed=usage.computed,
        seconds=usage.seconds,
    )
    save_feature_cost(store, table.key, cost)
    facts: dict[str, Fact] = {
        "rows": table.columns.num_rows,
        "width": tally.width,
        "rows_cut_to_fit": tally.cut_rows,
        "history_entries_cut": tally.cut_entries,
        "precision": table.precision,
        "largest_rounding_error": float(f"{tally.rounding_error:.2g}"),
    }
    return artifact, facts | usage.facts()


def _rows(
    table: FeatureTable,
    schema: pa.Schema,
    first: pa.StructArray,
    rest: Iterator[pa.StructArray],
    tally: _Tally,
) -> Iterator[pa.RecordBatch]:
    """Record batches that end where a batch of extracted rows ends; the last takes what is left."""
    positions, start, taken = np.flatnonzero(table.is_extracted), 0, 0
    for values in chain([first], rest):
        _count(values, tally)
        taken += len(values)
        is_last = taken == len(positions)
        end = table.columns.num_rows if is_last else int(positions[taken - 1]) + 1
        yield _batch(table, schema, start, end, values)
        start = end


def _batch(
    table: FeatureTable, schema: pa.Schema, start: int, end: int, values: pa.StructArray
) -> pa.RecordBatch:
    here = table.is_extracted[start:end]
    found = vectors_in(values.field("vector"))
    vectors = np.zeros((end - start, found.shape[1]), dtype=found.dtype)
    vectors[here] = found
    cut = np.zeros(end - start, dtype=np.int32)
    cut[here] = values.field("cut_history").to_numpy()
    flat = pa.array(vectors.ravel(), schema.field("vector").type.value_type)
    own: dict[str, pa.Array] = {
        "vector": pa.FixedSizeListArray.from_arrays(flat, type=schema.field("vector").type),
        "cut_reviews": pa.array(cut),
    }
    described = table.columns.slice(start, end - start).combine_chunks()
    columns = [
        own[name] if name in own else pa.concat_arrays(described[name].chunks)
        for name in schema.names
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _count(values: pa.StructArray, tally: _Tally) -> None:
    cut = values.field("cut_history").to_numpy()
    tally.cut_rows += int((cut > 0).sum())
    tally.cut_entries += int(cut.sum())
    tally.tokens += int(values.field("prompt_tokens").to_numpy().sum(dtype=np.int64))
    worst = float(values.field("rounding_error").to_numpy().max())
    tally.rounding_error = max(tally.rounding_error, worst)
