"""Split by time: two points of time, the same for all, part training, validation and test.

What trains lies before the first point. A case shows all that its user did before its point and
asks for an interaction of the time that follows. Under "cross-domain-sequential" that is the
user's first one; under "inter-domain" it is the first one in a domain where the user was never
active before the point, so the user is truly cold there, and what it did elsewhere may train.
A user without a history has no case. Items that nobody had before may be labels.
"""

from dataclasses import dataclass

import polars as pl

from pipeline.catalog import Scenario
from pipeline.prepare.events import cut_points
from pipeline.prepare.sequence_rows import case_rows, training_rows


@dataclass(frozen=True, kw_only=True)
class Cuts:
    """Points of time, in seconds since 1970; an interaction at one belongs to what follows."""

    valid: int
    test: int


def find_cuts(events: pl.DataFrame, scenario: Scenario) -> Cuts:
    """Points that leave the shares `split.valid` and `split.test` of all interactions after them.

    Interactions at the same time as a point all come after it, so the shares are at least those
    asked for. ValueError where timestamps are positions in sequences, not times.
    """
    begun = events.group_by("user").agg(pl.col("timestamp").min())["timestamp"]
    if (begun <= 1).sum() > len(begun) / 2:
        raise ValueError(
            f"scenario {scenario.name!r}: most users begin at timestamp 0 or 1, so timestamps are "
            "positions in sequences, which say nothing of the order of two users: "
            f"scenario.{scenario.name}.split.kind = 'global-time' needs data with times"
        )
    valid, test = cut_points(events["timestamp"], scenario.split)
    return Cuts(valid=valid, test=test)


def split_by_time(events: pl.DataFrame, cuts: Cuts, scenario: Scenario) -> pl.DataFrame:
    """Rows of sequence_rows.ROW from events in time order, one user's beside each other."""
    entered = pl.col("timestamp").min().over("user", "domain")
    events = events.with_columns(entered.alias("entered"))
    time, inter_domain = pl.col("timestamp"), scenario.task == "inter-domain"
    rows = [training_rows(events.filter(time < cuts.valid))]
    for part, start, end in (("valid", cuts.valid, cuts.test), ("test", cuts.test, None)):
        following = events.filter(time >= start)
        if end is not None:
            following = following.filter(time < end)
        if inter_domain:
            following = following.filter(pl.col("entered") >= start)
        labels = following.unique("user", keep="first", maintain_order=True)
        rows.append(case_rows(part, events.filter(time < start), labels))
    return pl.concat(rows)
