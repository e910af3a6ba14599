"""Train and load any rating run, a system's or a variant of it, at every cold ratio and seed.

Weights lie at `<folder>/cold-<percent>/seed-<n>`. What is trained already, from the very same
inputs and parameters, is kept; a killed run resumes in its stage.
"""

import logging
from itertools import count
from typing import Any

import torch
from torch import nn

from models.ratings import Features, Known, RatingCounter, RatingModel
from pipeline.catalog import Scenario, parameters
from pipeline.catalog.rating_systems import FEATURE_SYSTEMS, RATING_OURS, RATING_SYSTEMS
from pipeline.digest import digest_json
from pipeline.outcome import Outcome
from pipeline.report import Report, labelled, silent
from pipeline.store import Store
from pipeline.train.checkpoint import Checkpoint
from pipeline.train.loop import FitReport
from pipeline.train.ratings import VERSION
from pipeline.train.ratings.build import build_rating_model
from pipeline.train.ratings.cases import RatingCases, load_rating_cases
from pipeline.train.ratings.feature_forms import dealt_out, in_form
from pipeline.train.ratings.features import feature_facts, load_features
from pipeline.train.ratings.fit import fit_rating_run
from pipeline.train.ratings.presets import rating_preset
from pipeline.train.ratings.reports import save_rating_weights, training_outcome
from pipeline.train.ratings.runs import FeatureUse, RatingRun
from pipeline.train.ratings.shared_stage import SharedStages
from pipeline.train.ratings.stored import StoredRatingRun, cold_folder
from pipeline.train.weights import Weights, load_weights

log = logging.getLogger(__name__)

_OF_DOMAINS = ("item_multimodal", "review_features")


def rating_seeds(system: str, scenario: Scenario) -> tuple[int, ...]:
    """Training seeds; a system that counts needs but one."""
    seeds = scenario.training.seeds
    if system not in RATING_OURS:
        seeds = scenario.training.rival_seeds or seeds
    return seeds if rating_preset(system, scenario).stages else seeds[:1]


def stored_rating_system(system: str, scenario: Scenario) -> StoredRatingRun:
    """The complete run of a system, under its own name."""
    run = rating_preset(system, scenario)
    assert (run.features is not None) == (system in FEATURE_SYSTEMS), system
    return StoredRatingRun(
        run=run,
        inputs=RATING_SYSTEMS[system],
        folder=f"weights/{scenario.name}/{system}",
        seeds=rating_seeds(system, scenario),
        cold_ratios=scenario.split.cold_ratios,
    )


def train_rating_system(
    system: str, scenario: Scenario, store: Store, report: Report = silent
) -> Outcome:
    """Train a system at every cold ratio, for every seed."""
    return train_rating_run(stored_rating_system(system, scenario), scenario, store, report)


def load_rating_system(
    system: str, scenario: Scenario, store: Store, cold_ratio: float, seed: int
) -> RatingModel | RatingCounter:
    """A trained system, ready to predict on the CPU."""
    return load_rating_run(
        stored_rating_system(system, scenario), scenario, store, cold_ratio, seed
    )


def train_rating_run(
    stored: StoredRatingRun, scenario: Scenario, store: Store, report: Report = silent
) -> Outcome:
    """Train what is not trained yet; write `<folder>/cold-<percent>/seed-<n>`."""
    kept, lacking = 0, []
    num_models = len(stored.cold_ratios) * len(stored.seeds)
    numbers = count(1)
    report("plan", {"models": num_models})
    for ratio in stored.cold_ratios:
        weights = _weights(stored, scenario, store, ratio)
        cases = _cases(stored.run, store, scenario, ratio)
        known = known_of(stored.run, cases, store, scenario)
        if known.features:
            lacking.append(feature_facts(known.features, cases, scenario))
        for seed in stored.seeds:
            part = labelled(report, model=f"{next(numbers)} of {num_models}")
            if weights.is_trained(seed):
                kept += 1
                log.info("%s: seed %d is trained already", weights.folder, seed)
            else:
                shared = _shared(stored, scenario, store, ratio)
                _train_seed(stored.run, weights, cases, known, seed, shared, part)
            _delete_checkpoints(stored.run, weights, seed)
    return training_outcome(stored, store, kept, lacking)


def is_rating_run_trained(stored: StoredRatingRun, scenario: Scenario, store: Store) -> bool:
    """Whether there are weights of this very run, from these very inputs: all of them."""
    return all(
        _weights(stored, scenario, store, ratio).is_trained(seed)
        for ratio in stored.cold_ratios
        for seed in stored.seeds
    )


