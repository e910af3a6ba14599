"""LLMCDSR's batches: whose titles are trained with, and how often; and its training, whole."""

import logging
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from models.baselines.llmcdsr import LLMCDSRBatch, LLMCDSRConfig
from models.batch import ItemSpace
from pipeline.train.augmented import (
    AugmentedCases,
    Titled,
    augmented_batches,
    load_augmented_cases,
    load_titled,
)
from pipeline.train.batches import epoch_generator
from pipeline.train.cases import load_cold_cases
from pipeline.train.loop import LoopConfig
from pipeline.train.presets.runs import AugmentedRun
from pipeline.train.ragged import Ragged, ragged
from pipeline.train.systems import load_system, train_system

WIDTH = 4


def lists(rows: list[list[int]]) -> Ragged:
    return ragged([np.array(row) for row in rows])


def write_titles(world: Any, rows: list[tuple[int, int, bool, int]]) -> None:
    """Rows as (user, target domain, single, how many titles); title t is t in every place."""
    users, targets, single, counts = zip(*rows, strict=True)
    vectors = torch.arange(sum(counts)).float().unsqueeze(1).expand(-1, WIDTH)
    world.store.write_tensors(
        f"title_vectors/{world.scenario.name}",
        {
            "vectors": vectors,
            "bounds": torch.tensor(np.cumsum([0, *counts])),
            "user": torch.tensor(users),
            "target": torch.tensor(targets),
            "single": torch.tensor(single),
        },
    )


def users_of(world: Any, part: str) -> dict[int, list[int]]:
    rows = world.store.read_table("sequences/little").to_pylist()
    return {row["user"]: row["items"] for row in rows if row["part"] == part}


def test_titles_and_items_of_a_user_come_together(world: Any) -> None:
    single = users_of(world, "single")
    first, second, third = sorted(single)[:3]
    write_titles(world, [(second, 1, True, 2), (third, 0, True, 0), (first, 0, True, 3)])

    titled = load_titled(world.store, world.scenario)
    batch = titled.batch(np.array([1, 0]), 50)

    assert titled.num_without == 1
    shown = [[item for item in row if item] for row in batch.items_BL.tolist()]
    assert shown == [single[first], single[second]]
    assert batch.domain_B.tolist() == [0, 1]
    assert batch.valid_BT.tolist() == [[True] * 3, [False, True, True]]
    assert batch.title_BTE[batch.valid_BT][:, 0].tolist() == [2, 3, 4, 0, 1]
    assert batch.title_BTE.shape == (2, 3, WIDTH)


def test_the_recall_probe_is_never_trained_with(world: Any) -> None:
    probe, user = min(users_of(world, "overlap")), min(users_of(world, "single"))
    write_titles(world, [(probe, 0, False, 2), (user, 1, True, 1), (probe, 0, False, 0)])

    titled = load_titled(world.store, world.scenario)

    assert (titled.domain.tolist(), titled.num_without) == ([1], 0)


def test_missing_titles_are_named_with_the_remedy(world: Any) -> None:
    with pytest.raises(ValueError, match="materialize title_vectors of little first"):
        load_augmented_cases(world.store, world.scenario)
    write_titles(world, [(user, 1, True, 0) for user in users_of(world, "single")])
    with pytest.raises(ValueError, match=r"no single-domain user has a generated title.*titles\."):
        load_augmented_cases(world.store, world.scenario)


def cases() -> AugmentedCases:
    return AugmentedCases(
        sequences=lists([[i + 1, 40, 41] for i in range(10)]),
        overlap=lists([[50, 51], [52, 53], [54, 55]]),
        titled=Titled(
            items=lists([[31, 32], [33, 34]]),
            titles=lists([[1], [2]]),
            vectors=torch.eye(2),
            domain=np.array([0, 1]),
            num_without=0,
        ),
    )


def batches(epoch: int = 0, **sizes: int) -> list[LLMCDSRBatch]:
    model = LLMCDSRConfig(space=ItemSpace(sizes=(30, 30)), text_width=2)
    run = AugmentedRun(model=model, loop=LoopConfig(), batch_size=3, max_length=2, **sizes)
    return list(augmented_batches(cases(), run, epoch_generator(0, epoch)))


def test_every_sequence_comes_once_and_titled_users_come_over_again() -> None:
    found = batches(titled_size=1, overlap_size=2, meta_interval=2)

    firsts = [row[0] for batch in found for row in batch.items_BL.tolist()]
    assert sorted(firsts) == list(range(1, 11))
    titled = [batch.titled.items_BL[0, 0].item() for batch in found]
    assert titled[:2] == titled[2:] and sorted(titled[:2]) == [31, 33]


def test_overlap_users_come_with_every_second_batch_when_told_so() -> None:
    found = batches(titled_size=32, overlap_size=2, meta_interval=2)

    assert [batch.overlap_BL is not None for batch in found] == [True, False, True, False]
    assert [len(batch.titled.items_BL) for batch in found] == [2] * 4
    assert found[0].overlap_BL is not None and len(found[0].overlap_BL) == 2


def test_the_epoch_decides_the_order() -> None:
    def order(epoch: int) -> str:
        return str([batch.items_BL.tolist() for batch in batches(epoch)])

    assert order(0) == order(0) != order(1)


def test_llmcdsr_trains_on_the_little_world_and_counts_who_has_no_titles(
    world: Any, caplog: pytest.LogCaptureFixture
) -> None:
    single = sorted(users_of(world, "single"))
    write_titles(world, [(user, 1, True, i) for i, user in enumerate(single)])
    vectors = torch.randn(25, WIDTH, generator=torch.Generator().manual_seed(0))
    world.store.write_tensors("item_text/little", {"vectors": vectors})
    one = world.with_scenario(training=replace(world.scenario.training, seeds=(0,), max_epochs=1))

    with caplog.at_level(logging.INFO):
        first = train_system("llmcdsr", one.scenario, one.store)

    assert f"{len(single) - 1} single-domain users have generated titles, 1 asked" in caplog.text
    model = load_system("llmcdsr", one.scenario, one.store, 0)
    scores = model.score(load_cold_cases(world.store, world.scenario, "test").query)
    assert scores.shape == (3, 25) and scores.isfinite().all()
    assert train_system("llmcdsr", one.scenario, one.store).facts["seeds_kept"] == 1
    world.store.delete("weights/little/llmcdsr/seed-0", ".safetensors")
    again = train_system("llmcdsr", one.scenario, one.store)
    assert again.artifact.digest == first.artifact.digest
    write_titles(world, [(user, 1, True, 1) for user in single])
    assert train_system("llmcdsr", one.scenario, one.store).facts["seeds_kept"] == 0
