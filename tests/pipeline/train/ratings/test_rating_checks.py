"""Judgments of rating systems and of the features that some of them read."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.catalog.rating_systems import RATING_FITTED, RATING_SYSTEMS
from pipeline.catalog.systems import FITTED, SYSTEMS
from pipeline.train.ratings.convergence import rating_seeds_agree, rating_system_converged
from pipeline.train.ratings.presets import rating_preset
from pipeline.train.ratings.systems import train_rating_system
from pipeline.train.ratings.unit_variance import features_have_unit_variance
from tests.pipeline.rating_world import RatingWorld, make_rating_world, write_user_features

USERS = np.arange(50, 60)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> RatingWorld:
    return make_rating_world(tmp_path_factory.mktemp("songs"))


@pytest.fixture
def world(prepared: RatingWorld, tmp_path: Path) -> RatingWorld:
    return prepared.copied(tmp_path)


def test_fitted_systems_are_those_with_stages(prepared: RatingWorld) -> None:
    stages = {name: rating_preset(name, prepared.scenario).stages for name in RATING_SYSTEMS}
    assert {name for name, own in stages.items() if own} == set(RATING_FITTED)
    assert {"popularity", "ease", "item_knn"}.isdisjoint(FITTED) and set(FITTED) < set(SYSTEMS)


def test_every_stage_of_every_ratio_and_seed_is_judged(world: RatingWorld) -> None:
    world = world.with_training(max_epochs=1)
    train_rating_system("emcdr", world.scenario, world.store)
    found = rating_system_converged("emcdr", world.scenario, world.store)
    # Two cold ratios and two seeds, each of two stages: one epoch is the last one.
    assert not found.passed and found.figures["fits"] == 2 * 2 * 2
    assert "cold ratio 0.2, stage ratings, seed 0" in found.says
    assert rating_seeds_agree("emcdr", world.scenario, world.store).figures["seeds"] == 2


def test_features_that_vary_have_unit_variance_once_standardised(world: RatingWorld) -> None:
    for asset in ("item_multimodal", "review_features"):
        found = features_have_unit_variance(asset, "soul", world.store)
        assert found.passed and found.figures["share of constant dimensions"] == 0
        assert found.figures["largest deviation of a variance from 1"] < 1e-4


def test_dimensions_without_variance_are_found(world: RatingWorld) -> None:
    vectors = np.random.default_rng(0).normal(size=(len(USERS), 10)).astype(np.float32)
    vectors[:, :2] = 3.0
    write_user_features(world.store, "soul", USERS, vectors)
    found = features_have_unit_variance("review_features", "soul", world.store)
    assert not found.passed and found.figures["share of constant dimensions"] == 0.2


def test_values_too_large_for_their_precision_are_found(world: RatingWorld) -> None:
    vectors = np.random.default_rng(0).normal(size=(len(USERS), 10)).astype(np.float32)
    vectors[:, 3] = 1e38 * np.sign(vectors[:, 3])
    vectors[:, 4] = np.nan
    write_user_features(world.store, "soul", USERS, vectors)
    assert not features_have_unit_variance("review_features", "soul", world.store).passed
