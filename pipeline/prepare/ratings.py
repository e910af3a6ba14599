"""Ratings for the cold-start task of MuSiC: who trains, and whose target ratings are hidden.

The domains of the scenario are the auxiliary one, then the target. Overlap users, sorted by id,
are permuted once by the split's seed; at each cold ratio the first of them test, a share of
the others validates. So a smaller ratio's test users test at every larger one, too. All target
ratings of cold users are hidden from training; what they rated in the auxiliary domain stays.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl

from pipeline import markdown
from pipeline.catalog import Scenario
from pipeline.columns import RATINGS
from pipeline.outcome import Fact, Outcome
from pipeline.prepare.events import read_events
from pipeline.prepare.rating_leaks import checked_ratings
from pipeline.store import Store

LEAST_TRAINING_USERS = 10


def build_ratings(scenario: Scenario, store: Store) -> Outcome:
    """Write `ratings/<scenario>`: every rating once for each cold ratio.

    ValueError where a rating is missing, a part would be empty, fewer than ten overlap users
    would train, or the table leaks.
    """
    events = read_events(scenario, store)
    _check_ratings(events, scenario)
    users = _users(events, scenario)
    roles = {ratio: _roles(users, ratio, scenario) for ratio in scenario.split.cold_ratios}
    artifact = store.write_table(
        f"ratings/{scenario.name}",
        RATINGS,
        (
            batch
            for table in checked_ratings(_tables(events, roles, scenario), scenario)
            for batch in table.to_arrow().to_batches()
        ),
    )
    return Outcome(
        artifact=artifact,
        facts=_facts(events, users),
        preview=next(_tables(events.head(8), roles, scenario)).drop("user_id").to_arrow(),
        tables={"cold ratios": _summary(events, roles, scenario)},
    )


def _check_ratings(events: pl.DataFrame, scenario: Scenario) -> None:
    for domain in scenario.domains:
        missing = events.filter(pl.col("domain") == domain)["rating"].null_count()
        if missing:
            raise ValueError(
                f"scenario {scenario.name!r}: {missing} interactions of domain {domain!r} have no "
                "rating; task 'cold-start-rating' needs one for each. Name the rating's column in "
                "the catalog, or take a source that has ratings"
            )


def _users(events: pl.DataFrame, scenario: Scenario) -> pl.DataFrame:
    """user and whether active in the auxiliary and in the target domain, sorted by user_id."""
    auxiliary, target = scenario.domains
    return events.group_by("user", maintain_order=True).agg(
        (pl.col("domain") == auxiliary).any().alias("in_auxiliary"),
        (pl.col("domain") == target).any().alias("in_target"),
    )


def _roles(users: pl.DataFrame, ratio: float, scenario: Scenario) -> pl.DataFrame:
    """user, role, and the part of the user's target ratings, at one cold ratio."""
    overlap = users.filter(pl.col("in_auxiliary") & pl.col("in_target"))["user"].to_numpy()
    order = np.random.default_rng(scenario.split.seed).permutation(len(overlap))
    num_test = round(ratio * len(overlap))
    num_valid = round(scenario.split.valid * (len(overlap) - num_test))
    num_train = len(overlap) - num_test - num_valid
    if num_train < LEAST_TRAINING_USERS or not num_valid or not num_test:
        raise ValueError(
            f"scenario {scenario.name!r}: at cold ratio {ratio:g} of {len(overlap)} overlap users "
            f"{num_train} train, {num_valid} validate and {num_test} test; at least "
            f"{LEAST_TRAINING_USERS}, 1 and 1 are needed. Change split.cold_ratios or split.valid, "
            "or keep more users by scenario.filters"
        )
    cold_part = np.full(len(overlap), "train", dtype=object)
    cold_part[order[:num_test]] = "test"
    cold_part[order[num_test : num_test + num_valid]] = "valid"
    parts = pl.DataFrame(
        {"user": overlap, "target_part": pl.Series(cold_part.tolist(), dtype=pl.String)}
    )
    return users.join(parts, on="user", how="left", maintain_order="left").select(
        "user",
        pl.when(~pl.col("in_target"))
        .then(pl.lit("auxiliary"))
        .when(~pl.col("in_auxiliary"))
        .then(pl.lit("side"))
        .when(pl.col("target_part") == "train")
        .then(pl.lit("overlap"))
        .otherwise(pl.lit("cold"))
        .alias("role"),
        pl.col("target_part").fill_null("train"),
    )


def _tables(
    events: pl.DataFrame, roles: dict[float, pl.DataFrame], scenario: Scenario
) -> Iterator[pl.DataFrame]:
    """columns.RATINGS, one cold ratio after the other."""
    is_target = pl.col("domain") == scenario.domains[1]
    for ratio, own in roles.items():
        yield events.join(own, on="user", how="left", maintain_order="left").select(
            pl.lit(ratio, dtype=pl.Float32).alias("cold_ratio"),
            pl.when(is_target).then(pl.col("target_part")).otherwise(pl.lit("train")).alias("part"),
            "role",
            pl.col("user").cast(pl.Int32),
            "user_id",
            "domain",
            "item",
            "rating",
            "timestamp",
        )


def _facts(events: pl.DataFrame, users: pl.DataFrame) -> dict[str, Fact]:
    both = users.filter(pl.col("in_auxiliary") & pl.col("in_target")).height
    return {
        "ratings": events.height,
        "mean_rating": round(events.select(pl.col("rating").cast(pl.Float64).mean()).item(), 4),
        "overlap_users": both,
        "side_users": users.filter(~pl.col("in_auxiliary")).height,
        "auxiliary_users": users.filter(~pl.col("in_target")).height,
    }


def _summary(events: pl.DataFrame, roles: dict[float, pl.DataFrame], scenario: Scenario) -> str:
    """Markdown: users who train with both domains, validate and test, and what the last rated."""
    rated = events.filter(pl.col("domain") == scenario.domains[1]).group_by("user").len()
    rows = []
    for ratio, own in roles.items():
        cold, test = own.filter(role="cold"), own.filter(role="cold", target_part="test")
        training = own.filter(role="overlap").height
        ratings = test.join(rated, on="user")["len"].sum()
        cells = (f"{ratio:g}", training, cold.height - test.height, test.height, ratings)
        rows.append([str(cell) for cell in cells])
    header = ("cold ratio", "training overlap users", "validation users", "test users", "ratings")
    return markdown.table(header, rows)
