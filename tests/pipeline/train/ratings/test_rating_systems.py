"""Rating systems on the little world: trained once, kept, resumed, and blind to what is hidden."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import nn

from models.music import MuSiC
from models.music_config import MuSiCConfig
from models.rating_baselines.emcdr import EMCDR
from pipeline.catalog.rating_systems import FEATURE_SYSTEMS, RATING_SYSTEMS
from pipeline.columns import RATINGS
from pipeline.train.ratings.cases import load_rating_cases
from pipeline.train.ratings.features import load_features
from pipeline.train.ratings.presets import rating_preset
from pipeline.train.ratings.reports import load_stage_reports
from pipeline.train.ratings.stored import StoredRatingRun, cold_folder
from pipeline.train.ratings.systems import (
    is_rating_run_trained,
    load_rating_run,
    load_rating_system,
    rating_seeds,
    stored_rating_system,
    train_rating_run,
    train_rating_system,
)
from tests.pipeline.rating_world import USER_WIDTH, RatingWorld, make_rating_world


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> RatingWorld:
    return make_rating_world(tmp_path_factory.mktemp("songs"))


@pytest.fixture
def world(prepared: RatingWorld, tmp_path: Path) -> RatingWorld:
    return prepared.copied(tmp_path)


def quick(system: str, world: RatingWorld, **changes: Any) -> StoredRatingRun:
    """The system's own run, but of a few steps, one cold ratio and one seed; MuSiC small."""
    stored = stored_rating_system(system, world.scenario)
    model = stored.run.model
    if isinstance(model, MuSiCConfig):
        model = replace(model, hidden=(16,), unet_widths=(16, 8), num_samples=2)
    stages = tuple(
        replace(stage, loop=replace(stage.loop, min_steps=2, max_epochs=2))
        for stage in stored.run.stages
    )
    run = replace(stored.run, model=model, stages=stages, **changes)
    return replace(stored, run=run, cold_ratios=(0.2,), seeds=(0,))


def weights_of(world: RatingWorld, stored: StoredRatingRun) -> dict[str, torch.Tensor]:
    return world.store.read_tensors(f"{cold_folder(stored.folder, 0.2)}/seed-0")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    assert list(one) == list(other)
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("system", RATING_SYSTEMS)
def test_every_system_is_trained_saved_loaded_and_predicts(world: RatingWorld, system: str) -> None:
    stored = quick(system, world)
    assert not is_rating_run_trained(stored, world.scenario, world.store)
    outcome = train_rating_run(stored, world.scenario, world.store)
    assert is_rating_run_trained(stored, world.scenario, world.store)
    assert (outcome.facts["models"], outcome.facts["models_kept"]) == (1, 0)
    assert ("stages" in outcome.tables) == bool(stored.run.stages)
    assert ("without features" in outcome.tables) == (system in FEATURE_SYSTEMS)
    assert not list((world.store.root / "checkpoints").rglob("*.safetensors"))
    model = load_rating_run(stored, world.scenario, world.store, 0.2, 0)
    assert isinstance(model, nn.Module) and not model.training
    cases = load_rating_cases(world.store, world.scenario, 0.2)
    with torch.no_grad():
        predicted = model.predict(cases.test.pairs)
        assert predicted.shape == cases.test.rating_N.shape and predicted.isfinite().all()
        assert torch.equal(model.predict(cases.test.pairs), predicted)
    reports = load_stage_reports(world.store, cold_folder(stored.folder, 0.2), 0)
    assert list(reports) == [stage.name for stage in stored.run.stages]
    again = train_rating_run(stored, world.scenario, world.store)
    assert (again.facts["models_kept"], again.artifact) == (1, outcome.artifact)


def hide(world: RatingWorld) -> None:
    """Test ratings become noughts; what cold users wrote of the target domain becomes NaN."""
    table = world.store.read_table("ratings/songs").to_pylist()
    for row in table:
        row["rating"] = 0.0 if row["part"] == "test" else row["rating"]
    world.store.write_table("ratings/songs", RATINGS, pa.Table.from_pylist(table, schema=RATINGS))
    cold = {row["user_id"] for row in table if row["role"] == "cold" and row["cold_ratio"] < 0.3}
    features = world.store.read_table("review_features/soul")
    rows = features.to_pylist()
    for row in rows:
        if row["user_id"] in cold:
            row["vector"] = np.full(USER_WIDTH, np.nan, dtype=np.float32)
    unread = pa.Table.from_pylist(rows, schema=features.schema)
    world.store.write_table("review_features/soul", features.schema, unread)


