"""A domain's items: read, one row an item, titles and brands cleaned, stored."""

import polars as pl
import pyarrow as pa

from pipeline.catalog import Catalog
from pipeline.columns import ITEMS
from pipeline.ingest.clean import clean_line, clean_title
from pipeline.ingest.raw import domain_of
from pipeline.ingest.readers import read_items
from pipeline.ingest.rows import Tally
from pipeline.outcome import Outcome
from pipeline.store import Store


def ingest_items(catalog: Catalog, domain_name: str, store: Store) -> Outcome:
    """Write `items/<domain>` in the order of the raw file. Errors as in `read_items`.

    Of several rows of one item the first with a title stays, or the first where none has one.
    """
    domain, tally = domain_of(catalog, domain_name), Tally()
    batches = [_cleaned(batch) for batch in read_items(catalog, domain, tally)]
    table = pl.DataFrame(pl.from_arrow(pa.Table.from_batches(batches, schema=ITEMS)))
    if table.is_empty():
        raise ValueError(f"domain {domain_name!r} has no items: check its files in the catalog")
    items = _one_row_an_item(table)
    artifact = store.write_table(f"items/{domain_name}", ITEMS, items.to_arrow())
    return Outcome(
        artifact=artifact,
        facts={
            "rows_in": tally.rows,
            "malformed_lines": tally.malformed,
            "duplicates_dropped": table.height - items.height,
            "rows_out": items.height,
            "missing_titles": items["title"].null_count(),
            "missing_categories": items["category"].null_count(),
            "missing_brands": items["brand"].null_count(),
            "missing_image_urls": int((items["image_urls"].list.len() == 0).sum()),
        },
        preview=items.head(8).to_arrow(),
    )


def _one_row_an_item(table: pl.DataFrame) -> pl.DataFrame:
    return (
        table.with_row_index("row")
        .sort(pl.col("title").is_null(), "row")
        .unique("item_id", keep="first", maintain_order=True)
        .sort("row")
        .drop("row")
    )


def _cleaned(batch: pa.RecordBatch) -> pa.RecordBatch:
    rules = {"title": clean_title, "brand": clean_line}
    columns = [
        pa.array(map(rules[field.name], batch[field.name].to_pylist()), field.type)
        if field.name in rules
        else batch[field.name]
        for field in ITEMS
    ]
    return pa.RecordBatch.from_arrays(columns, schema=ITEMS)
