"""A domain's reviews: read, cleaned by rules, freed of duplicates, stored."""

import dataclasses
from collections.abc import Iterator

import polars as pl
import pyarrow as pa

from pipeline.catalog import Catalog, Domain
from pipeline.columns import REVIEWS
from pipeline.ingest.ahead import ahead
from pipeline.ingest.clean_reviews import BLANKS, clean_reviews
from pipeline.ingest.cleaned_table import CleanedTable, write_cleaned
from pipeline.ingest.formats.readers import existing_paths, reader_of
from pipeline.ingest.formats.rows import ReadLog
from pipeline.ingest.raw import domain_of
from pipeline.ingest.rules import Rules
from pipeline.outcome import Outcome
from pipeline.report import Report, silent
from pipeline.store import Store

_PREVIEWED = ["user_id", "item_id", "timestamp", "rating", "behaviour", "part"]


def ingest_reviews(
    catalog: Catalog, domain_name: str, store: Store, report: Report = silent
) -> Outcome:
    """Write `reviews/<domain>` in the order of the raw files, and `rejected_rows/<domain>/reviews`.

    Of several rows of one user, item, behaviour and published part the earliest stays; where the
    domain says `keep_repeats`, only rows of the same time are duplicates. A sub-domain reads its
    items from the store. Raises ValueError, naming file and row, where a file is missing, damaged,
    not of the domain's format, or holds more faulty rows than the domain allows.
    """
    domain, rules = domain_of(catalog, domain_name), Rules()
    log = ReadLog(domain=domain)
    batches = reader_of(domain).read_reviews(existing_paths(catalog, domain), log)
    frames: Iterator[pl.DataFrame] = ahead(_frames(batches))
    if domain.within:
        frames = _of_items(frames, store, domain, rules)
    cleaned = (clean_reviews(frame, domain, rules) for frame in frames)
    # A published split may ask again for what it showed: parts are no duplicates of each other.
    same = ["user_id", "item_id", "behaviour", "part"]
    table = CleanedTable(
        kind="reviews",
        schema=REVIEWS,
        same=[*same, "timestamp"] if domain.keep_repeats else same,
        order=pl.col("timestamp"),
        when_empty=f"domain {domain_name!r} holds no usable row: check its files and paths in "
        "the catalog",
    )
    outcome = write_cleaned(table, cleaned, log, rules, store, report)
    return dataclasses.replace(outcome, preview=_preview(store, outcome.artifact.key))


def _frames(batches: Iterator[pa.RecordBatch]) -> Iterator[pl.DataFrame]:
    for batch in batches:
        yield pl.DataFrame(pl.from_arrow(batch))


def _of_items(
    frames: Iterator[pl.DataFrame], store: Store, domain: Domain, rules: Rules
) -> Iterator[pl.DataFrame]:
    table = store.read_table(f"items/{domain.name}", ["item_id"])
    own = pl.Series(pl.from_arrow(table["item_id"])).implode()
    for frame in frames:
        ids = frame["item_id"].str.strip_chars(BLANKS)  # as they are trimmed later
        outside = ~ids.is_in(own).fill_null(False)
        yield rules.kept(frame, "outside_the_sub_domain", outside, "item_id")


def _preview(store: Store, key: str) -> pa.Table:
    first = next(iter(store.read_batches(key, _PREVIEWED)))
    return pa.Table.from_batches([first.slice(0, 8)])
