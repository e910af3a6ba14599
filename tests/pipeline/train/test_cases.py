"""Evaluation users as tensors, and what competes with their labels."""

from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
import torch

from pipeline.columns import CANDIDATES
from pipeline.train.cases import (
    ColdCases,
    item_space,
    load_cold_cases,
    negatives_of,
    saved_candidates,
)


def test_the_item_space_counts_the_vocabulary_in_the_scenarios_order(world: Any) -> None:
    assert item_space(world.store, world.scenario).sizes == (12, 12)


def test_cases_are_the_stored_rows_of_their_part(world: Any) -> None:
    rows = world.store.read_table("sequences/little").to_pylist()
    rows = [row for row in rows if row["part"] == "valid"]
    cases = load_cold_cases(world.store, world.scenario, "valid")
    assert cases.user_N.tolist() == [row["user"] for row in rows]
    assert cases.label_N.tolist() == [row["label"] for row in rows]
    domains = [world.scenario.domains[i] for i in cases.query.domain_B.tolist()]
    assert domains == [row["target_domain"] for row in rows]
    shown = [[item for item in own if item] for own in cases.query.history_BL.tolist()]
    assert shown == [row["items"][-6:] for row in rows]


def test_a_user_longer_than_the_window_shows_the_newest_items(world: Any) -> None:
    rows = world.store.read_table("sequences/little").to_pylist()
    rows = [row for row in rows if row["part"] == "test"]
    assert max(len(row["items"]) for row in rows) > 2
    cut = world.with_scenario(training=replace(world.scenario.training, max_length=2))
    shown = load_cold_cases(cut.store, cut.scenario, "test").query.history_BL
    assert shown.tolist() == [row["items"][-2:] for row in rows]


def test_batches_cover_all_cases_in_order(world: Any) -> None:
    cases = load_cold_cases(world.store, world.scenario, "test")
    domains = [d for query in cases.queries(2) for d in query.domain_B.tolist()]
    assert domains == cases.query.domain_B.tolist() and len(domains) == 3


def test_negatives_stand_in_the_order_of_the_cases_whatever_the_tables_order(world: Any) -> None:
    cases = load_cold_cases(world.store, world.scenario, "test")
    before = _negatives(world, cases, "target", 1)
    table = world.store.read_table("candidates/little")
    stored = {
        row["user"]: row["negatives"]
        for row in table.to_pylist()
        if (row["pool"], row["seed"]) == ("target", 1)
    }
    assert before.tolist() == [stored[user] for user in cases.user_N.tolist()]
    backwards = table.take(list(range(table.num_rows))[::-1])
    world.store.write_table("candidates/little", CANDIDATES, backwards)
    after = _negatives(world, cases, "target", 1)
    assert after.tolist() == before.tolist()


def test_users_with_fewer_negatives_are_padded(world: Any) -> None:
    cases = load_cold_cases(world.store, world.scenario, "test")
    rows = [
        {"user": user, "part": "test", "pool": "all", "seed": 0, "negatives": own}
        for user, own in zip(cases.user_N.tolist(), ([3], [], [5, 6]), strict=True)
    ]
    table = pa.Table.from_pylist(rows, schema=CANDIDATES)
    world.store.write_table("candidates/little", CANDIDATES, table)
    negatives = _negatives(world, cases, "all", 0)
    assert negatives.tolist() == [[0, 3], [0, 0], [5, 6]]


def test_a_user_without_candidates_is_named(world: Any) -> None:
    cases = load_cold_cases(world.store, world.scenario, "test")
    with pytest.raises(ValueError, match=r"\(target, seed 9\) lack user .*candidates again"):
        _negatives(world, cases, "target", 9)


def test_all_pools_and_seeds_are_what_each_is_alone(world: Any) -> None:
    cases = load_cold_cases(world.store, world.scenario, "test")
    candidates = saved_candidates(world.store, world.scenario)
    found = negatives_of(candidates, world.scenario, cases, ("target", "all"), (0, 1))
    assert list(found) == [("target", 0), ("target", 1), ("all", 0), ("all", 1)]
    for (pool, seed), negatives in found.items():
        assert negatives.tolist() == _negatives(world, cases, pool, seed).tolist()


def _negatives(world: Any, cases: ColdCases, pool: str, seed: int) -> torch.Tensor:
    candidates = saved_candidates(world.store, world.scenario)
    found = negatives_of(candidates, world.scenario, cases, (pool,), (seed,))
    return found[pool, seed]
