"""Whether training came to its end, and whether its seeds agree: judgments, from stored reports."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from pipeline.catalog import Scenario
from pipeline.finding import Finding
from pipeline.store import Store
from pipeline.train.systems import encoders_folder, seeds_of, weights_folder
from pipeline.train.weights import load_report

MOST_SPREAD = 0.1
"""Of validation scores over seeds: their range as a share of their mean. Beyond it one seed more
could turn a comparison of systems round."""


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """How one fit ended: that of a seed, or of one of its stages."""

    group: str  # those that differ in their seed alone
    seed: int
    best_epoch: int  # 1-based
    max_epochs: int
    best_score: float  # on validation users


def system_converged(system: str, scenario: Scenario, store: Store) -> Finding:
    return judge_convergence(_system_fits(system, scenario, store))


def system_seeds_agree(system: str, scenario: Scenario, store: Store) -> Finding:
    return judge_agreement(_system_fits(system, scenario, store))


def encoders_converged(scenario: Scenario, store: Store) -> Finding:
    return judge_convergence(_fits(encoders_folder(scenario), scenario.training.seeds, store))


def judge_convergence(fits: Iterable[Fitted]) -> Finding:
    """A best epoch that is the last allowed one: a longer training would have been better."""
    fits = list(fits)
    late = [fit for fit in fits if fit.best_epoch >= fit.max_epochs]
    named = ", ".join(f"{fit.group} seed {fit.seed}".strip() for fit in late)
    epochs = [fit.best_epoch for fit in fits]
    return Finding(
        passed=not late,
        says=f"{len(late)} of {len(fits)} fits were best at the last epoch that was allowed"
        + (f": {named}" if late else ""),
        figures={
            "fits": len(fits),
            "best at the last epoch": len(late),
            "earliest best epoch": min(epochs, default=0),
            "latest best epoch": max(epochs, default=0),
            "epochs allowed": max((fit.max_epochs for fit in fits), default=0),
        },
    )


def judge_agreement(fits: Iterable[Fitted]) -> Finding:
    """The widest range of validation scores over seeds, as a share of their mean."""
    ordered = sorted(fits, key=lambda fit: fit.group)
    worst, where, seeds = 0.0, "", 0
    for group, own in groupby(ordered, key=lambda fit: fit.group):
        scores = np.array([fit.best_score for fit in own])
        seeds = max(seeds, len(scores))
        spread = float(np.ptp(scores) / max(abs(scores.mean()), 1e-12))
        if spread > worst:
            worst, where = spread, group
    score = float(np.mean([fit.best_score for fit in ordered])) if ordered else 0.0
    return Finding(
        passed=worst <= MOST_SPREAD,
        says=f"validation scores of {seeds} seeds differ by {worst:.1%} of their mean"
        + (f" at {where}" if where else "")
        + f" (at most {MOST_SPREAD:.0%})",
        figures={
            "seeds": seeds,
            "spread of validation scores": round(worst, 4),
            "mean validation score": round(score, 4),
        },
    )


def _system_fits(system: str, scenario: Scenario, store: Store) -> list[Fitted]:
    return _fits(weights_folder(system, scenario), seeds_of(system, scenario, store), store)


def _fits(folder: str, seeds: Iterable[int], store: Store) -> list[Fitted]:
    fits = []
    for seed in seeds:
        report = load_report(store, folder, seed)
        parameters = json.loads(store.tensor_metadata(f"{folder}/seed-{seed}")["parameters"])
        (run,) = parameters.values()  # one run, under the name of its class
        if report is not None:
            fits.append(
                Fitted(
                    group="",
                    seed=seed,
                    best_epoch=report.best_epoch + 1,
                    max_epochs=run["loop"]["max_epochs"],
                    best_score=report.best_score,
                )
            )
    return fits
