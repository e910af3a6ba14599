"""Judgments of training, on reports written by hand and on a system that was really trained."""

from dataclasses import replace
from typing import Any

import pytest

from pipeline.train.convergence import (
    Fitted,
    encoders_converged,
    judge_agreement,
    judge_convergence,
    system_converged,
    system_seeds_agree,
)
from pipeline.train.systems import encoders_folder, train_system
from tests.pipeline.transfer_world import prepare_transfer

FIT = Fitted(group="", seed=0, best_epoch=3, max_epochs=5, best_score=0.4)


def test_a_best_epoch_that_is_the_last_allowed_one_is_named() -> None:
    assert judge_convergence([FIT, replace(FIT, seed=1, best_epoch=4)]).passed
    found = judge_convergence([FIT, replace(FIT, seed=1, best_epoch=5)])
    assert not found.passed and found.says.endswith("allowed: seed 1")
    assert found.figures["best at the last epoch"] == 1
    assert (found.figures["earliest best epoch"], found.figures["latest best epoch"]) == (3, 5)


def test_seeds_agree_within_a_tenth_of_their_mean_group_by_group() -> None:
    other = replace(FIT, seed=1, best_score=0.43)
    assert judge_agreement([FIT, other]).passed
    found = judge_agreement([FIT, replace(FIT, seed=1, best_score=0.5)])
    assert not found.passed and found.figures["spread of validation scores"] == 0.2222
    # Errors are scores below zero, and two groups may be as far apart as they like.
    errors = [replace(FIT, group="a", best_score=-0.9), replace(FIT, group="b", best_score=-1.5)]
    assert judge_agreement(errors).passed
    found = judge_agreement([*errors, replace(errors[1], seed=1, best_score=-1.1)])
    assert not found.passed and " at b " in found.says


def test_one_seed_agrees_with_itself() -> None:
    assert judge_agreement([FIT]).passed


def test_a_trained_system_is_judged_by_its_own_report(world: Any) -> None:
    training = replace(world.scenario.training, seeds=(0,), max_epochs=1)
    world = world.with_scenario(training=training)
    train_system("gru4rec", world.scenario, world.store)
    found = system_converged("gru4rec", world.scenario, world.store)
    assert not found.passed
    assert (found.figures["fits"], found.figures["epochs allowed"]) == (1, 1)
    assert system_seeds_agree("gru4rec", world.scenario, world.store).figures["seeds"] == 1


def test_encoders_of_all_seeds_are_judged(world: Any) -> None:
    world = world.with_scenario(training=replace(world.scenario.training, max_epochs=1))
    prepare_transfer(world)
    found = encoders_converged(world.scenario, world.store)
    assert not found.passed and found.figures["fits"] == 2
    world.store.delete(f"{encoders_folder(world.scenario)}/seed-1", ".safetensors")
    with pytest.raises(ValueError, match=r"seed-1\.safetensors is missing"):
        encoders_converged(world.scenario, world.store)
