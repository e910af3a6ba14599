"""What the rating report tells beside its figures, read from all that lies in the store."""

import torch

from models.music import MuSiC
from models.ratings import AUXILIARY
from pipeline.catalog import Scenario
from pipeline.catalog.rating_systems import FEATURE_SYSTEMS
from pipeline.catalog.system_names import shown
from pipeline.evaluate.background import Provenance, Upstream, versions
from pipeline.evaluate.cost import load_scoring
from pipeline.evaluate.ratings.background import RatingBackground, RatingCost, RatioSize
from pipeline.evaluate.ratings.convergence import converged
from pipeline.evaluate.ratings.plots import FeatureMap, RatingCurves
from pipeline.evaluate.ratings.silent_users import Silent
from pipeline.outcome import Fact
from pipeline.store import Store
from pipeline.train.loop import FitReport
from pipeline.train.ratings.cases import load_rating_cases
from pipeline.train.ratings.features import feature_facts, load_features
from pipeline.train.ratings.reports import load_stage_reports
from pipeline.train.ratings.stored import StoredRatingRun, cold_folder
from pipeline.train.ratings.systems import load_rating_system, stored_rating_system
from pipeline.train.weights import all_seeds

_OF_DOMAINS = ("item_multimodal", "review_features")
_MAPPED = "music"  # whose generated features are looked at, beside the true ones and by steps

_Runs = dict[str, StoredRatingRun]
_Reports = dict[str, dict[tuple[float, int], dict[str, FitReport]]]
"""By system, then by cold ratio and seed, then by stage; of a system that counts no stages."""


def gather_rating_background(scenario: Scenario, store: Store) -> RatingBackground:
    """Of the stored artifacts as they are now. ValueError names one that is missing."""
    runs = {system: stored_rating_system(system, scenario) for system in scenario.systems}
    reports = {system: _stage_reports(run, store) for system, run in runs.items()}
    return RatingBackground(
        notes=_notes(scenario, store),
        sizes=_sizes(scenario, store),
        fallbacks=_fallbacks(scenario, store),
        silent=_silent(scenario, store),
        convergence=converged(_MAPPED, scenario, store) if _MAPPED in runs else (),
        curves=_curves(reports),
        features=_features(scenario, store),
        costs=tuple(_cost(system, reports, scenario, store) for system in runs),
        provenance=_provenance(runs, scenario, store),
    )


def _stage_reports(
    run: StoredRatingRun, store: Store
) -> dict[tuple[float, int], dict[str, FitReport]]:
    return {
        (ratio, seed): load_stage_reports(store, cold_folder(run.folder, ratio), seed)
        for ratio in run.cold_ratios
        for seed in run.seeds
    }


def _curves(reports: _Reports) -> RatingCurves:
    """Errors: a stage's score is the negative of one."""
    return {
        (system, stage, ratio, seed): [-entry["valid"] for entry in report.curve]
        for system, runs in reports.items()
        for (ratio, seed), stages in runs.items()
        for stage, report in stages.items()
    }


def _notes(scenario: Scenario, store: Store) -> tuple[str, ...]:
    if not _reading(scenario):
        return ()
    names = ", ".join(shown(system) for system in _reading(scenario))
    widths = []
    for kind, what in zip(_OF_DOMAINS, ("items", "users"), strict=True):
        rows = next(store.read_batches(f"{kind}/{scenario.domains[0]}", ["vector"]))
        widths.append(f"{rows.schema.field('vector').type.list_size} dimensions for {what}")
    return (f"{names}: frozen features of {' and of '.join(widths)}.",)


def _sizes(scenario: Scenario, store: Store) -> tuple[RatioSize, ...]:
    sizes = []
    for ratio in sorted(scenario.split.cold_ratios):
        cases = load_rating_cases(store, scenario, ratio)
        sizes.append(
            RatioSize(
                cold_ratio=ratio,
                overlap=len(cases.overlap_users_M),
                valid_users=len(cases.valid.user_N.unique()),
                valid_ratings=len(cases.valid.user_N),
            )
        )
    return tuple(sizes)


def _fallbacks(scenario: Scenario, store: Store) -> dict[str, Fact]:
    if not _reading(scenario):
        return {}
    cases = load_rating_cases(store, scenario, min(scenario.split.cold_ratios))
    return feature_facts(load_features(store, scenario, cases), cases, scenario)


def _silent(scenario: Scenario, store: Store) -> Silent:
    """The test users who wrote nothing in the auxiliary domain, where a system reads texts."""
    silent = []
    for ratio in sorted(scenario.split.cold_ratios) if _reading(scenario) else ():
        cases = load_rating_cases(store, scenario, ratio)
        has_text_U = load_features(store, scenario, cases).has_user_SU[AUXILIARY]
        user_N = cases.test.user_N.unique()
        silent.append(frozenset(user_N[~has_text_U[user_N]].tolist()))
    return tuple(silent)


def _features(scenario: Scenario, store: Store) -> FeatureMap | None:
    """Of training users of both domains, whose target reviews may be read: no cold user's."""
    if _MAPPED not in scenario.systems:
        return None
    ratio = min(scenario.split.cold_ratios)
    seed = stored_rating_system(_MAPPED, scenario).seeds[0]
    model = load_rating_system(_MAPPED, scenario, store, ratio, seed)
    assert isinstance(model, MuSiC)
    cases = load_rating_cases(store, scenario, ratio)
    user_N = torch.from_numpy(cases.overlap_users_M)
    return FeatureMap(
        system=_MAPPED,
        cold_ratio=ratio,
        true_ND=model.target_vectors(user_N).numpy(),
        generated_ND=model.generate(user_N).numpy(),
    )


def _cost(system: str, reports: _Reports, scenario: Scenario, store: Store) -> RatingCost:
    """Training from the reports beside the weights, predicting from the file of predictions."""
    seconds = [
        sum(report.seconds for report in stages.values())
        for stages in reports[system].values()
        if stages
    ]
    return RatingCost(
        system=system,
        scoring=load_scoring(store, f"predictions/{scenario.name}/{system}"),
        train_seconds=sum(seconds) / len(seconds) if seconds else None,
    )


def _provenance(runs: _Runs, scenario: Scenario, store: Store) -> Provenance:
    """Digests of all that the compared systems rest on."""
    read = dict.fromkeys(name for run in runs.values() for name in run.inputs)
    keys = [
        f"{name}/{place}"
        for name in read
        for place in (scenario.domains if name in _OF_DOMAINS else (scenario.name,))
    ]
    artifacts = [Upstream(name=key, digest=store.digest(key)) for key in keys]
    for system, run in runs.items():
        for ratio in run.cold_ratios:
            digest = all_seeds(store, cold_folder(run.folder, ratio), run.seeds).digest
            name = f"weights/{system}, cold ratio {ratio:g}"
            artifacts.append(Upstream(name=name, digest=digest, seeds=run.seeds))
    return Provenance(
        artifacts=tuple(artifacts),
        split_seed=scenario.split.seed,
        candidate_seeds=(),  # nothing is ranked
        versions=versions(),
    )


def _reading(scenario: Scenario) -> list[str]:
    """The systems that read frozen features."""
    return [system for system in scenario.systems if system in FEATURE_SYSTEMS]
