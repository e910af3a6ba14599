"""How a rating run's stages went: kept beside its weights, and told to people."""

import json
from dataclasses import asdict
from typing import Any

from torch import nn

from pipeline import markdown
from pipeline.digest import digest_json
from pipeline.outcome import Fact, Outcome
from pipeline.store import Artifact, Store
from pipeline.train.loop import FitReport
from pipeline.train.ratings.stored import StoredRatingRun, cold_folder
from pipeline.train.weights import Weights, all_seeds


def save_rating_weights(
    weights: Weights,
    seed: int,
    model: nn.Module,
    parameters: dict[str, Any],
    reports: dict[str, FitReport],
) -> Artifact:
    """As `Weights.save`, with a report for each stage; none for a system that counts.

    ValueError where a weight is not finite.
    """
    metadata = {
        "fingerprint": weights.fingerprints[seed],
        "parameters": json.dumps(parameters, sort_keys=True),
        "reports": json.dumps({stage: asdict(report) for stage, report in reports.items()}),
    }
    return weights.store.write_tensors(weights.key(seed), dict(model.state_dict()), metadata)


def load_stage_reports(store: Store, folder: str, seed: int) -> dict[str, FitReport]:
    """By stage, in their order; `folder` is that of one cold ratio."""
    reports = json.loads(store.tensor_metadata(f"{folder}/seed-{seed}")["reports"])
    return {stage: FitReport(**report) for stage, report in reports.items()}


def training_outcome(
    stored: StoredRatingRun, store: Store, kept: int, lacking: list[dict[str, Fact]]
) -> Outcome:
    """What a trained run says of itself; `lacking` are the features' facts by cold ratio."""
    tables = {}
    if lacking:
        tables["without features"] = _lacking_table(lacking, stored)
    if stored.run.stages:
        tables["stages"] = _stages_table(stored, store)
    return Outcome(
        artifact=_artifact(stored, store), facts=_facts(stored, kept, store), tables=tables
    )


def _artifact(stored: StoredRatingRun, store: Store) -> Artifact:
    """One that stands for the weights of all cold ratios and seeds."""
    parts = [
        all_seeds(store, cold_folder(stored.folder, ratio), stored.seeds)
        for ratio in stored.cold_ratios
    ]
    return Artifact(
        key=stored.folder,
        path=store.path(stored.folder, ""),
        digest=digest_json([part.digest for part in parts]),
        num_bytes=sum(part.num_bytes for part in parts),
    )


def _facts(stored: StoredRatingRun, kept: int, store: Store) -> dict[str, Fact]:
    reports = _reports(stored, store)
    facts: dict[str, Fact] = {
        "seeds": len(stored.seeds),
        "cold_ratios": len(stored.cold_ratios),
        "models": len(stored.seeds) * len(stored.cold_ratios),
        "models_kept": kept,
    }
    if stored.run.stages:
        seconds = sum(report.seconds for *_, report in reports)
        facts["training_seconds"] = round(seconds, 1)
    return facts


def _reports(stored: StoredRatingRun, store: Store) -> list[tuple[float, int, str, FitReport]]:
    """Cold ratio, seed, stage, report."""
    return [
        (ratio, seed, stage, report)
        for ratio in stored.cold_ratios
        for seed in stored.seeds
        for stage, report in load_stage_reports(
            store, cold_folder(stored.folder, ratio), seed
        ).items()
    ]


def _stages_table(stored: StoredRatingRun, store: Store) -> str:
    """Markdown: which epoch each stage kept, and its error where it was chosen."""
    chosen_by = {stage.name: stage.select_by for stage in stored.run.stages}
    named = {"known": "RMSE, known users", "cold": "RMSE, cold users", "loss": "loss"}
    rows = [
        [
            f"{ratio:g}",
            str(seed),
            stage,
            f"{report.best_epoch + 1} of {len(report.curve)}",
            f"{-report.best_score:.4f}",
            named[chosen_by[stage]],
            f"{report.seconds:.1f}",
        ]
        for ratio, seed, stage, report in _reports(stored, store)
    ]
    header = ("cold ratio", "seed", "stage", "best epoch", "validation error", "of", "seconds")
    return markdown.table(header, rows)


def _lacking_table(lacking: list[dict[str, Fact]], stored: StoredRatingRun) -> str:
    """Markdown: who lacks features, by cold ratio."""
    header = ("", *(f"cold ratio {ratio:g}" for ratio in stored.cold_ratios))
    rows = [[name, *(str(facts[name]) for facts in lacking)] for name in lacking[0]]
    return markdown.table(header, rows)
