"""What must hold of a split by time, checked against the interactions and their times."""

import polars as pl

from pipeline.catalog import Scenario
from pipeline.prepare.global_time import Cuts


def check_times(
    sequences: pl.DataFrame, events: pl.DataFrame, cuts: Cuts, scenario: Scenario
) -> None:
    """Raise ValueError where a split by time looks ahead.

    Nothing at or after `cuts.valid` trains, a history holds all that its user did before the
    case's cut and no more, and a label lies in the time between its cut and the next.
    `sequences` follows columns.SEQUENCES; `events` are all interactions of its users: user_id,
    user (dense, unlike that of `sequences`), item, timestamp.
    """
    where, time = f"scenario {scenario.name!r}", pl.col("timestamp")
    users = events.group_by("user").agg(
        pl.col("user_id").first(),
        time.lt(cuts.valid).sum().alias("before_valid"),
        time.lt(cuts.test).sum().alias("before_test"),
    )
    tests = pl.col("part") == "test"
    rows = sequences.drop("user").join(users, on="user_id", how="left", maintain_order="left")
    rows = rows.with_columns(
        pl.when(tests).then(cuts.test).otherwise(cuts.valid).alias("start"),
        pl.when(tests).then(None).otherwise(cuts.test).alias("end"),
        pl.when(tests).then("before_test").otherwise("before_valid").alias("due"),
    ).with_row_index("row")
    known = (
        events.select(_pair("item"), time)
        .group_by("pair")
        .agg(time.min().alias("first"), time.max().alias("last"))
    )
    _check_histories(rows, known, where)
    _check_labels(rows, known, where)


def _pair(item: str) -> pl.Expr:
    """User and item as one number: joins on one key cost a fraction of those on two."""
    return (pl.col("user") * 2**32 + pl.col(item)).alias("pair")


def _check_histories(rows: pl.DataFrame, known: pl.DataFrame, where: str) -> None:
    ahead = (
        rows.select("row", "user", "start", pl.col("items").alias("item"))
        .explode("item")
        .select("row", "start", "item", _pair("item"))
        .join(known, on="pair", how="left")
        .filter(pl.col("first").is_null() | (pl.col("first") >= pl.col("start")))
    )
    if ahead.height:
        row = rows.row(ahead["row"][0], named=True)
        raise ValueError(
            f"{where}: the {row['part']} sequence of user {row['user_id']!r} holds item "
            f"{ahead['item'][0]}, which the user did not have before {row['start']}"
        )
    other = rows.filter(pl.col("items").list.len() != pl.col("due"))
    if other.height:
        row = other.row(0, named=True)
        raise ValueError(
            f"{where}: the {row['part']} sequence of user {row['user_id']!r} has "
            f"{len(row['items'])} items, but the user did {row['due']} things before {row['start']}"
        )


def _check_labels(rows: pl.DataFrame, known: pl.DataFrame, where: str) -> None:
    asked = rows.filter(pl.col("label").is_not_null()).with_columns(_pair("label"))
    early = pl.col("last").is_null() | (pl.col("last") < pl.col("start"))
    late = (pl.col("first") >= pl.col("end")).fill_null(value=False)
    beside = asked.join(known, on="pair", how="left").filter(early | late)
    if beside.height:
        row = beside.row(0, named=True)
        raise ValueError(
            f"{where}: the {row['part']} label of user {row['user_id']!r}, item {row['label']}, "
            "does not lie in the time of its part"
        )
