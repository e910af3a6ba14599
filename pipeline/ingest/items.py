"""A domain's items: read, cleaned by rules, one row an item, stored."""

import dataclasses
from collections.abc import Iterator

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog import Catalog, Domain
from pipeline.columns import ITEMS
from pipeline.ingest.clean_items import clean_items, clean_paths
from pipeline.ingest.cleaned_table import CleanedTable, write_cleaned
from pipeline.ingest.formats.readers import existing_paths, reader_of
from pipeline.ingest.formats.rows import ReadLog
from pipeline.ingest.raw import domain_of
from pipeline.ingest.rules import Rules
from pipeline.ingest.sub_domain import lies_within
from pipeline.outcome import Outcome
from pipeline.report import Report, silent
from pipeline.store import Store


def ingest_items(
    catalog: Catalog, domain_name: str, store: Store, report: Report = silent
) -> Outcome:
    """Write `items/<domain>` in the order of the raw file, and `rejected_rows/<domain>/items`.

    Of several rows of one item the first with a title stays, or the first where none has one.
    A domain without metadata has no items here; its reviews name them. Errors as in
    `ingest_reviews`.
    """
    domain, rules = domain_of(catalog, domain_name), Rules()
    log = ReadLog(domain=domain)
    batches = reader_of(domain).read_items(existing_paths(catalog, domain), log)
    frames: Iterator[pl.DataFrame] = (pl.DataFrame(pl.from_arrow(batch)) for batch in batches)
    if domain.within:
        frames = _within(frames, domain, rules)
    cleaned = (clean_items(frame, rules).select(ITEMS.names) for frame in frames)
    table = CleanedTable(
        kind="items",
        schema=ITEMS,
        same=["item_id"],
        order=pl.col("title").is_null(),
        when_empty=_nothing_within(domain) if domain.within else None,
    )
    outcome = write_cleaned(table, cleaned, log, rules, store, report)
    key = outcome.artifact.key
    return dataclasses.replace(
        outcome, facts={**outcome.facts, **_missing(store, key)}, preview=_preview(store, key)
    )


def _within(frames: Iterator[pl.DataFrame], domain: Domain, rules: Rules) -> Iterator[pl.DataFrame]:
    for frame in frames:
        outside = ~lies_within(clean_paths(frame["categories"]), domain)
        yield rules.kept(frame, "outside_the_sub_domain", outside, "category")


def _nothing_within(domain: Domain) -> str:
    return (
        f"sub-domain {domain.name!r}: no item lies on {' or '.join(domain.paths)}: check "
        f"domain.{domain.name}.paths; names are those of the metadata, from the first on, joined "
        "by ' > '"
    )


def _missing(store: Store, key: str) -> dict[str, int]:
    """How many items lack what."""
    columns = ["title", "category", "brand", "description", "price", "image_urls"]
    missing = dict.fromkeys(columns, 0)
    for batch in store.read_batches(key, columns):
        for name in columns[:-1]:
            missing[name] += batch[name].null_count
        missing["image_urls"] += pc.sum(
            pc.equal(pc.list_value_length(batch["image_urls"]), 0)
        ).as_py()
    return {f"missing_{name}": count for name, count in missing.items()}


def _preview(store: Store, key: str) -> pa.Table | None:
    shown = [name for name in ITEMS.names if name != "description"]
    first = next(iter(store.read_batches(key, shown)), None)
    return None if first is None else pa.Table.from_batches([first.slice(0, 8)])
