"""Rows of columns.SEQUENCES from frames of events: what trains, and cases with a label.

Events are as pipeline.prepare.events reads them: user (dense), user_id, domain, item, timestamp,
users one after the other and each user's in time order.
"""

import polars as pl

TRAINING_PARTS = ("single", "overlap")

ROW = ("user_id", "part", "items", "target_domain", "label")
"""Columns of columns.SEQUENCES that a split decides; `user` follows from the shuffle."""


def training_rows(events: pl.DataFrame) -> pl.DataFrame:
    """One row a user of all its events; its part tells whether it knows several domains here."""
    return (
        events.group_by("user", maintain_order=True)
        .agg(
            pl.col("user_id").first(),
            pl.col("item").alias("items"),
            pl.when(pl.col("domain").n_unique() > 1)
            .then(pl.lit("overlap"))
            .otherwise(pl.lit("single"))
            .alias("part"),
        )
        .with_columns(
            pl.lit(None, dtype=pl.String).alias("target_domain"),
            pl.lit(None, dtype=pl.Int32).alias("label"),
        )
        .select(ROW)
    )


def case_rows(part: str, history: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """One row for each user of `labels`, which hold one event a user, who has a history."""
    shown = history.group_by("user", maintain_order=True).agg(pl.col("item").alias("items"))
    return (
        shown.join(
            labels.select("user", "user_id", "domain", "item"), on="user", maintain_order="left"
        )
        .rename({"domain": "target_domain", "item": "label"})
        .with_columns(pl.lit(part).alias("part"))
        .select(ROW)
    )
