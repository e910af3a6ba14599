"""lgcd_plus on the little world: what a step holds, and whole runs that are kept."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from models.lgcd_plus import LGCDPlus
from pipeline.train.cases import item_space, load_cold_cases
from pipeline.train.counts import count
from pipeline.train.plus import PlusCases, load_plus_cases, plus_batches
from pipeline.train.presets.lgcd_plus import lgcd_plus
from pipeline.train.presets.runs import PlusRun
from pipeline.train.systems import load_system, train_system


@pytest.fixture
def textual(world: Any) -> Any:
    """The little world with text vectors."""
    space = item_space(world.store, world.scenario)
    vectors = torch.randn(space.num_items + 1, 8, generator=torch.Generator().manual_seed(0))
    world.store.write_tensors("item_text/little", {"vectors": vectors}, {})
    return world


def load(world: Any, **changes: Any) -> tuple[PlusCases, PlusRun]:
    space = item_space(world.store, world.scenario)
    run = lgcd_plus(world.scenario, space, 8)
    run = replace(run, batch_size=5, overlap_size=3, **changes)
    model = LGCDPlus(run.model, world.store.read_tensors("item_text/little")["vectors"])
    count(model, world.scenario, world.store)
    return load_plus_cases(world.store, world.scenario, run, model), run


def test_an_epoch_holds_every_sequence_once(textual: Any) -> None:
    cases, run = load(textual)
    rows = textual.store.read_table("sequences/little").to_pylist()
    expected = sorted(tuple(row["items"][-6:]) for row in rows if row["label"] is None)
    found = [
        tuple(row[row > 0].tolist())
        for batch in plus_batches(cases, run, np.random.default_rng(0))
        for row in batch.items_BL
    ]
    assert sorted(found) == expected


def test_overlapping_users_come_again_in_every_step(textual: Any) -> None:
    cases, run = load(textual)
    batches = list(plus_batches(cases, run, np.random.default_rng(0)))
    assert all(len(batch.overlap_BL) == 3 for batch in batches)
    space = run.model.space
    for batch in batches:
        for domain in range(2):
            assert space.contains(domain, batch.overlap_BL).any(dim=1).all()


def test_pseudo_items_are_of_the_other_domain_and_for_single_domain_users_alone(
    textual: Any,
) -> None:
    cases, run = load(textual)
    given = 0
    for batch in plus_batches(cases, run, np.random.default_rng(0)):
        for items, pseudo in zip(batch.items_BL, batch.pseudo_B.tolist(), strict=True):
            domains = {int(item) > 12 for item in items[items > 0]}
            if pseudo:
                given += 1
                assert domains == {pseudo <= 12}
    assert 0 < given <= 6


def test_pseudo_items_are_drawn_by_their_share_of_the_votes(textual: Any) -> None:
    cases, run = load(textual)
    row = int(np.flatnonzero(cases.pseudo_row_N >= 0)[0])
    place = cases.pseudo_row_N[row]
    share_K = np.exp(cases.pseudo.score_NK[place].astype(np.float64))
    share_K /= share_K.sum()
    alone = replace(cases, sequences=cases.sequences.take(np.array([row])))
    alone = replace(alone, pseudo_row_N=np.array([place]))
    generator, drawn = np.random.default_rng(0), []
    for _ in range(2000):
        drawn += [int(b.pseudo_B[0]) for b in plus_batches(alone, run, generator)]
    for item, share in zip(cases.pseudo.item_NK[place], share_K, strict=True):
        if item:
            assert drawn.count(int(item)) / 2000 == pytest.approx(share, abs=0.05)


def test_without_pseudo_items_nothing_is_retrieved(textual: Any) -> None:
    cases, run = load(textual)
    without = replace(run, model=replace(run.model, pseudo=0.0))
    model = LGCDPlus(without.model, textual.store.read_tensors("item_text/little")["vectors"])
    cases = load_plus_cases(textual.store, textual.scenario, without, model)
    assert len(cases.pseudo) == 0
    assert all(
        (batch.pseudo_B == 0).all()
        for batch in plus_batches(cases, without, np.random.default_rng(0))
    )


def test_it_is_trained_stored_and_kept(textual: Any) -> None:
    first = train_system("lgcd_plus", textual.scenario, textual.store)
    again = train_system("lgcd_plus", textual.scenario, textual.store)
    assert (first.facts["seeds_kept"], again.facts["seeds_kept"]) == (0, 2)
    assert again.artifact == first.artifact
    model = load_system("lgcd_plus", textual.scenario, textual.store, 0)
    scores = model.score(load_cold_cases(textual.store, textual.scenario, "test").query)
    assert scores.shape == (3, 25) and scores.isfinite().all()