@pytest.mark.parametrize("system", RATING_SYSTEMS)
def test_nothing_hidden_of_test_users_reaches_the_weights(world: RatingWorld, system: str) -> None:
    stored = quick(system, world)
    train_rating_run(stored, world.scenario, world.store)
    before = weights_of(world, stored)
    hide(world)
    outcome = train_rating_run(stored, world.scenario, world.store)
    assert outcome.facts["models_kept"] == 0  # the tables' digests differ
    assert same(weights_of(world, stored), before)


@pytest.mark.parametrize("dies_in", ["ratings", "mapping"])
def test_a_killed_run_resumes_in_its_stage_and_ends_with_the_same_weights(
    world: RatingWorld, dies_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = replace(quick("emcdr", world), folder="weights/songs/whole")
    train_rating_run(whole, world.scenario, world.store)
    killed = replace(whole, folder="weights/songs/killed")
    real, calls = EMCDR.loss, Counter[str]()

    def counted(model: EMCDR, stage: str, batch: Any) -> Any:
        calls[stage] += 1
        if calls[stage] == 4 and stage == dies_in and "alive" not in calls:
            raise KeyboardInterrupt
        return real(model, stage, batch)

    monkeypatch.setattr(EMCDR, "loss", counted)
    with pytest.raises(KeyboardInterrupt):
        train_rating_run(killed, world.scenario, world.store)
    assert not is_rating_run_trained(killed, world.scenario, world.store)
    before = dict(calls)
    calls.clear()
    calls["alive"] += 1
    train_rating_run(killed, world.scenario, world.store)
    assert same(weights_of(world, killed), weights_of(world, whole))
    # Two steps an epoch, of two: the fourth step died, so the second epoch is trained again.
    assert calls[dies_in] == 2 and before[dies_in] == 4
    assert calls["ratings" if dies_in == "mapping" else "mapping"] == (
        0 if dies_in == "mapping" else 4
    )
    kept = load_stage_reports(world.store, "weights/songs/killed/cold-20", 0)
    others = load_stage_reports(world.store, "weights/songs/whole/cold-20", 0)
    assert {name: report.best_score for name, report in kept.items()} == {
        name: report.best_score for name, report in others.items()
    }
    assert not list((world.store.root / "checkpoints").rglob("*.safetensors"))


def test_music_resumes_in_its_third_stage_too(
    world: RatingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = replace(quick("music", world), folder="weights/songs/whole")
    train_rating_run(whole, world.scenario, world.store)
    killed = replace(whole, folder="weights/songs/killed")
    real = MuSiC.loss

    def dying(model: MuSiC, stage: str, batch: Any) -> Any:
        if stage == "overlap_users":
            raise KeyboardInterrupt
        return real(model, stage, batch)

    monkeypatch.setattr(MuSiC, "loss", dying)
    with pytest.raises(KeyboardInterrupt):
        train_rating_run(killed, world.scenario, world.store)
    monkeypatch.undo()
    train_rating_run(killed, world.scenario, world.store)
    assert same(weights_of(world, killed), weights_of(world, whole))


def test_another_preset_trains_again_and_the_same_one_is_kept(world: RatingWorld) -> None:
    stored = quick("cmf", world)
    train_rating_run(stored, world.scenario, world.store)
    wider = replace(stored, run=replace(stored.run, model=replace(stored.run.model, width=5)))
    assert not is_rating_run_trained(wider, world.scenario, world.store)
    assert train_rating_run(wider, world.scenario, world.store).facts["models_kept"] == 0
    assert train_rating_run(wider, world.scenario, world.store).facts["models_kept"] == 1
    shorter = world.with_training(max_length=3)
    assert not is_rating_run_trained(wider, shorter.scenario, world.store)


def test_one_more_seed_or_cold_ratio_keeps_what_is_trained(world: RatingWorld) -> None:
    one = quick("cmf", world)
    train_rating_run(one, world.scenario, world.store)
    two = replace(one, seeds=(0, 1), cold_ratios=(0.2, 0.5))
    outcome = train_rating_run(two, world.scenario, world.store)
    assert (outcome.facts["models"], outcome.facts["models_kept"]) == (4, 1)
    paths = sorted(outcome.artifact.path.rglob("*.safetensors"))
    found = [str(path.relative_to(outcome.artifact.path)) for path in paths]
    assert found == [f"cold-{p}/seed-{s}.safetensors" for p in (20, 50) for s in (0, 1)]
    load = [load_rating_run(two, world.scenario, world.store, 0.5, seed) for seed in (0, 1)]
    pairs = load_rating_cases(world.store, world.scenario, 0.5).test.pairs
    assert not torch.equal(*(model.predict(pairs) for model in load))


def test_systems_that_read_features_depend_on_them_and_others_do_not(world: RatingWorld) -> None:
    runs = [quick(system, world) for system in ("ridge", "biases")]
    for stored in runs:
        train_rating_run(stored, world.scenario, world.store)
    table = world.store.read_table("review_features/rock")
    world.store.write_table("review_features/rock", table.schema, table.slice(2))
    kept = [is_rating_run_trained(stored, world.scenario, world.store) for stored in runs]
    assert kept == [False, True]


@pytest.mark.parametrize("system", ["biases", "emcdr", "ridge", "music"])
def test_the_dual_cold_start_trains_without_its_items_and_predicts_them(
    world: RatingWorld, system: str
) -> None:
    dual = world.with_scenario(split=replace(world.scenario.split, cold_items=0.3))
    stored = quick(system, dual)
    train_rating_run(stored, dual.scenario, world.store)
    cases = load_rating_cases(world.store, dual.scenario, 0.2)
    assert not torch.isin(cases.test.item_N, cases.train.item_N).any()
    model = load_rating_run(stored, dual.scenario, world.store, 0.2, 0)
    with torch.no_grad():
        assert model.predict(cases.test.pairs).isfinite().all()
    before = weights_of(world, stored)
    moved = dual.with_scenario(split=replace(dual.scenario.split, seed=5))
    assert not is_rating_run_trained(stored, moved.scenario, world.store)  # other items
    plain = quick(system, world)
    train_rating_run(plain, world.scenario, world.store)
    assert not same(weights_of(world, plain), before)


def test_ridge_finds_the_planted_tastes_from_features_alone(world: RatingWorld) -> None:
    """Hidden and visible numbers are joined right, else features would tell nothing."""
    errors = {}
    cases = load_rating_cases(world.store, world.scenario, 0.5)
    for system in ("global_mean", "ridge"):
        train_rating_system(system, world.scenario, world.store)
        model = load_rating_system(system, world.scenario, world.store, 0.5, 0)
        error_N = model.predict(cases.test.pairs).clamp(1, 5) - cases.test.rating_N
        errors[system] = float(error_N.square().mean().sqrt())
    assert errors["ridge"] < 0.95 * errors["global_mean"]


def test_seeds_and_presets(world: RatingWorld) -> None:
    for system in RATING_SYSTEMS:
        run = rating_preset(system, world.scenario)
        assert run == rating_preset(system, world.scenario)
        assert (run.features is not None) == (system in FEATURE_SYSTEMS)
        assert rating_seeds(system, world.scenario) == ((0, 1) if run.stages else (0,))
    fewer = world.with_training(rival_seeds=(1,)).scenario
    assert rating_seeds("cmf", fewer) == (1,) and rating_seeds("music", fewer) == (0, 1)
    with pytest.raises(ValueError, match="unknown system 'svd'; known systems: global_mean"):
        rating_preset("svd", world.scenario)


def test_a_counting_system_reports_features_that_it_reads(world: RatingWorld) -> None:
    outcome = train_rating_system("ridge", world.scenario, world.store)
    assert outcome.facts == {"seeds": 1, "cold_ratios": 2, "models": 2, "models_kept": 0}
    lines = outcome.tables["without features"].splitlines()
    assert lines[0] == "|  | cold ratio 0.2 | cold ratio 0.5 |"
    assert "| rock: items without features | 2 | 2 |" in lines
    cases = load_rating_cases(world.store, world.scenario, 0.2)
    features = load_features(world.store, world.scenario, cases)
    silent = int((~features.has_user_SU[0, cases.overlap_users_M]).sum())
    assert any(
        line.startswith(f"| rock: overlap users without text | {silent} |") for line in lines
    )
