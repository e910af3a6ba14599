"""What must hold of a split by time, checked against the interactions and their times."""

import polars as pl

from pipeline.catalog import Scenario
from pipeline.prepare.global_time import Cuts

_TIME = pl.col("timestamp")


def check_times(
    sequences: pl.DataFrame, events: pl.DataFrame, cuts: Cuts, scenario: Scenario
) -> None:
    """Raise ValueError where a split by time looks ahead.

    Nothing at or after `cuts.valid` trains, a history holds all that its user did before the
    case's cut and no more, and a label lies in the time between its cut and the next.
    `sequences` follows columns.SEQUENCES; `events` are all interactions of its users: user_id,
    user (dense, unlike that of `sequences`), item, timestamp.
    """
    where = f"scenario {scenario.name!r}"
    users = events.group_by("user").agg(
        pl.col("user_id").first(),
        (_TIME < cuts.valid).sum().alias("before_valid"),
        (_TIME < cuts.test).sum().alias("before_test"),
    )
    tests = pl.col("part") == "test"
    rows = sequences.drop("user").join(users, on="user_id", how="left")
    rows = rows.with_columns(
        pl.when(tests).then(cuts.test).otherwise(cuts.valid).alias("start"),
        pl.when(tests).then(None).otherwise(cuts.test).alias("end"),
        pl.when(tests).then("before_test").otherwise("before_valid").alias("due"),
    )
    known = events.group_by("user", "item").agg(
        _TIME.min().alias("first"), _TIME.max().alias("last")
    )
    _check_histories(rows, known, where)
    _check_labels(rows, known, where)


def _check_histories(rows: pl.DataFrame, known: pl.DataFrame, where: str) -> None:
    shown = (
        rows.select("user_id", "user", "part", "start", pl.col("items").alias("item"))
        .explode("item")
        .join(known, on=["user", "item"], how="left")
    )
    ahead = shown.filter(pl.col("first").is_null() | (pl.col("first") >= pl.col("start")))
    if ahead.height:
        row = ahead.row(0, named=True)
        raise ValueError(
            f"{where}: the {row['part']} sequence of user {row['user_id']!r} holds item "
            f"{row['item']}, which the user did not have before {row['start']}"
        )
    other = rows.filter(pl.col("items").list.len() != pl.col("due"))
    if other.height:
        row = other.row(0, named=True)
        raise ValueError(
            f"{where}: the {row['part']} sequence of user {row['user_id']!r} has "
            f"{len(row['items'])} items, but the user did {row['due']} things before {row['start']}"
        )


def _check_labels(rows: pl.DataFrame, known: pl.DataFrame, where: str) -> None:
    asked = rows.filter(pl.col("label").is_not_null()).join(
        known, left_on=["user", "label"], right_on=["user", "item"], how="left"
    )
    early = pl.col("last").is_null() | (pl.col("last") < pl.col("start"))
    late = (pl.col("first") >= pl.col("end")).fill_null(value=False)
    beside = asked.filter(early | late)
    if beside.height:
        row = beside.row(0, named=True)
        raise ValueError(
            f"{where}: the {row['part']} label of user {row['user_id']!r}, item {row['label']}, "
            "does not lie in the time of its part"
        )
