"""C2DSR and Tri-CDR on the little world: trained, stored and loaded like any other system."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from models.baselines.c2dsr import C2DSR
from pipeline.train.batches import load_training_sequences, whole_sequences
from pipeline.train.cases import item_space, load_cold_cases
from pipeline.train.presets import preset
from pipeline.train.systems import load_system, train_system


@pytest.mark.parametrize("system", ["c2dsr", "tricdr"])
def test_training_again_gives_the_same_weights(world: Any, system: str) -> None:
    training = replace(world.scenario.training, seeds=(0,), max_epochs=1)
    one = world.with_scenario(training=training)
    first = train_system(system, one.scenario, one.store)
    model = load_system(system, one.scenario, one.store, 0)
    scores = model.score(load_cold_cases(one.store, one.scenario, "test").query)
    assert scores.shape == (3, 25) and scores.isfinite().all()
    world.store.delete(f"weights/little/{system}/seed-0", ".safetensors")
    assert train_system(system, one.scenario, one.store).artifact.digest == first.artifact.digest


def test_graphs_are_counted_from_all_training_sequences_before_training(world: Any) -> None:
    training = replace(world.scenario.training, seeds=(0,), max_epochs=1)
    one = world.with_scenario(training=training)
    train_system("c2dsr", one.scenario, one.store)
    trained = load_system("c2dsr", one.scenario, one.store, 0)

    counted = C2DSR(preset("c2dsr", one.scenario, item_space(one.store, one.scenario), 0).model)
    sequences = load_training_sequences(one.store, one.scenario, ("single", "overlap"))
    counted.count(whole_sequences(sequences, 3))

    assert isinstance(trained, C2DSR)
    for ours, theirs in (
        (trained.shared_items, counted.shared_items),
        (trained.specific_items, counted.specific_items),
    ):
        assert ours.weight_VK.sum() > 0
        assert torch.equal(ours.weight_VK, theirs.weight_VK)
        assert torch.equal(ours.successor_VK, theirs.successor_VK)
