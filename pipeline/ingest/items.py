"""A domain's items: read, cleaned by rules, one row an item, stored."""

from collections.abc import Iterator

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog import Catalog, Domain
from pipeline.columns import ITEMS
from pipeline.ingest.clean_items import clean_items
from pipeline.ingest.distinct import write_distinct
from pipeline.ingest.formats.readers import existing_paths, reader_of
from pipeline.ingest.formats.rows import ReadLog
from pipeline.ingest.raw import domain_of
from pipeline.ingest.rejected import write_rejected
from pipeline.ingest.rules import Rules
from pipeline.ingest.sub_domain import lies_within
from pipeline.outcome import Outcome
from pipeline.store import Store


def ingest_items(catalog: Catalog, domain_name: str, store: Store) -> Outcome:
    """Write `items/<domain>` in the order of the raw file, and `rejected_rows/<domain>/items`.

    Of several rows of one item the first with a title stays, or the first where none has one.
    A domain without metadata has no items here; its reviews name them. Errors as in
    `ingest_reviews`.
    """
    domain, rules = domain_of(catalog, domain_name), Rules()
    log = ReadLog(domain=domain)
    batches = reader_of(domain).read_items(existing_paths(catalog, domain), log)
    frames: Iterator[pl.DataFrame] = (
        clean_items(pl.DataFrame(pl.from_arrow(batch)), rules).select(ITEMS.names)
        for batch in batches
    )
    if domain.within:
        frames = _within(frames, domain, rules)
    artifact, duplicates = write_distinct(
        store,
        f"items/{domain_name}",
        ITEMS,
        _checked(frames, log, rules),
        ["item_id"],
        pl.col("title").is_null(),
    )
    rules.drop("duplicates", duplicates)
    rejected = write_rejected(store, f"{domain_name}/items", log)
    rows_out = artifact.num_rows or 0
    return Outcome(
        artifact=artifact,
        facts={
            "rows_in": log.rows + len(log.rejected),
            "rejected_rows": len(log.rejected),
            **rules.facts(),
            "rows_out": rows_out,
            **_missing(store, artifact.key),
        },
        tables={
            "rules": rules.markdown(log.rows, len(log.rejected), rows_out),
            **({"rejected rows": rejected} if rejected else {}),
        },
        preview=_preview(store, artifact.key),
    )


def _within(frames: Iterator[pl.DataFrame], domain: Domain, rules: Rules) -> Iterator[pl.DataFrame]:
    for frame in frames:
        outside = ~lies_within(frame["categories"], domain)
        yield rules.kept(frame, "outside_the_sub_domain", outside, "category")


def _checked(frames: Iterator[pl.DataFrame], log: ReadLog, rules: Rules) -> Iterator[pl.DataFrame]:
    """The same frames; once they are through, an error where too little of them can be used."""
    rows = 0
    for frame in frames:
        rows += frame.height
        yield frame
    rules.check(log.rows, log.domain)
    if log.domain.within and not rows:
        raise ValueError(
            f"sub-domain {log.domain.name!r}: none of {log.rows} items lies on "
            f"{' or '.join(log.domain.paths)}: check domain.{log.domain.name}.paths; names are "
            "those of the metadata, from the first on, joined by ' > '"
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
