"""Rows that the cache lacks are computed: in which order, in which chunks, and with what is told.

Each chunk is committed before the next begins, so a run that is killed loses one chunk at most.
Rows that share the beginning of their prompt go together (vLLM's prefix cache reads it once), and
longest first, so that a batch holds rows of one length, memory is tried at once and the time to
go is not underestimated. The chunks of a resumed run are those that the undisturbed run would have
had: models' last bits depend on what shares a batch.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog import Price
from pipeline.extract.engine import Engine, Task
from pipeline.extract.progress import Meter, Tokens, Usage
from pipeline.extract.row_cache import CachedRows
from pipeline.extract.row_index import first_of_each, words_of
from pipeline.report import Report

_ROW_SIZE = 600  # characters of a row, on average, in a chunk that has all the rows it may
_SAMPLE_ROWS = 32  # tokenised for the plan


@dataclass(frozen=True, kw_only=True)
class Work:
    """How the rows of one task are computed; positions are those of the payloads."""

    task: Task
    value: pa.DataType
    payloads: Sequence[bytes]
    sizes: np.ndarray  # of each row, in characters
    groups: Sequence[str]  # rows of one group share the beginning of their prompt
    measure: Callable[[np.ndarray], Tokens]  # of the rows at some positions, before computing
    prepare: Callable[[np.ndarray], Any]  # runs beside `compute`
    compute: Callable[[Any], pa.Array]


def compute_missing(
    engine: Engine,
    work: Work,
    rows: CachedRows,
    keys: pa.Array,
    price: Price | None,
    report: Report,
) -> Usage:
    """Compute and commit every row whose key the cache does not know, of equal ones the first."""
    known = rows.known(keys)
    order = _ordered(work, np.flatnonzero(~known & first_of_each(words_of(keys))))
    name = f"{type(work.task).__name__.lower()} with {work.task.model}"
    meter = Meter(name, int(known.sum()), work.sizes[order], price, report)
    if not len(order):
        return meter.usage()
    sample = order[:: -(-len(order) // _SAMPLE_ROWS)]
    meter.plan(work.measure(sample), float((work.sizes[sample] + 1).sum()))
    engine.start(work.task)
    meter.computing()
    chunks = _chunks(order, work.sizes, engine.chunk_rows(work.task))
    for positions, prepared in _prepared_ahead(work.prepare, chunks):
        own = keys.take(pa.array(positions))
        if rows.known(own).all():  # by another process, meanwhile
            meter.skip(len(own))
            continue
        values = work.compute(prepared)
        rows.add(own, values)
        meter.add(len(own), _tokens_in(values))
    return meter.usage()


def _ordered(work: Work, positions: np.ndarray) -> np.ndarray:
    """Rows of one group together, longest first; ties by position, so it is always the same."""
    groups = np.unique(np.array(work.groups, dtype=object), return_inverse=True)[1]
    return positions[np.lexsort((positions, -work.sizes[positions], groups[positions]))]


def _chunks(order: np.ndarray, sizes: np.ndarray, most_rows: int) -> list[np.ndarray]:
    """The order, cut: fewer long rows than short ones make a chunk, so that none takes for ever."""
    ends = np.cumsum(sizes[order])
    chunks, start, before = [], 0, 0
    while start < len(order):
        fitting = int(np.searchsorted(ends, before + most_rows * _ROW_SIZE, side="right"))
        end = min(max(fitting, start + 1), start + most_rows)
        chunks.append(order[start:end])
        start, before = end, int(ends[end - 1])
    return chunks


def _prepared_ahead(
    prepare: Callable[[np.ndarray], Any], chunks: Sequence[np.ndarray]
) -> Iterator[tuple[np.ndarray, Any]]:
    """Each chunk with its preparation, the next one's running beside whatever is done meanwhile."""
    thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tokenise")
    try:
        ahead = thread.submit(prepare, chunks[0])
        for number, chunk in enumerate(chunks):
            prepared = ahead.result()
            if number + 1 < len(chunks):
                ahead = thread.submit(prepare, chunks[number + 1])
            yield chunk, prepared
    finally:
        thread.shutdown(wait=False, cancel_futures=True)


def _tokens_in(values: pa.Array) -> Tokens:
    kind = values.type
    if not pa.types.is_struct(kind):
        return Tokens()

    def total(name: str) -> int:
        present = kind.get_field_index(name) >= 0
        return int(pc.sum(values.field(name)).as_py() or 0) if present else 0

    return Tokens(prompt=total("prompt_tokens"), output=total("output_tokens"))
