"""How cleaned rows become a stored table, and what people are told of every row that did not."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from pipeline.ingest.distinct import write_distinct
from pipeline.ingest.formats.rows import ReadLog
from pipeline.ingest.rejected import write_rejected
from pipeline.ingest.rules import Rules
from pipeline.outcome import Fact, Outcome
from pipeline.report import PROGRESS, Report
from pipeline.store import Store


@dataclass(frozen=True, kw_only=True)
class CleanedTable:
    """A table of one domain: `reviews` or `items`."""

    kind: str
    schema: pa.Schema
    same: list[str]  # rows alike in these columns are duplicates
    order: pl.Expr  # of duplicates the one with the least stays
    when_empty: str | None  # the error where no row is left; None: that is fine


def write_cleaned(
    table: CleanedTable,
    frames: Iterator[pl.DataFrame],
    log: ReadLog,
    rules: Rules,
    store: Store,
    report: Report,
) -> Outcome:
    """Write `<kind>/<domain>` and `rejected_rows/<domain>/<kind>`.

    Raises ValueError where more rows are faulty than the domain allows, or none is left.
    """
    domain = log.domain.name
    artifact, duplicates = write_distinct(
        store,
        f"{table.kind}/{domain}",
        table.schema,
        _checked(_told(frames, log, report), table, log, rules),
        table.same,
        table.order,
    )
    rules.drop("duplicates", duplicates)
    rejected = write_rejected(store, f"{domain}/{table.kind}", log)
    rows_out = artifact.num_rows or 0
    return Outcome(
        artifact=artifact,
        facts={
            "rows_in": log.rows + len(log.rejected),
            "rejected_rows": len(log.rejected),
            **rules.facts(),
            "rows_out": rows_out,
        },
        tables={
            "rules": rules.markdown(log.rows, len(log.rejected), rows_out),
            **({"rejected rows": rejected} if rejected else {}),
        },
    )


def _told(frames: Iterator[pl.DataFrame], log: ReadLog, report: Report) -> Iterator[pl.DataFrame]:
    """The same frames. What is to go is of the file being read, by its bytes: a packed file does
    not say its rows; a table in Parquet is read without a word of how far."""
    started = time.perf_counter()
    for frame in frames:
        seconds = max(time.perf_counter() - started, 1e-9)
        rate = round(log.rows / seconds)
        figures = {"rows_read": log.rows, "rejected_rows": len(log.rejected)}
        report(PROGRESS, {**figures, "rows_per_second": rate, **_how_far(log)})
        yield frame


def _how_far(log: ReadLog) -> dict[str, Fact]:
    if log.reading is None:
        return {}
    return {
        "file": log.reading.path.name,
        "percent_read": round(100 * log.reading.share, 1),
        "seconds_to_go": round(log.reading.seconds_to_go, 1),
    }


def _checked(
    frames: Iterator[pl.DataFrame], table: CleanedTable, log: ReadLog, rules: Rules
) -> Iterator[pl.DataFrame]:
    """The same frames; once they are through, an error where too little of them can be used."""
    rows = 0
    for frame in frames:
        rows += frame.height
        yield frame
    rules.check(log.rows, log.domain)
    if table.when_empty and not rows:
        raise ValueError(f"{table.when_empty} ({log.rows} read, {len(log.rejected)} rejected)")
