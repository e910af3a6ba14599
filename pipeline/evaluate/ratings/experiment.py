"""A rating experiment carried out: every variant trained, asked, and tested against the reference.

Variants are compared as systems are (pipeline/evaluate/ratings/errors.py): the same ratings,
users resampled, training seeds averaged. The p-values are not corrected for the number of
variants.

Letters: K variants.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from torch import nn

from pipeline.catalog import Scenario
from pipeline.catalog.rating_systems import FEATURE_EXPERIMENTS
from pipeline.columns import RATING_EXPERIMENT
from pipeline.evaluate.ratings.comparable import Predicted, cold_ratios, read_predicted
from pipeline.evaluate.ratings.errors import (
    METRICS,
    intervals,
    p_values,
    resampled_errors,
    seed_errors,
)
from pipeline.evaluate.ratings.experiment_plots import experiment_chart
from pipeline.evaluate.ratings.predictions import predictions_of
from pipeline.evaluate.ratings.source_costs import save_source_costs
from pipeline.evaluate.significance import Bootstrap
from pipeline.outcome import Outcome
from pipeline.report import Report, labelled, silent
from pipeline.store import Store
from pipeline.train.ratings.experiments import (
    RatingVariant,
    located_rating,
    rating_experiment,
    rating_variants,
)
from pipeline.train.ratings.reports import load_stage_reports
from pipeline.train.ratings.stored import StoredRatingRun, cold_folder
from pipeline.train.ratings.systems import load_rating_run, stored_rating_system, train_rating_run

log = logging.getLogger(__name__)

PARTS = ("valid", "test")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a variant takes."""

    train_seconds: float  # of one seed and cold ratio, in the mean
    num_parameters: int


def run_rating_experiment(
    name: str,
    scenario: Scenario,
    store: Store,
    rating_range: tuple[float, float],
    data: Path,
    report: Report = silent,
) -> Outcome:
    """Train what is not trained yet, ask all, and write `experiments/<scenario>/<name>`.

    Predictions are clamped to `rating_range`; below `data` lie the models whose features are
    compared. ValueError for an unknown experiment.
    """
    chosen = rating_experiment(name)
    base = stored_rating_system(chosen.system, scenario)
    variants = rating_variants(chosen, base, scenario)
    tables: list[pa.Table] = []
    costs: dict[str, Cost] = {}
    num_kept = 0
    for number, variant in enumerate(variants, start=1):
        log.info("%s: variant %d of %d, %s", name, number, len(variants), variant.label)
        stored = located_rating(variant, base, scenario, store)
        part = labelled(report, variant=f"{variant.label} ({number} of {len(variants)})")
        kept = train_rating_run(stored, scenario, store, part).facts["models_kept"]
        assert isinstance(kept, int)
        num_kept += kept
        tables.append(predictions_of(variant.label, stored, scenario, store, rating_range))
        costs[variant.label] = _cost(stored, scenario, store)
    table = compare_rating_variants(name, variants, pa.concat_tables(tables), costs)
    key = f"experiments/{scenario.name}/{name}"
    if name in FEATURE_EXPERIMENTS:
        reference = next(variant.label for variant in variants if variant.reference)
        save_source_costs(key, reference, scenario, store, data)
    num_models = sum(len(v.stored.seeds) * len(v.stored.cold_ratios) for v in variants)
    return Outcome(
        artifact=store.write_table(key, RATING_EXPERIMENT, table),
        facts={
            "variants": len(variants),
            "models trained": num_models - num_kept,
            "models kept": num_kept,
        },
        preview=table.slice(0, 12),
        plots={"validation RMSE": experiment_chart(table, chosen.axis, ("valid",))},
    )


def compare_rating_variants(
    name: str,
    variants: Sequence[RatingVariant],
    predictions: pa.Table,
    costs: dict[str, Cost],
    bootstrap: Bootstrap | None = None,
) -> pa.Table:
    """Variants x parts x cold ratios x metrics, schema RATING_EXPERIMENT, variants in their order.

    `predictions` is of schema RATING_PREDICTIONS; its systems are the variants' labels.
    ValueError where variants predicted different ratings.
    """
    labels = [variant.label for variant in variants]
    reference = next(variant.label for variant in variants if variant.reference)
    rows: list[dict[str, Any]] = []
    for part in PARTS:
        for ratio in cold_ratios(predictions):
            predicted = read_predicted(predictions, ratio, part)
            place = {"experiment": name, "part": part, "cold_ratio": ratio}
            for metric in METRICS:
                figures = _figures(predicted, reference, metric, bootstrap or Bootstrap())
                rows += [place | row | vars(costs[row["variant"]]) for row in figures]
    rows.sort(key=lambda row: labels.index(row["variant"]))
    return pa.Table.from_pylist(rows, schema=RATING_EXPERIMENT)


def _figures(
    variants: Sequence[Predicted], reference: str, metric: str, bootstrap: Bootstrap
) -> list[dict[str, Any]]:
    """One row for each variant, of one part, cold ratio and metric."""
    resampled = resampled_errors(variants, metric, bootstrap)
    low_K, high_K = intervals(resampled, bootstrap)
    names = [predicted.system for predicted in variants]
    difference = resampled.less(names.index(reference))
    p_K = p_values(difference)
    rows = []
    for k, predicted in enumerate(variants):
        error_S, same = seed_errors(predicted, metric), predicted.system == reference
        rows.append(
            {
                "variant": predicted.system,
                "reference": same,
                "metric": metric,
                "mean": float(resampled.error_K[k]),
                "seed_std": float(error_S.std(ddof=1)) if len(error_S) > 1 else None,
                "low": float(low_K[k]),
                "high": float(high_K[k]),
                "delta": None if same else float(difference.error_K[k]),
                "p_value": None if same else float(p_K[k]),
                "num_users": len(set(predicted.user_N.tolist())),
                "num_ratings": len(predicted.rating_N),
                "num_seeds": len(error_S),
            }
        )
    return rows


def _cost(stored: StoredRatingRun, scenario: Scenario, store: Store) -> Cost:
    seconds = [
        sum(report.seconds for report in reports.values())
        for ratio in stored.cold_ratios
        for seed in stored.seeds
        if (reports := load_stage_reports(store, cold_folder(stored.folder, ratio), seed))
    ]
    model = load_rating_run(stored, scenario, store, stored.cold_ratios[0], stored.seeds[0])
    assert isinstance(model, nn.Module)
    return Cost(
        train_seconds=sum(seconds) / len(seconds),
        num_parameters=sum(one.numel() for one in model.parameters()),
    )
