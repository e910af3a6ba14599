"""Rows of model output, each paid for once: what the cache knows is read, the rest is computed
(pipeline/extract/missing_rows.py).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.catalog import Precision, Price
from pipeline.extract.engine import (
    Embed,
    Engine,
    Features,
    Generate,
    Generation,
    Prepared,
    Request,
)
from pipeline.extract.missing_rows import Work, compute_missing
from pipeline.extract.progress import Tokens, Usage
from pipeline.extract.row_cache import CachedRows, LostRows, RowCache
from pipeline.extract.vectors import stored_vectors
from pipeline.report import Report, silent

_READ_ROWS = 65_536  # read at once: each reading visits every part that has some of them

GENERATION = pa.struct(
    [
        ("text", pa.string()),
        ("finished", pa.bool_()),
        ("prompt_tokens", pa.int32()),
        ("output_tokens", pa.int32()),
        ("cut_history", pa.int32()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class Extraction:
    """What stages extract with."""

    engine: Engine
    cache: RowCache
    prices: tuple[Price, ...] = ()
    report: Report = silent


@dataclass(frozen=True, kw_only=True)
class Extracted:
    """Rows that the cache holds by now, in the order in which they were asked for."""

    usage: Usage
    _extraction: Extraction
    _rows: CachedRows
    _keys: pa.Array
    _work: Work

    def batches(self) -> Iterator[pa.Array]:
        """The values, some thousand at a time."""
        for start in range(0, len(self._keys), _READ_ROWS):
            yield self._read(self._keys.slice(start, _READ_ROWS))

    def values(self) -> pa.Array:
        """All values at once."""
        return pa.concat_arrays([pa.array([], self._work.value), *self.batches()])

    def _read(self, keys: pa.Array) -> pa.Array:
        try:
            return self._rows.fetch(keys)
        except LostRows:  # a part proved corrupt, was named and set aside: its rows are computed
            _computed(self._extraction, self._work, self._rows, self._keys)
            return self._rows.fetch(keys)


def generate(
    extraction: Extraction, task: Generate, requests: Sequence[Request]
) -> tuple[list[Generation], Usage]:
    """An answer for each request, in order; equal requests are computed once."""
    engine = extraction.engine

    def compute(prepared: Any) -> pa.Array:
        answers = engine.generate(task, prepared)
        return pa.array([vars(answer) for answer in answers], GENERATION)

    work = _of_requests(engine, task, requests, GENERATION, compute)
    extracted = _extract(extraction, work)
    return [Generation(**row) for row in extracted.values().to_pylist()], extracted.usage


def features(
    extraction: Extraction, task: Features, requests: Sequence[Request], precision: Precision
) -> Extracted:
    """A pooled hidden state for each request: structs of `feature_type(precision)`."""
    engine, kind = extraction.engine, feature_type(precision)

    def compute(prepared: Any) -> pa.Array:
        vectors = engine.features(task, prepared)
        _refuse_unfit(vectors.values, precision, task, prepared)
        stored, error = stored_vectors(vectors.values, precision)
        columns = {
            "vector": stored.cast(kind.field("vector").type),
            "prompt_tokens": pa.array(vectors.prompt_tokens),
            "cut_history": pa.array(vectors.cut_history),
            "rounding_error": pa.array(np.full(len(stored), error, dtype=np.float32)),
        }
        return pa.StructArray.from_arrays(list(columns.values()), fields=list(kind))

    return _extract(extraction, _of_requests(engine, task, requests, kind, compute))


def _refuse_unfit(
    values: np.ndarray, precision: Precision, task: Features, prepared: Sequence[Prepared]
) -> None:
    largest = np.abs(values).max(axis=1)
    checks = [(~np.isfinite(largest), "that are not finite", "engine.dtype", "'bfloat16'")]
    if precision == "float16":
        too_large = largest > np.finfo(np.float16).max
        checks.append((too_large, "too large for float16", "features.precision", "'float32'"))
    for bad, complaint, key, remedy in checks:
        if bad.any():
            rows = ", ".join(prepared[i].request.row for i in np.flatnonzero(bad)[:5])
            raise ValueError(
                f"{task.model} gave states {complaint} for {rows} ({bad.sum()} of the chunk's "
                f"{len(bad)} rows); none of them is kept: try {key} = {remedy} in the catalog"
            )


def feature_type(precision: Precision) -> pa.StructType:
    """`rounding_error` is the largest of the row's chunk, relative to a vector's length."""
    number = pa.float16() if precision == "float16" else pa.float32()
    return pa.struct(
        [
            ("vector", pa.list_(number)),
            ("prompt_tokens", pa.int32()),
            ("cut_history", pa.int32()),
            ("rounding_error", pa.float32()),
        ]
    )


def embed(extraction: Extraction, task: Embed, texts: Sequence[str]) -> tuple[np.ndarray, Usage]:
    """Vectors [len(texts), width], float32 of unit length, in the order of the texts."""
    engine = extraction.engine
    work = Work(
        task=task,
        value=pa.list_(pa.float32()),
        payloads=[text.encode() for text in texts],
        sizes=np.array([len(text) for text in texts], dtype=np.int64),
        groups=[""] * len(texts),
        measure=lambda positions: Tokens(),
        prepare=lambda positions: [texts[i] for i in positions],
        compute=lambda some: _lists(engine.embed(task, some)),
    )
    extracted = _extract(extraction, work)
    batches = [vectors_in(batch) for batch in extracted.batches()]
    vectors = np.concatenate(batches) if batches else np.empty((0, 0), dtype=np.float32)
    return vectors, extracted.usage


def vectors_in(lists: pa.Array) -> np.ndarray:
    """The matrix [rows, width] that an array of equally long lists holds; at least one."""
    matrix: np.ndarray = lists.flatten().to_numpy(zero_copy_only=False).reshape(len(lists), -1)
    return matrix


def _lists(vectors: np.ndarray) -> pa.Array:
    bounds = np.arange(len(vectors) + 1, dtype=np.int32) * vectors.shape[1]
    return pa.ListArray.from_arrays(pa.array(bounds), pa.array(vectors.ravel()))


def _of_requests(
    engine: Engine,
    task: Generate | Features,
    requests: Sequence[Request],
    value: pa.DataType,
    compute: Callable[[Any], pa.Array],
) -> Work:
    answer = task.sampling.max_tokens if isinstance(task, Generate) else 0

    def prepare(positions: np.ndarray) -> Any:
        return engine.prepare(task, [requests[i] for i in positions])

    def measure(positions: np.ndarray) -> Tokens:
        prompt = sum(prepared.tokens for prepared in prepare(positions))
        return Tokens(prompt=prompt, output=answer * len(positions))

    return Work(
        task=task,
        value=value,
        payloads=[request.payload() for request in requests],
        sizes=np.array([request.size() for request in requests], dtype=np.int64),
        groups=[request.shared_prefix() for request in requests],
        measure=measure,
        prepare=prepare,
        compute=compute,
    )


def _extract(extraction: Extraction, work: Work) -> Extracted:
    rows = extraction.cache.open(extraction.engine.identity(work.task), work.value)
    keys = rows.keys(work.payloads)
    usage = _computed(extraction, work, rows, keys)
    return Extracted(usage=usage, _extraction=extraction, _rows=rows, _keys=keys, _work=work)


def _computed(extraction: Extraction, work: Work, rows: CachedRows, keys: pa.Array) -> Usage:
    price = next((p for p in extraction.prices if p.model == work.task.model), None)
    return compute_missing(extraction.engine, work, rows, keys, price, extraction.report)
