"""Candidates: fair, fixed and the same for every system."""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.catalog import Candidates, Scenario, Split
from pipeline.prepare import candidates as stage
from pipeline.prepare.candidates import build_candidates, draw_negatives
from pipeline.prepare.sequences import build_sequences
from pipeline.store import Store


@pytest.mark.parametrize("label", [10, 14, 19])
@pytest.mark.parametrize("count", [1, 5, 8])
def test_negatives_are_distinct_and_never_the_label(label: int, count: int) -> None:
    for seed in range(30):
        drawn = draw_negatives(
            np.arange(10, 20), np.array([label]), count, np.random.default_rng(seed)
        )
        assert len(set(drawn)) == len(drawn) == count
        assert label not in drawn and set(drawn) <= set(range(10, 20))


@pytest.mark.parametrize("count", [9, 10, 999])
def test_a_small_pool_is_ranked_whole(count: int) -> None:
    drawn = draw_negatives(np.arange(10, 20), np.array([12]), count, np.random.default_rng(0))
    assert drawn.tolist() == [10, 11, 13, 14, 15, 16, 17, 18, 19]


def test_every_other_item_is_as_likely_as_the_next() -> None:
    generator = np.random.default_rng(0)
    left_out = np.array([2, 5])
    drawn = np.concatenate(
        [draw_negatives(np.arange(6), left_out, 2, generator) for _ in range(4000)]
    )
    counts = np.bincount(drawn, minlength=6)
    assert counts[2] == counts[5] == 0
    # 4000 draws of 2 among 4 items: 2000 each, standard deviation 32.
    assert np.abs(counts[[0, 1, 3, 4]] - 2000).max() < 130


@pytest.mark.parametrize("count", [1, 3, 4, 5])
def test_all_that_is_left_out_stays_out(count: int) -> None:
    left_out = np.array([19, 10, 14, 12, 11, 17])
    for seed in range(30):
        drawn = draw_negatives(np.arange(10, 20), left_out, count, np.random.default_rng(seed))
        assert len(set(drawn)) == len(drawn) == min(count, 4)
        assert set(drawn) <= {13, 15, 16, 18}


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
    negatives = defaultdict(list)
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


ITEMS = {"books": "abcdefgh", "films": "ijklm", "games": "n"}
NUMBER = {name: i for i, name in enumerate("abcdefghijklmn", start=1)}
HAD = {"ann": "abcid", "bob": "kblaj", "cat": "ai"}


def met(write_events: Any, store: Store, had: dict[str, str], **options: Any) -> Scenario:
    """Users who had these items, one a day, parted by leave-one-out."""
    scenario = Scenario(
        name="little",
        domains=tuple(ITEMS),
        task="cross-domain-sequential",
        split=Split(kind="leave-one-out"),
        candidates=Candidates(**options),
    )
    domain = {name: domain for domain, names in ITEMS.items() for name in names}
    events = [
        (user, domain[item], item, 1_000_000 + day)
        for user, items in had.items()
        for day, item in enumerate(items)
    ]
    write_events(store, scenario, events, ITEMS)
    build_sequences(scenario, store)
    return scenario


def drawn_for(store: Store) -> dict[tuple[str, str, str], set[str]]:
    """By user, part and pool."""
    user_of = {r["user"]: r["user_id"] for r in store.read_table("sequences/little").to_pylist()}
    name = {number: item for item, number in NUMBER.items()}
    return {
        (user_of[r["user"]], r["part"], r["pool"]): {name[item] for item in r["negatives"]}
        for r in store.read_table("candidates/little").to_pylist()
    }


def test_unseen_negatives_leave_out_all_that_the_user_ever_had(
    tmp_path: Path, write_events: Any
) -> None:
    store = Store(tmp_path)
    scenario = met(write_events, store, HAD, num_negatives=99, seeds=(0,), unseen=True)
    outcome = build_candidates(scenario, store)
    assert (outcome.facts["users"], outcome.facts["cases"]) == (2, 4)
    # d is the label of ann's test case: of its validation case, too, it is no negative.
    assert drawn_for(store) == {
        ("ann", "valid", "target"): set("jklm"),
        ("ann", "test", "target"): set("efgh"),
        ("ann", "valid", "all"): set("efghjklmn"),
        ("ann", "test", "all"): set("efghjklmn"),
        ("bob", "valid", "target"): set("cdefgh"),
        ("bob", "test", "target"): set("im"),
        ("bob", "valid", "all"): set("cdefghimn"),
        ("bob", "test", "all"): set("cdefghimn"),
    }


def test_without_unseen_only_the_label_is_left_out(tmp_path: Path, write_events: Any) -> None:
    store = Store(tmp_path)
    scenario = met(write_events, store, HAD, num_negatives=99, seeds=(0,))
    build_candidates(scenario, store)
    assert drawn_for(store)["ann", "valid", "target"] == set("jklm")
    assert drawn_for(store)["ann", "test", "target"] == set("abcefgh")
    assert drawn_for(store)["bob", "test", "all"] == set(NUMBER) - {"j"}


@pytest.mark.parametrize(
    ("had", "unseen", "said"),
    [
        ("abn", False, "user 'dan' in pool 'target' .target domain 'games'.: the domain has no"),
        ("aijklm", True, "user 'dan' in pool 'target' .*but the label and what the user had"),
    ],
)
def test_a_case_without_a_negative_is_named(
    tmp_path: Path, write_events: Any, had: str, unseen: bool, said: str
) -> None:
    store = Store(tmp_path)
    scenario = met(write_events, store, {"dan": had}, num_negatives=5, seeds=(0,), unseen=unseen)
    with pytest.raises(ValueError, match=f"'little': no negative is left for {said}"):
        build_candidates(scenario, store)
    assert not store.exists("candidates/little", ".parquet")


def test_where_batches_end_changes_nothing(
    tmp_path: Path, write_events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    scenario = met(write_events, store, HAD, num_negatives=3, seeds=(0, 1), unseen=True)
    whole = build_candidates(scenario, store).artifact.digest
    monkeypatch.setattr(stage, "BATCH_CASES", 1)
    pieces = build_candidates(scenario, store).artifact
    drawn = store.read_table("candidates/little")
    assert drawn.num_rows == pieces.num_rows == 2 * 2 * 4
    # Batches hold one user each, so the order of rows is the same.
    assert pieces.digest == whole
