"""Ratings of one cold ratio: judged against the stored table, row by row."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from models.ratings import Ratings
from pipeline.columns import RATINGS
from pipeline.train.ratings.cases import RatingCases, load_rating_cases
from tests.pipeline.rating_world import NUM_ITEMS, RatingWorld, make_rating_world

TARGET = range(NUM_ITEMS + 1, 2 * NUM_ITEMS + 1)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> RatingWorld:
    return make_rating_world(tmp_path_factory.mktemp("songs"))


@pytest.fixture
def world(prepared: RatingWorld, tmp_path: Path) -> RatingWorld:
    return prepared.copied(tmp_path)


def rows_of(world: RatingWorld, ratio: float) -> list[dict[str, Any]]:
    table = world.store.read_table("ratings/songs").to_pylist()
    return [row for row in table if row["cold_ratio"] == pytest.approx(ratio)]


def triples(ratings: Ratings) -> list[tuple[int, int, float]]:
    return sorted(zip(*(part.tolist() for part in ratings), strict=True))


def cases_of(world: RatingWorld, ratio: float = 0.2, cold_items: float = 0.0) -> RatingCases:
    split = replace(world.scenario.split, cold_items=cold_items)
    return load_rating_cases(world.store, replace(world.scenario, split=split), ratio)


@pytest.mark.parametrize("ratio", [0.2, 0.5])
def test_parts_and_roles_are_those_of_the_table(world: RatingWorld, ratio: float) -> None:
    cases, rows = cases_of(world, ratio), rows_of(world, ratio)
    for part in ("train", "valid", "test"):
        expected = [(r["user"], r["item"], r["rating"]) for r in rows if r["part"] == part]
        assert triples(getattr(cases, part)) == sorted(expected)
    roles = {row["user"]: row["role"] for row in rows}
    by_role = {role: sorted(u for u in roles if roles[u] == role) for role in set(roles.values())}
    assert cases.training_users("overlap_users").tolist() == by_role["overlap"]
    assert cases.training_users("side_users").tolist() == by_role["side"]
    both = sorted(by_role["overlap"] + by_role["side"])
    assert cases.training_users("target_users").tolist() == both
    assert np.flatnonzero(cases.is_cold()).tolist() == by_role["cold"]
    assert (cases.num_users, cases.space.sizes) == (60, (NUM_ITEMS, NUM_ITEMS))
    given = [r["rating"] for r in rows if r["part"] == "train" and r["item"] in TARGET]
    assert cases.mean_rating == pytest.approx(np.mean(given))
    assert cases.rating_range == (min(given), max(given))


def test_units_of_ratings_are_the_training_ratings_of_whom_they_name(world: RatingWorld) -> None:
    cases = cases_of(world)
    train = [row for row in rows_of(world, 0.2) if row["part"] == "train"]
    wanted = {
        "ratings": train,
        "auxiliary_ratings": [row for row in train if row["item"] not in TARGET],
        "target_ratings": [row for row in train if row["item"] in TARGET],
        "overlap_ratings": [
            row for row in train if row["item"] in TARGET and row["role"] == "overlap"
        ],
    }
    for units, rows in wanted.items():
        found = cases.training_ratings(units)
        assert isinstance(found, Ratings)
        assert triples(found) == sorted((r["user"], r["item"], r["rating"]) for r in rows)


def test_no_target_rating_of_a_cold_user_is_anywhere_but_in_its_own_part(
    world: RatingWorld,
) -> None:
    """Hidden ratings are given a value that nothing else has, which is then looked for."""
    table = world.store.read_table("ratings/songs").to_pylist()
    for row in table:
        if row["part"] != "train":
            row["rating"] = 77.0
    world.store.write_table("ratings/songs", RATINGS, pa.Table.from_pylist(table, schema=RATINGS))
    cases = cases_of(world)
    assert (cases.valid.rating_N == 77).all() and (cases.test.rating_N == 77).all()
    cold = torch.from_numpy(np.flatnonzero(cases.is_cold()))
    for units in ("ratings", "auxiliary_ratings", "target_ratings", "overlap_ratings"):
        assert 77 not in cases.training_ratings(units).rating_N
    assert not torch.isin(cases.training_ratings("target_ratings").user_N, cold).any()
    assert 77 not in cases.history_rating_UL and cases.mean_rating < 5
    assert cases.rating_range[1] <= 5


def test_histories_are_the_newest_auxiliary_items_oldest_first(world: RatingWorld) -> None:
    world = world.with_training(max_length=5)
    cases, rows = cases_of(world), rows_of(world, 0.2)
    assert cases.history_UL.shape == (60, 5)
    for user in range(60):
        own = [r for r in rows if r["user"] == user and r["item"] not in TARGET]
        own = sorted(own, key=lambda row: row["timestamp"])[-5:]
        padding = [0] * (5 - len(own))
        assert cases.history_UL[user].tolist() == padding + [row["item"] for row in own]
        ratings = cases.history_rating_UL[user]
        assert ratings.dtype == torch.float32
        assert ratings.tolist() == padding + [row["rating"] for row in own]


def test_in_the_dual_cold_start_test_items_have_no_training_rating(world: RatingWorld) -> None:
    whole, dual = cases_of(world), cases_of(world, cold_items=0.3)
    trained = set(dual.train.item_N.tolist())
    before = {item for item in whole.train.item_N.tolist() if item in TARGET}
    lost = before - trained
    assert len(lost) == round(0.3 * len(before))
    kept = [row for row in triples(whole.train) if row[1] not in lost]
    assert triples(dual.train) == kept
    for part in ("valid", "test"):
        cold_ones = [row for row in triples(getattr(whole, part)) if row[1] not in trained]
        assert cold_ones and triples(getattr(dual, part)) == cold_ones
    assert torch.equal(dual.history_UL, whole.history_UL)
    target = dual.training_ratings("target_ratings")
    assert isinstance(target, Ratings)
    assert dual.mean_rating == pytest.approx(float(target.rating_N.mean()))
    assert set(dual.training_users("target_users").tolist()) == set(target.user_N.tolist())


def test_cold_items_follow_from_the_splits_seed(world: RatingWorld) -> None:
    again = cases_of(world, cold_items=0.3)
    assert triples(cases_of(world, cold_items=0.3).train) == triples(again.train)
    split = replace(world.scenario.split, seed=4)
    other = cases_of(world.with_scenario(split=split), cold_items=0.3)
    assert triples(other.train) != triples(again.train)


def test_what_leaves_nothing_to_test_names_what_to_change(world: RatingWorld) -> None:
    with pytest.raises(
        ValueError, match=r"cold_items = 0.01: .* 0 test.* Change the scenario.s split.cold_items"
    ):
        cases_of(world, cold_items=0.01)


def test_a_cold_ratio_that_was_not_prepared_is_named(world: RatingWorld) -> None:
    with pytest.raises(ValueError, match=r"ratings/songs has no ratings at cold ratio 0.3: add it"):
        cases_of(world, 0.3)
