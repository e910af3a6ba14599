"""What must hold of the table of ratings; each breach is an error.

`checked_ratings` passes on what it found sound, so that a table is checked while it is written
and the writer never finishes one that leaks.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby

import polars as pl

from pipeline.catalog import Scenario
from pipeline.store import Store

_READ = ["cold_ratio", "part", "role", "user", "user_id", "domain"]


def check_stored_ratings(scenario: Scenario, store: Store) -> None:
    """ValueError where `ratings/<scenario>` leaks. Holds one cold ratio in memory."""
    batches = store.read_batches(f"ratings/{scenario.name}", _READ)
    pieces = (
        piece
        for batch in batches
        for piece in pl.DataFrame(pl.from_arrow(batch)).partition_by(
            "cold_ratio", maintain_order=True
        )
    )
    tables = (pl.concat(own) for _, own in groupby(pieces, lambda piece: piece["cold_ratio"][0]))
    for _ in checked_ratings(tables, scenario):
        pass


def check_rating_leaks(table: pl.DataFrame, scenario: Scenario) -> None:
    """ValueError where a rating to predict, or its user's others, could be seen in training.

    `table` follows columns.RATINGS, with any number of cold ratios.
    """
    for _ in checked_ratings(table.partition_by("cold_ratio", maintain_order=True), scenario):
        pass


def checked_ratings(tables: Iterable[pl.DataFrame], scenario: Scenario) -> Iterator[pl.DataFrame]:
    """The tables, one of each cold ratio, once they are found sound."""
    tested: dict[float, set[str]] = {}
    for table in tables:
        ratio = float(table["cold_ratio"][0])
        where = f"scenario {scenario.name!r}, cold ratio {ratio:g}"
        if ratio in tested:
            raise ValueError(f"{where}: its rows must stand together, once")
        _check_roles(table, scenario, where)
        tested[ratio] = set(table.filter(part="test")["user_id"])
        for less, more in ((low, high) for low in tested for high in tested if low < high):
            outside = sorted(tested[less] - tested[more])
            if outside:
                raise ValueError(
                    f"{where}: user {outside[0]!r} tests at {less:g} and not at {more:g}; the test "
                    "users of a smaller ratio must be among those of a larger one"
                )
        yield table


def _check_roles(table: pl.DataFrame, scenario: Scenario, where: str) -> None:
    auxiliary, target = scenario.domains
    cold, in_target = pl.col("role") == "cold", pl.col("domain") == target
    held_out = pl.col("part") != "train"
    users = table.group_by("user_id", maintain_order=True).agg(
        pl.col("role").n_unique().alias("roles"),
        pl.col("role").first(),
        pl.col("user").n_unique().alias("numbers"),
        pl.col("part").filter(in_target).n_unique().alias("parts"),
        in_target.any().alias("in_target"),
        (pl.col("domain") == auxiliary).any().alias("in_auxiliary"),
    )
    both = pl.col("in_target") & pl.col("in_auxiliary")
    breaches = (
        (table, cold & in_target & ~held_out, "a cold user's target rating trains"),
        (table, held_out & ~(cold & in_target), "held out, yet no target rating of a cold user"),
        (users, pl.col("roles") != 1, "one user has several roles"),
        (users, pl.col("numbers") != 1, "one user has several numbers"),
        (users, pl.col("parts") > 1, "one user's target ratings lie in several parts"),
        (users, cold & ~pl.col("in_auxiliary"), "a cold user has no auxiliary ratings"),
        (users, (pl.col("role") == "overlap") & ~both, "an overlap user lacks a domain"),
        (
            users,
            (pl.col("role") == "side") & pl.col("in_auxiliary"),
            "a side user has both domains",
        ),
        (
            users,
            (pl.col("role") == "auxiliary") & pl.col("in_target"),
            "an auxiliary user rates the target",
        ),
    )
    for frame, condition, what in breaches:
        found = frame.filter(condition)
        if found.height:
            raise ValueError(f"{where}: user {found['user_id'][0]!r}: {what}")
