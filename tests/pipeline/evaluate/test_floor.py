"""Leaderboards held to their floor, on tables written by hand."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.catalog import Scenario
from pipeline.columns import LEADERBOARD, RATING_LEADERBOARD
from pipeline.evaluate.floor import ours_above_popularity
from pipeline.evaluate.ratings.floor import ours_below_means
from pipeline.store import Store

SCENARIO = Scenario(name="little", domains=("food", "tools"))


def leaderboard(store: Store, food: dict[str, float], tools: dict[str, float]) -> None:
    common: dict[str, Any] = {"pool": "target", "metric": "NDCG@10", "low": 0.0, "high": 1.0}
    rows = [
        common
        | {"system": system, "target_domain": domain, "mean": mean, "std_error": 0.1}
        | {"num_users": 9, "num_seeds": 1}
        for domain, means in (("food", food), ("tools", tools))
        for system, mean in means.items()
    ]
    # Neither another pool nor another metric may decide.
    others = [row | {"pool": "all", "mean": 1 - row["mean"]} for row in rows]
    others += [row | {"metric": "HR@10", "mean": 1 - row["mean"]} for row in rows]
    table = pa.Table.from_pylist([*others, *rows], schema=LEADERBOARD)
    store.write_table("leaderboard/little", LEADERBOARD, table)


@pytest.mark.parametrize(
    ("food", "passed"),
    [
        ({"popularity": 0.2, "lgcd": 0.3, "lgcd_blind": 0.1, "sasrec": 0.9}, True),
        ({"popularity": 0.2, "lgcd": 0.2}, True),
        ({"popularity": 0.2, "lgcd": 0.1, "lgcd_blind": 0.15, "sasrec": 0.9}, False),
        ({"popularity": 0.2, "sasrec": 0.3}, True),  # none of ours: the best of the others
        ({"popularity": 0.2, "sasrec": 0.1}, False),
        ({"popularity": 0.2}, True),  # nothing to hold to the floor
    ],
)
def test_the_best_of_ours_reaches_popularity_in_every_domain(
    tmp_path: Path, food: dict[str, float], passed: bool
) -> None:
    store = Store(tmp_path)
    leaderboard(store, food, {"popularity": 0.1, "lgcd": 0.4})
    found = ours_above_popularity(SCENARIO, store)
    assert found.passed == passed
    assert found.figures["food: popularity"] == 0.2 and found.figures["tools: margin"] == 0.3
    below = sum(mean < 0.2 for mean in food.values())
    assert found.figures["food: systems below popularity"] == below


def rating_leaderboard(store: Store, errors: dict[float, dict[str, float]]) -> None:
    common = {"low": 0.0, "high": 2.0, "num_users": 9, "num_ratings": 9, "num_seeds": 1}
    rows = [
        common | {"cold_ratio": ratio, "system": system, "metric": metric, "mean": mean}
        for ratio, means in errors.items()
        for system, error in means.items()
        for metric, mean in (("RMSE", error), ("MAE", 2 - error))
    ]
    table = pa.Table.from_pylist(rows, schema=RATING_LEADERBOARD)
    store.write_table("rating_leaderboard/little", RATING_LEADERBOARD, table)


MEANS = {"global_mean": 1.2, "user_mean": 1.3, "item_mean": 1.1}


@pytest.mark.parametrize(
    ("own", "passed"),
    [
        ({"music": 1.0, "music_blind": 1.4, "emcdr": 0.5}, True),
        ({"music": 1.15, "emcdr": 0.5}, False),
        ({"emcdr": 1.05, "cmf": 2.0}, True),
        ({"emcdr": 1.15}, False),
        ({}, True),
    ],
)
def test_the_best_of_ours_errs_no_more_than_the_best_mean(
    tmp_path: Path, own: dict[str, float], passed: bool
) -> None:
    store = Store(tmp_path)
    rating_leaderboard(store, {0.2: MEANS | {"music": 0.9}, 0.5: MEANS | own})
    found = ours_below_means(SCENARIO, store)
    assert found.passed == passed
    assert found.figures["cold ratio 0.2: margin"] == 0.2
    assert found.figures["cold ratio 0.5: best mean"] == 1.1
