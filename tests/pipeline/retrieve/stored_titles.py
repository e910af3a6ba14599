"""Generated titles of a little world, written by hand."""

from typing import Any

import pyarrow as pa

from pipeline.columns import GENERATED_TITLES


def write_titles(world: Any, rows: list[tuple[int, str, str, list[str]]]) -> None:
    """Rows as (user, part, target domain, titles)."""
    columns = ("user", "part", "target_domain", "titles")
    entries = [
        dict(zip(columns, row, strict=True)) | {"finished": True, "output_tokens": 1}
        for row in rows
    ]
    table = pa.Table.from_pylist(entries, schema=GENERATED_TITLES)
    key = f"generated_titles/{world.scenario.name}"
    world.store.write_table(key, GENERATED_TITLES, table)
