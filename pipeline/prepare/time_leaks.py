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
    `events` are all interactions: user_id, item, timestamp.
    """
    where, time = f"scenario {scenario.name!r}", pl.col("timestamp")
    start = pl.when(part="test").then(cuts.test).otherwise(cuts.valid).alias("start")
    end = pl.when(part="valid").then(cuts.test).otherwise(None).alias("end")
    rows = sequences.with_columns(start, end)
    known = events.group_by("user_id", "item").agg(
        time.min().alias("first"), time.max().alias("last")
    )
    shown = rows.select("user_id", "part", "start", pl.col("items").alias("item")).explode("item")
    ahead = shown.join(known, on=["user_id", "item"], how="left").filter(
        pl.col("first").is_null() | (pl.col("first") >= pl.col("start"))
    )
    if ahead.height:
        user, part, _, item, *_ = ahead.sort("user_id", "part").row(0)
        raise ValueError(
            f"{where}: the {part} sequence of user {user!r} holds item {item}, which the user did "
            f"not have before {ahead['start'][0]}"
        )
    asked = rows.filter(pl.col("label").is_not_null()).join(
        known, left_on=["user_id", "label"], right_on=["user_id", "item"], how="left"
    )
    beside = asked.filter(
        pl.col("last").is_null()
        | (pl.col("last") < pl.col("start"))
        | (pl.col("first") >= pl.col("end")).fill_null(value=False)
    )
    if beside.height:
        raise ValueError(
            f"{where}: the {beside['part'][0]} label of user {beside['user_id'][0]!r}, item "
            f"{beside['label'][0]}, does not lie in the time of its part"
        )
    _check_lengths(rows, events, cuts, where)


def _check_lengths(rows: pl.DataFrame, events: pl.DataFrame, cuts: Cuts, where: str) -> None:
    time = pl.col("timestamp")
    before = events.group_by("user_id").agg(
        (time < cuts.valid).sum().alias("before_valid"),
        (time < cuts.test).sum().alias("before_test"),
    )
    due = pl.when(part="test").then("before_test").otherwise("before_valid")
    other = rows.join(before, on="user_id", how="left").filter(pl.col("items").list.len() != due)
    if other.height:
        raise ValueError(
            f"{where}: the {other['part'][0]} sequence of user {other['user_id'][0]!r} is not all "
            f"that the user did before {other['start'][0]}"
        )
