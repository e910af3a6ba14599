"""Build, train and load any run, a system's or a variant of it: the one place where systems are
told apart."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from models.baselines.llmcdsr import LLMCDSR
from models.lgcd import LGCD
from models.lgcd_encoders import DomainEncoders
from models.recommender import Counter, Recommender
from pipeline.catalog import Scenario, parameters
from pipeline.catalog.systems import ENCODER_INPUTS, OURS, SYSTEMS
from pipeline.digest import digest_json
from pipeline.outcome import Fact, Outcome
from pipeline.report import Report, labelled, silent
from pipeline.store import Store
from pipeline.train import VERSION
from pipeline.train.augmented import train_augmented
from pipeline.train.build import build, reads_texts
from pipeline.train.cases import item_space
from pipeline.train.checkpoint import Checkpoint
from pipeline.train.counts import count
from pipeline.train.loop import FitReport
from pipeline.train.plus import train_plus
from pipeline.train.presets import preset
from pipeline.train.presets.lgcd import encoders_run
from pipeline.train.presets.runs import AugmentedRun, CountingRun, PlusRun, Run, SequentialRun
from pipeline.train.sequential import train_sequential
from pipeline.train.transfer import load_item_text, train_encoders, train_transfer
from pipeline.train.weights import Weights, all_seeds, load_report, load_weights

log = logging.getLogger(__name__)

Trained = tuple[nn.Module, FitReport | None]


@dataclass(frozen=True, kw_only=True)
class StoredRun:
    """A run, what it is trained from, and where its weights lie."""

    run: Run
    inputs: tuple[str, ...]  # artifacts, as in SYSTEMS
    folder: str  # "weights/<scenario>/<system>"
    seeds: tuple[int, ...]


def weights_folder(system: str, scenario: Scenario) -> str:
    return f"weights/{scenario.name}/{system}"


def encoders_folder(scenario: Scenario) -> str:
    return f"encoders/{scenario.name}"


def seeds_of(system: str, scenario: Scenario, store: Store) -> tuple[int, ...]:
    """Training seeds; a system that counts needs but one."""
    seeds = scenario.training.seeds
    if system not in OURS:
        seeds = scenario.training.rival_seeds or seeds
    run = preset(system, scenario, item_space(store, scenario), text_width=0)  # of any width
    return seeds[:1] if isinstance(run, CountingRun) else seeds


def pretrain_encoders(scenario: Scenario, store: Store, report: Report = silent) -> Outcome:
    """LGCD's stage 1 for every seed; write `encoders/<scenario>/seed-<n>`."""
    text_VE = load_item_text(store, scenario)
    run = encoders_run(scenario, item_space(store, scenario), text_VE.shape[1])

    def train(seed: int, checkpoint: Checkpoint) -> Trained:
        model = DomainEncoders(run.model, text_VE)
        return model, train_encoders(run, model, scenario, store, seed, checkpoint)

    weights = Weights(
        store=store,
        folder=encoders_folder(scenario),
        fingerprints=_fingerprints(run, ENCODER_INPUTS, scenario.training.seeds, scenario, store),
    )
    return _train_seeds(weights, parameters(run), train, report)


def train_system(system: str, scenario: Scenario, store: Store, report: Report = silent) -> Outcome:
    """Train a system for every seed; write `weights/<scenario>/<system>/seed-<n>`."""
    return train_run(stored_system(system, scenario, store), scenario, store, report)


def load_system(system: str, scenario: Scenario, store: Store, seed: int) -> Recommender | Counter:
    """A trained system, ready to score on the CPU."""
    return load_run(stored_system(system, scenario, store), scenario, store, seed)


def stored_system(system: str, scenario: Scenario, store: Store) -> StoredRun:
    """The complete run of a system, under its own name."""
    text_width = 0
    if "item_text" in SYSTEMS[system]:
        text_width = load_item_text(store, scenario).shape[1]
    return StoredRun(
        run=preset(system, scenario, item_space(store, scenario), text_width),
        inputs=SYSTEMS[system],
        folder=weights_folder(system, scenario),
        seeds=seeds_of(system, scenario, store),
    )


def train_run(
    stored: StoredRun, scenario: Scenario, store: Store, report: Report = silent
) -> Outcome:
    """Train a run for every seed that is not trained yet; write `<folder>/seed-<n>`."""

    def train(seed: int, checkpoint: Checkpoint) -> Trained:
        model = _build(stored.run, scenario, store)
        return model, _fit(stored.run, model, scenario, store, seed, checkpoint)

    return _train_seeds(_weights(stored, scenario, store), parameters(stored.run), train, report)