def load_rating_run(
    stored: StoredRatingRun, scenario: Scenario, store: Store, cold_ratio: float, seed: int
) -> RatingModel | RatingCounter:
    """A trained run, ready to predict on the CPU."""
    cases = _cases(stored.run, store, scenario, cold_ratio)
    model = build_rating_model(stored.run.model, known_of(stored.run, cases, store, scenario))
    assert isinstance(model, nn.Module)
    load_weights(store, cold_folder(stored.folder, cold_ratio), seed, model)
    assert isinstance(model, RatingModel | RatingCounter)
    return model


def _cases(run: RatingRun, store: Store, scenario: Scenario, cold_ratio: float) -> RatingCases:
    cases = load_rating_cases(store, scenario, cold_ratio)
    shuffled = run.features is not None and run.features.form == "shuffled"
    return dealt_out(cases, scenario.split.seed) if shuffled else cases


def known_of(run: RatingRun, cases: RatingCases, store: Store, scenario: Scenario) -> Known:
    """What a run's model is built from beside its config."""
    return Known(
        space=cases.space,
        num_users=cases.num_users,
        mean_rating=cases.mean_rating,
        history_UL=cases.history_UL,
        history_rating_UL=cases.history_rating_UL,
        features=_features(run.features, cases, store, scenario) if run.features else None,
    )


def _features(use: FeatureUse, cases: RatingCases, store: Store, scenario: Scenario) -> Features:
    extracted = load_features(store, scenario, cases, use.domains)
    return in_form(use.form, extracted, cases, scenario.split.seed)


def _train_seed(
    run: RatingRun,
    weights: Weights,
    cases: RatingCases,
    known: Known,
    seed: int,
    shared: SharedStages,
    report: Report,
) -> None:
    torch.manual_seed(seed)  # the initial weights
    model = build_rating_model(run.model, known)
    assert isinstance(model, nn.Module)
    reports: dict[str, FitReport] = {}
    if run.stages:
        reports = fit_rating_run(
            run, model, cases, seed, lambda stage: _checkpoint(weights, seed, stage, report), shared
        )
    else:
        assert isinstance(model, RatingCounter)
        model.count(cases.train, cases.valid)
    save_rating_weights(weights, seed, model, parameters(run), reports)


def _checkpoint(weights: Weights, seed: int, stage: str, report: Report = silent) -> Checkpoint:
    return Checkpoint(
        store=weights.store,
        name=f"{weights.key(seed)}/{stage}",
        fingerprint=digest_json([weights.fingerprints[seed], seed, stage]),
        report=report,
    )


def _delete_checkpoints(run: RatingRun, weights: Weights, seed: int) -> None:
    for stage in run.stages:
        _checkpoint(weights, seed, stage.name).delete()


def _weights(
    stored: StoredRatingRun, scenario: Scenario, store: Store, cold_ratio: float
) -> Weights:
    """With what a seed's run depends on: this stage's version, its parameters, its inputs."""
    inputs = _inputs(stored, scenario, store, cold_ratio)
    fingerprint = digest_json([VERSION, parameters(stored.run), *inputs])
    return Weights(
        store=store,
        folder=cold_folder(stored.folder, cold_ratio),
        fingerprints=dict.fromkeys(stored.seeds, fingerprint),
    )


def _shared(
    stored: StoredRatingRun, scenario: Scenario, store: Store, cold_ratio: float
) -> SharedStages:
    features = parameters(stored.run.features) if stored.run.features else None
    inputs = _inputs(stored, scenario, store, cold_ratio)
    return SharedStages(
        store=store,
        folder=f"stages/{scenario.name}",
        made_from=digest_json([VERSION, features, scenario.split.seed, *inputs]),
    )


def _inputs(
    stored: StoredRatingRun, scenario: Scenario, store: Store, cold_ratio: float
) -> list[Any]:
    """The cold ratio, what of the scenario is read, and the digests of what is stored.

    `max_length` cuts the histories; the split's seed draws the items of a dual cold start.
    """
    domains = stored.run.features.domains if stored.run.features else None
    keys = [
        f"{name}/{place}"
        for name in stored.inputs
        for place in (domains or scenario.domains if name in _OF_DOMAINS else (scenario.name,))
    ]
    split = scenario.split
    dual = [split.seed, split.cold_items] if split.cold_items else None
    reads = [scenario.training.max_length, dual]
    return [cold_ratio, reads, [store.digest(key) for key in keys]]
