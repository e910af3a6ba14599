"""A domain's reviews: read, cleaned by rules, freed of duplicates, stored."""

from collections.abc import Iterator

import polars as pl
import pyarrow as pa

from pipeline.catalog import Catalog, Domain
from pipeline.columns import REVIEWS
from pipeline.ingest.ahead import ahead
from pipeline.ingest.clean_reviews import BLANKS, clean_reviews
from pipeline.ingest.distinct import write_distinct
from pipeline.ingest.formats.readers import existing_paths, reader_of
from pipeline.ingest.formats.rows import ReadLog
from pipeline.ingest.raw import domain_of
from pipeline.ingest.rejected import write_rejected
from pipeline.ingest.rules import Rules
from pipeline.outcome import Outcome
from pipeline.store import Store

_PREVIEWED = ["user_id", "item_id", "timestamp", "rating", "behaviour", "part"]


def ingest_reviews(catalog: Catalog, domain_name: str, store: Store) -> Outcome:
    """Write `reviews/<domain>` in the order of the raw files, and `rejected_rows/<domain>/reviews`.

    Of several rows of one user, item, behaviour and published part the earliest stays; where the
    domain says `keep_repeats`, only rows of the same time are duplicates. A sub-domain reads its
    items from the store. Raises ValueError, naming file and row, where a file is missing, damaged,
    not of the domain's format, or holds more faulty rows than the domain allows.
    """
    domain, rules = domain_of(catalog, domain_name), Rules()
    log = ReadLog(domain=domain)
    batches = reader_of(domain).read_reviews(existing_paths(catalog, domain), log)
    frames = ahead(_frames(batches))
    if domain.within:
        frames = _of_items(frames, store, domain, rules)
    cleaned = (clean_reviews(frame, domain, rules) for frame in frames)
    # A published split may ask again for what it showed: parts are no duplicates of each other.
    same = ["user_id", "item_id", "behaviour", "part"]
    same += ["timestamp"] if domain.keep_repeats else []
    artifact, duplicates = write_distinct(
        store,
        f"reviews/{domain_name}",
        REVIEWS,
        _checked(cleaned, log, rules),
        same,
        pl.col("timestamp"),
    )
    rules.drop("duplicates", duplicates)
    rejected = write_rejected(store, f"{domain_name}/reviews", log)
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
        preview=_preview(store, artifact.key),
    )


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


def _checked(frames: Iterator[pl.DataFrame], log: ReadLog, rules: Rules) -> Iterator[pl.DataFrame]:
    """The same frames; once they are through, an error where too little of them can be used."""
    rows = 0
    for frame in frames:
        rows += frame.height
        yield frame
    rules.check(log.rows, log.domain)
    if not rows:
        raise ValueError(
            f"domain {log.domain.name!r} holds no usable row ({log.rows} were read, "
            f"{len(log.rejected)} rejected): check its files and paths in the catalog"
        )


def _preview(store: Store, key: str) -> pa.Table:
    first = next(iter(store.read_batches(key, _PREVIEWED)))
    return pa.Table.from_batches([first.slice(0, 8)])
