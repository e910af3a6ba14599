"""Stages of a rating run, watched from inside a small model that writes down what it is shown."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.ratings import Pairs, Ratings, Users
from models.recommender import Losses
from pipeline.train.checkpoint import Checkpoint
from pipeline.train.loop import FitReport, LoopConfig
from pipeline.train.ratings.cases import RatingCases, load_rating_cases
from pipeline.train.ratings.fit import fit_rating_run
from pipeline.train.ratings.runs import RatingRun, SelectBy, StageRun, Units
from tests.pipeline.rating_world import RatingWorld, make_rating_world

Rows = set[tuple[float, ...]]


class Watching(nn.Module):
    """One number for all ratings; remembers stages, batches, and what it had to predict."""

    def __init__(self) -> None:
        super().__init__()
        self.rating = nn.Parameter(torch.tensor(0.0))
        self.other = nn.Parameter(torch.tensor(1.0))
        self.begun: list[str] = []
        self.shown: list[tuple[str, bool, Ratings | Users]] = []  # stage, training?, batch
        self.asked: dict[str, list[Pairs]] = {"known": [], "cold": []}
        self.drawn_up_to = torch.empty(0)  # state of the generator after the last training step
        self.stale: list[bool] = []

    def begin(self, stage: str) -> None:
        self.begun.append(stage)
        self.rating.requires_grad_(stage != "held")

    def loss(self, stage: str, batch: Ratings | Users) -> Losses:
        assert stage == self.begun[-1]
        self.shown.append((stage, self.training, batch))
        noise = torch.rand(())
        if self.training:
            self.drawn_up_to = torch.get_rng_state()
            self.stale.append(stage == "held" and self.rating.grad is not None)
        error = (self.rating - 4).square() * self.other.square()
        return {"error": error + 0.1 * noise}

    def predict_known(self, pairs: Pairs) -> Tensor:
        self.asked["known"].append(pairs)
        return self.rating.expand(len(pairs.user_N))

    def predict(self, pairs: Pairs) -> Tensor:
        self.asked["cold"].append(pairs)
        return self.rating.expand(len(pairs.user_N))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> RatingWorld:
    return make_rating_world(tmp_path_factory.mktemp("songs"))


@pytest.fixture
def cases(world: RatingWorld) -> RatingCases:
    return load_rating_cases(world.store, world.scenario, 0.2)


def stage(name: str, units: Units, select_by: SelectBy) -> StageRun:
    loop = LoopConfig(max_epochs=3, patience=3, min_steps=1)
    return StageRun(name=name, units=units, select_by=select_by, loop=loop, batch_size=16)


def fit_stages(
    world: RatingWorld, cases: RatingCases, folder: Path, *stages: StageRun
) -> tuple[Watching, dict[str, FitReport]]:
    model = Watching()
    store = replace(world.store, root=folder)

    def checkpoint(name: str) -> Checkpoint:
        return Checkpoint(store=store, name=name, fingerprint="same")

    run = RatingRun(model=None, stages=stages)
    return model, fit_rating_run(run, model, cases, 0, checkpoint)


def rows(batches: list[Any]) -> Rows:
    return {row for batch in batches for row in zip(*(p.tolist() for p in batch), strict=True)}


def test_known_holds_out_a_twentieth_and_never_trains_on_it(
    world: RatingWorld, cases: RatingCases, tmp_path: Path
) -> None:
    model, _ = fit_stages(world, cases, tmp_path, stage("first", "ratings", "known"))
    trained = rows([batch for _, _, batch in model.shown])
    every = rows([cases.train])
    held_out = every - trained
    assert trained < every and len(held_out) == round(len(every) / 20)
    assert rows(model.asked["known"]) == {row[:2] for row in held_out}
    assert len(model.asked["known"]) == 3 and not model.asked["cold"]
    per_epoch = len(model.shown) // 3
    orders = [model.shown[i * per_epoch][2][1].tolist() for i in range(2)]
    assert orders[0] != orders[1]
    assert rows([batch for _, _, batch in model.shown[:per_epoch]]) == trained


def test_cold_asks_for_validation_users_alone_and_trains_on_all_units(
    world: RatingWorld, cases: RatingCases, tmp_path: Path
) -> None:
    model, reports = fit_stages(world, cases, tmp_path, stage("map", "overlap_users", "cold"))
    assert rows(model.asked["cold"]) == rows([cases.valid.pairs])
    assert not rows(model.asked["cold"]) & rows([cases.test.pairs])
    shown = torch.cat([batch.user_N for _, _, batch in model.shown[:2]])
    assert sorted(shown.tolist()) == cases.overlap_users_M.tolist()
    lowest = cases.rating_range[0]  # what a prediction of nearly nought is clamped to
    errors = (lowest - cases.valid.rating_N).double()
    assert reports["map"].best_score == pytest.approx(-float(errors.square().mean().sqrt()))


def test_loss_holds_out_a_tenth_and_its_noise_is_the_same_after_every_epoch(
    world: RatingWorld, cases: RatingCases, tmp_path: Path
) -> None:
    by_loss = stage("map", "target_users", "loss")
    still = replace(by_loss, loop=replace(by_loss.loop, learning_rate=0.0))
    model, reports = fit_stages(world, cases, tmp_path / "loss", still)
    users = {
        training: set(
            torch.cat([b.user_N for _, mode, b in model.shown if mode is training]).tolist()
        )
        for training in (True, False)
    }
    everyone = cases.training_users("target_users")
    assert isinstance(everyone, np.ndarray)
    assert not users[True] & users[False] and users[True] | users[False] == set(everyone.tolist())
    assert len(users[False]) == round(len(everyone) / 10)
    scores = [entry["valid"] for entry in reports["map"].curve]
    assert len(set(scores)) == 1 and reports["map"].best_epoch == 0
    # What validation drew is not missing where training draws next.
    assert torch.equal(torch.get_rng_state(), model.drawn_up_to)


def test_stages_begin_in_their_order_each_without_the_gradients_of_the_one_before(
    world: RatingWorld, cases: RatingCases, tmp_path: Path
) -> None:
    stages = (stage("first", "ratings", "known"), stage("held", "side_users", "loss"))
    model, reports = fit_stages(world, cases, tmp_path, *stages)
    assert model.begun == ["first", "held"] and list(reports) == ["first", "held"]
    assert model.stale and not any(model.stale)
    assert not model.training


def test_a_stage_without_units_names_the_remedy(
    world: RatingWorld, cases: RatingCases, tmp_path: Path
) -> None:
    none = replace(cases, side_users_M=np.empty(0, dtype=np.int64))
    with pytest.raises(ValueError, match=r"stage 'side' learns from side_users, .* there are 0"):
        fit_stages(world, none, tmp_path, stage("side", "side_users", "loss"))
