"""Rows that could not be read, kept with their places so that people can look them up."""

import dataclasses

import pyarrow as pa

from pipeline.columns import REJECTED_ROWS
from pipeline.ingest.formats.rows import ReadLog
from pipeline.markdown import plain
from pipeline.store import Store

_LISTED = 10


def write_rejected(store: Store, name: str, log: ReadLog) -> str:
    """Write `rejected_rows/<name>`; returns the first ones as Markdown, empty where none is."""
    rows = [dataclasses.asdict(row) for row in log.rejected]
    table = pa.Table.from_pylist(rows, schema=REJECTED_ROWS)
    store.write_table(f"rejected_rows/{name}", REJECTED_ROWS, table)
    if not rows:
        return ""
    lines = [f"| {r.file} | {r.row} | {plain(r.reason)} |" for r in log.rejected[:_LISTED]]
    return "\n".join(["| file | row | reason |", "|---|---:|---|", *lines])
