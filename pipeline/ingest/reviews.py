"""A domain's reviews: read, freed of duplicates, text cleaned, stored."""

from collections.abc import Iterable, Iterator

import numpy as np
import polars as pl
import pyarrow as pa

from pipeline.catalog import Catalog, Domain
from pipeline.columns import REVIEWS
from pipeline.ingest.clean import clean_text
from pipeline.ingest.raw import domain_of
from pipeline.ingest.readers import read_reviews
from pipeline.ingest.rows import Tally
from pipeline.outcome import Outcome
from pipeline.store import Store

_PREVIEWED = ["user_id", "item_id", "timestamp", "rating", "part"]


def ingest_reviews(catalog: Catalog, domain_name: str, store: Store) -> Outcome:
    """Write `reviews/<domain>` in the order of the raw files. Errors as in `read_reviews`.

    Of several reviews of one item by one user the earliest stays. The raw file is read twice,
    first for the ids alone, so that texts never gather in memory.
    """
    domain, tally = domain_of(catalog, domain_name), Tally()
    keys = _keys(read_reviews(catalog, domain, tally))
    keep = _earliest(keys)
    if not keep.any():
        raise ValueError(f"domain {domain_name!r} holds no review: check its files in the catalog")
    artifact = store.write_table(f"reviews/{domain_name}", REVIEWS, _kept(catalog, domain, keep))
    facts: dict[str, int | float | str] = {
        "rows_in": tally.rows,
        "malformed_lines": tally.malformed,
        "duplicates_dropped": tally.rows - int(keep.sum()),
        "rows_out": int(keep.sum()),
        "users": keys["user_id"].n_unique(),
        "items": keys["item_id"].n_unique(),
    }
    batches = store.read_batches(artifact.key, _PREVIEWED)
    preview = pa.Table.from_batches([next(iter(batches)).slice(0, 8)])
    return Outcome(artifact=artifact, facts=facts, preview=preview)


def _keys(batches: Iterable[pa.RecordBatch]) -> pl.DataFrame:
    """User, item and time of every row: all that duplicates need."""
    names = ["user_id", "item_id", "timestamp"]
    parts = [pl.DataFrame(pl.from_arrow(pa.table(batch.select(names)))) for batch in batches]
    empty = pl.DataFrame(schema={"user_id": pl.String, "item_id": pl.String, "timestamp": pl.Int64})
    return pl.concat([empty, *parts])


def _earliest(keys: pl.DataFrame) -> np.ndarray:
    """True for each pair's earliest row; of equal times, the first in the file."""
    kept = (
        keys.with_row_index("row")
        .sort("timestamp", "row")
        .unique(["user_id", "item_id"], keep="first", maintain_order=True)
    )
    keep = np.zeros(keys.height, dtype=bool)
    keep[kept["row"].to_numpy()] = True
    return keep


def _kept(catalog: Catalog, domain: Domain, keep: np.ndarray) -> Iterator[pa.RecordBatch]:
    start = 0
    for batch in read_reviews(catalog, domain):
        mask = pa.array(keep[start : start + batch.num_rows])
        start += batch.num_rows
        yield _with_clean_text(batch.filter(mask))


def _with_clean_text(batch: pa.RecordBatch) -> pa.RecordBatch:
    texts = pa.array(map(clean_text, batch["text"].to_pylist()), pa.string())
    return batch.set_column(batch.schema.get_field_index("text"), REVIEWS.field("text"), texts)
