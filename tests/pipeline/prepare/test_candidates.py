"""Candidates: fair, fixed and the same for every system."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipeline.catalog import Candidates
from pipeline.prepare.candidates import build_candidates, draw_negatives


@pytest.mark.parametrize("label", [10, 14, 19])
@pytest.mark.parametrize("count", [1, 5, 8])
def test_negatives_are_distinct_and_never_the_label(label: int, count: int) -> None:
    for seed in range(30):
        drawn = draw_negatives(np.arange(10, 20), label, count, np.random.default_rng(seed))
        assert len(set(drawn)) == len(drawn) == count
        assert label not in drawn and set(drawn) <= set(range(10, 20))


@pytest.mark.parametrize("count", [9, 10, 999])
def test_a_small_pool_is_ranked_whole(count: int) -> None:
    drawn = draw_negatives(np.arange(10, 20), 12, count, np.random.default_rng(0))
    assert drawn.tolist() == [10, 11, 13, 14, 15, 16, 17, 18, 19]


def test_every_other_item_is_as_likely_as_the_next() -> None:
    generator = np.random.default_rng(0)
    drawn = np.concatenate([draw_negatives(np.arange(5), 2, 2, generator) for _ in range(4000)])
    counts = np.bincount(drawn, minlength=5)
    assert counts[2] == 0
    # 4000 draws of 2 among 4 items: 2000 each, standard deviation 32.
    assert np.abs(counts[[0, 1, 3, 4]] - 2000).max() < 130


def rows(world: Any) -> list[dict[str, Any]]:
    return world.store.read_table("candidates/little").to_pylist()


def test_pools_seeds_and_users_are_complete(world: Any) -> None:
    sequences = world.store.read_table("sequences/little").to_pylist()
    label = {row["user"]: row["label"] for row in sequences if row["label"]}
    target = {row["user"]: row["target_domain"] for row in sequences}
    own = {"food": set(range(1, 13)), "tools": set(range(13, 25))}
    found = {(row["pool"], row["seed"], row["user"]) for row in rows(world)}
    assert found == {(p, s, u) for p in ("target", "all") for s in (0, 1) for u in label}
    for row in rows(world):
        negatives = set(row["negatives"])
        assert len(negatives) == len(row["negatives"]) == 5
        assert label[row["user"]] not in negatives
        if row["pool"] == "target":
            assert negatives <= own[target[row["user"]]]
    assert any(set(row["negatives"]) & own["food"] for row in rows(world) if row["pool"] == "all")


def test_seeds_and_pools_are_drawn_apart_and_repeat(world: Any) -> None:
    negatives = {(row["pool"], row["seed"]): [] for row in rows(world)}
    for row in rows(world):
        negatives[row["pool"], row["seed"]].append(row["negatives"])
    assert negatives["target", 0] != negatives["target", 1]
    first = world.store.digest("candidates/little")
    assert build_candidates(world.scenario, world.store).artifact.digest == first


def test_one_more_seed_leaves_the_earlier_draws_as_they_were(world: Any) -> None:
    before = rows(world)
    more = replace(world.scenario, candidates=Candidates(num_negatives=5, seeds=(0, 1, 2)))
    build_candidates(more, world.store)
    assert [row for row in rows(world) if row["seed"] != 2] == before


def test_a_small_domain_is_ranked_whole_and_its_neighbour_is_not(world: Any) -> None:
    many = replace(world.scenario, candidates=Candidates(num_negatives=15, seeds=(0,)))
    build_candidates(many, world.store)
    assert {(row["pool"], len(row["negatives"])) for row in rows(world)} == {
        ("target", 11),
        ("all", 15),
    }
