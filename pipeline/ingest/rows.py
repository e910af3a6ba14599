"""What every reader shares: rows gathered into record batches, and a tally of lines."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa

BATCH_ROWS = 32_768


@dataclass
class Tally:
    """Counts that a reader fills while its batches are consumed."""

    rows: int = 0  # emitted
    malformed: int = 0  # lines that could not be parsed and were left out


def batches(
    rows: Iterable[tuple[Any, ...]], schema: pa.Schema, tally: Tally
) -> Iterator[pa.RecordBatch]:
    """Rows in the schema's column order, a bounded number of them in memory at a time."""
    stream = iter(rows)
    while chunk := list(islice(stream, BATCH_ROWS)):
        tally.rows += len(chunk)
        columns = zip(*chunk, strict=True)
        arrays = [
            pa.array(column, kind) for column, kind in zip(columns, schema.types, strict=True)
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)
