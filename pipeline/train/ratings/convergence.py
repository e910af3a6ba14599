"""The judgments of pipeline/train/convergence.py on rating systems: by cold ratio and stage."""

import json

from pipeline.catalog import Scenario
from pipeline.finding import Finding
from pipeline.store import Store
from pipeline.train.convergence import Fitted, judge_agreement, judge_convergence
from pipeline.train.ratings.reports import load_stage_reports
from pipeline.train.ratings.stored import cold_folder
from pipeline.train.ratings.systems import stored_rating_system


def rating_system_converged(system: str, scenario: Scenario, store: Store) -> Finding:
    return judge_convergence(_fits(system, scenario, store))


def rating_seeds_agree(system: str, scenario: Scenario, store: Store) -> Finding:
    """By the last stage, whose weights are those that predict."""
    return judge_agreement(_fits(system, scenario, store, last_only=True))


def _fits(system: str, scenario: Scenario, store: Store, last_only: bool = False) -> list[Fitted]:
    stored = stored_rating_system(system, scenario)
    fits = []
    for ratio in stored.cold_ratios:
        folder = cold_folder(stored.folder, ratio)
        for seed in stored.seeds:
            allowed = _max_epochs(store, f"{folder}/seed-{seed}")
            reports = list(load_stage_reports(store, folder, seed).items())
            for stage, report in reports[-1:] if last_only else reports:
                fits.append(
                    Fitted(
                        group=f"cold ratio {ratio:g}, stage {stage},",
                        seed=seed,
                        best_epoch=report.best_epoch + 1,
                        max_epochs=allowed[stage],
                        best_score=report.best_score,
                    )
                )
    return fits


def _max_epochs(store: Store, key: str) -> dict[str, int]:
    """By stage."""
    (run,) = json.loads(store.tensor_metadata(key)["parameters"]).values()
    return {stage["name"]: stage["loop"]["max_epochs"] for stage in run["stages"]}
