"""What every reader shares: how rows are counted and rejected, and gathered into record batches."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.catalog import Domain

BATCH_ROWS = 32_768
SHOWN = 80
"""Characters of an offending value that an error quotes."""


class RowError(ValueError):
    """One row cannot be used; the text names the field and the value, not the place."""


@dataclass(frozen=True, kw_only=True)
class Rejected:
    file: str
    row: int  # 1-based: line of a text file, row of a Parquet file
    reason: str


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How far a text file was read."""

    path: Path
    share: float  # of the file's bytes as they lie on the disk, packed or not; above 0
    seconds: float  # since its first byte

    @property
    def seconds_to_go(self) -> float:
        return self.seconds / self.share * (1 - self.share)


@dataclass
class ReadLog:
    """Counts that a reader fills while its batches are consumed, and the rows it left out."""

    domain: Domain
    rows: int = 0  # emitted
    rejected: list[Rejected] = field(default_factory=list)
    reading: Reading | None = None  # of the text file that was read last

    def reject(self, path: Path, row: int, reason: str) -> None:
        """Note a row that is left out. ValueError where the domain allows no more of them."""
        self.rejected.append(Rejected(file=path.name, row=row, reason=reason))
        if len(self.rejected) > self.domain.max_rejected_rows:
            raise ValueError(self._too_many(f"{path} row {row}: {reason}"))

    def _too_many(self, latest: str) -> str:
        name, allowed = self.domain.name, self.domain.max_rejected_rows
        return (
            f"{latest}. It is rejected row {len(self.rejected)} of the domain; "
            f"domain.{name}.max_rejected_rows allows {allowed}. Repair the file, check that the "
            "catalog names the right kind of file, or raise that key"
        )


def shown(value: Any) -> str:
    """A value as an error quotes it: on one line, cut."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # thousands of digits, or of lists within lists
        text = f"a value of type {type(value).__name__}, too large to show"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def batches(
    rows: Iterable[tuple[Any, ...]], schema: pa.Schema, log: ReadLog
) -> Iterator[pa.RecordBatch]:
    """Rows in the schema's column order, a bounded number of them in memory at a time."""
    stream = iter(rows)
    while chunk := list(islice(stream, BATCH_ROWS)):
        log.rows += len(chunk)
        columns = zip(*chunk, strict=True)
        yield pa.RecordBatch.from_arrays(
            [pa.array(column, kind) for column, kind in zip(columns, schema.types, strict=True)],
            names=schema.names,
        )
