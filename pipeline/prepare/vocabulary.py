"""Dense item ids and the text of each item: what the rest of the pipeline calls an item."""

import polars as pl

from pipeline.catalog import Scenario
from pipeline.columns import VOCABULARY
from pipeline.outcome import Outcome
from pipeline.store import Store

UNTITLED = "an item without a title"


def build_vocabulary(scenario: Scenario, store: Store) -> Outcome:
    """Write `vocabulary/<scenario>`: ids 1..num_items, domain by domain, items by their name.

    The text joins title, category and brand (LGCD, section 3.2); an item that the metadata
    does not know is kept, flagged, and read as an untitled item of its domain.
    """
    table = store.read_table(f"interactions/{scenario.name}", ["domain", "item_id"])
    used = pl.DataFrame(pl.from_arrow(table)).unique()
    parts = []
    for domain in scenario.domains:
        items = pl.DataFrame(pl.from_arrow(store.read_table(f"items/{domain}")))
        own = used.filter(domain=domain).join(items, on="item_id", how="left").sort("item_id")
        parts.append(own)
    vocabulary = pl.concat(parts).with_columns(
        pl.int_range(1, pl.len() + 1, dtype=pl.Int32).alias("item"),
        pl.col("title").is_not_null().alias("has_title"),
        pl.col("title").fill_null(pl.col("item_id")).alias("title"),
        pl.concat_str(
            pl.col("title").fill_null(UNTITLED),
            "category",
            "brand",
            separator=". ",
            ignore_nulls=True,
        ).alias("text"),
    )
    artifact = store.write_table(
        f"vocabulary/{scenario.name}", VOCABULARY, vocabulary.select(VOCABULARY.names).to_arrow()
    )
    untitled = vocabulary.filter(~pl.col("has_title")).height
    return Outcome(
        artifact=artifact,
        facts={"items": vocabulary.height, "without_title": untitled},
        preview=vocabulary.select("item", "domain", "item_id", "title").head(8).to_arrow(),
    )