def is_trained(stored: StoredRun, scenario: Scenario, store: Store) -> bool:
    """Whether there are weights of this very run, from these very inputs, for every seed."""
    weights = _weights(stored, scenario, store)
    return all(weights.is_trained(seed) for seed in stored.seeds)


def load_run(
    stored: StoredRun, scenario: Scenario, store: Store, seed: int
) -> Recommender | Counter:
    """A trained run, ready to score on the CPU."""
    model = _build(stored.run, scenario, store)
    load_weights(store, stored.folder, seed, model)
    assert isinstance(model, Recommender | Counter)
    return model


def _weights(stored: StoredRun, scenario: Scenario, store: Store) -> Weights:
    fingerprints = _fingerprints(stored.run, stored.inputs, stored.seeds, scenario, store)
    return Weights(store=store, folder=stored.folder, fingerprints=fingerprints)


def _build(run: Run, scenario: Scenario, store: Store) -> nn.Module:
    return build(run.model, load_item_text(store, scenario) if reads_texts(run.model) else None)


def _fit(
    run: Run,
    model: nn.Module,
    scenario: Scenario,
    store: Store,
    seed: int,
    checkpoint: Checkpoint,
) -> FitReport | None:
    if isinstance(run, CountingRun):
        assert isinstance(model, Counter)
        count(model, scenario, store)
        return None
    if isinstance(run, SequentialRun):
        return train_sequential(run, model, scenario, store, seed, checkpoint)
    if isinstance(run, AugmentedRun):
        assert isinstance(model, LLMCDSR)
        return train_augmented(run, model, scenario, store, seed, checkpoint)
    if isinstance(run, PlusRun):
        return train_plus(run, model, scenario, store, seed, checkpoint)
    assert isinstance(model, LGCD)
    load_weights(store, encoders_folder(scenario), seed, model.encoders)
    model.start_from_encoders()
    return train_transfer(run, model, scenario, store, seed, checkpoint)


def _train_seeds(
    weights: Weights,
    settings: dict[str, Any],
    train: Callable[[int, Checkpoint], Trained],
    report: Report,
) -> Outcome:
    """Train what is not trained yet; a killed run resumes at its last epoch."""
    seeds = tuple(weights.fingerprints)
    kept = [seed for seed in seeds if weights.is_trained(seed)]
    report("plan", {"seeds": len(seeds), "seeds_trained_already": len(kept)})
    for number, seed in enumerate(seeds, start=1):
        checkpoint = Checkpoint(
            store=weights.store,
            name=weights.key(seed),
            fingerprint=digest_json([weights.fingerprints[seed], seed]),
            report=labelled(report, seed=f"{number} of {len(seeds)}"),
        )
        if seed in kept:
            log.info("%s: seed %d is trained already", weights.folder, seed)
        else:
            torch.manual_seed(seed)  # the initial weights
            model, fitted = train(seed, checkpoint)
            weights.save(seed, model, settings, fitted)
        checkpoint.delete()
    return Outcome(
        artifact=all_seeds(weights.store, weights.folder, seeds),
        facts={"seeds": len(seeds), "seeds_kept": len(kept), **_facts(weights, seeds)},
    )


def _fingerprints(
    run: Any, inputs: tuple[str, ...], seeds: tuple[int, ...], scenario: Scenario, store: Store
) -> dict[int, str]:
    """What each seed's run depends on: this stage's version, its parameters, its inputs' content.

    Of the encoders a seed depends on its own alone, so that one more seed retrains no other.
    """
    fingerprints = {}
    for seed in seeds:
        own = {"encoders": f"{encoders_folder(scenario)}/seed-{seed}"}
        digests = [store.digest(own.get(name, f"{name}/{scenario.name}")) for name in inputs]
        fingerprints[seed] = digest_json([VERSION, parameters(run), digests])
    return fingerprints


def _facts(weights: Weights, seeds: tuple[int, ...]) -> dict[str, Fact]:
    reports = [load_report(weights.store, weights.folder, seed) for seed in seeds]
    facts: dict[str, Fact] = {}
    for seed, report in zip(seeds, reports, strict=True):
        if report is not None:
            facts[f"seed {seed}: best epoch"] = report.best_epoch + 1
            facts[f"seed {seed}: validation score"] = round(report.best_score, 4)
            facts[f"seed {seed}: training seconds"] = round(report.seconds, 1)
    return facts
