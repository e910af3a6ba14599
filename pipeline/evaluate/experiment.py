"""An experiment carried out: every variant trained, ranked, and tested against the reference.

Variants are compared as systems are (pipeline/evaluate/ranking.py): the same users, the saved
candidates of the pool "target", training seeds and candidate seeds averaged for each user. The
p-values are not corrected for the number of variants.

Letters: S training seeds, N users, K metrics.
"""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from torch import nn

from models.batch import ItemSpace
from pipeline.catalog import Scenario
from pipeline.columns import EXPERIMENT
from pipeline.evaluate.comparable import Ranking, read_rankings
from pipeline.evaluate.experiment_plots import chart
from pipeline.evaluate.ranking import METRICS, Negatives, rank_cases
from pipeline.evaluate.significance import Bootstrap, intervals, paired_p_values
from pipeline.outcome import Fact, Outcome
from pipeline.report import Report, labelled, silent
from pipeline.store import Store
from pipeline.train.cases import (
    ColdCases,
    item_space,
    load_cold_cases,
    negatives_of,
    saved_candidates,
)
from pipeline.train.experiments.definition import Experiment, Variant, located, variants_of
from pipeline.train.experiments.registry import experiment
from pipeline.train.systems import StoredRun, load_run, stored_system, train_run
from pipeline.train.weights import load_report

log = logging.getLogger(__name__)

_POOL = "target"
PARTS = ("valid", "test")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a variant takes."""

    train_seconds: float | None  # of one seed, in the mean; None: it only counts
    num_parameters: int


@dataclass(frozen=True, kw_only=True)
class _Exam:
    """What every variant is asked."""

    cases: ColdCases
    negatives: Negatives
    space: ItemSpace
    domains: tuple[str, ...]


def run_experiment(name: str, scenario: Scenario, store: Store, report: Report = silent) -> Outcome:
    """Train what is not trained yet, rank all, and write `experiments/<scenario>/<name>`.

    A variant that equals the system's own run is not trained again where that was. ValueError
    for an unknown experiment.
    """
    chosen = experiment(name)
    base = stored_system(chosen.system, scenario, store)
    variants = variants_of(chosen, base, scenario)
    exams = _exams(scenario, store)
    ranks: list[pa.Table] = []
    costs: dict[str, Cost] = {}
    num_kept = 0
    for number, variant in enumerate(variants, start=1):
        log.info("%s: variant %d of %d, %s", name, number, len(variants), variant.label)
        stored = located(variant, base, scenario, store)
        part = labelled(report, variant=f"{variant.label} ({number} of {len(variants)})")
        kept = train_run(stored, scenario, store, part).facts["seeds_kept"]
        assert isinstance(kept, int)
        num_kept += kept
        ranks += [_ranks(variant, stored, exam, scenario, store) for exam in exams]
        costs[variant.label] = _cost(stored, scenario, store)
    table = compare_variants(chosen, variants, pa.concat_tables(ranks), costs)
    artifact = store.write_table(f"experiments/{scenario.name}/{name}", EXPERIMENT, table)
    num_runs = sum(len(variant.stored.seeds) for variant in variants)
    return Outcome(
        artifact=artifact,
        facts={
            "variants": len(variants),
            "runs trained": num_runs - num_kept,
            "runs kept": num_kept,
            **_facts(table),
        },
        preview=_headline(table),
        plots={"validation NDCG@10": chart(table, chosen.axis, ("valid",))},
    )


def compare_variants(
    chosen: Experiment,
    variants: tuple[Variant, ...],
    ranks: pa.Table,
    costs: dict[str, Cost],
    bootstrap: Bootstrap | None = None,
) -> pa.Table:
    """Variants x parts x target domains x metrics, schema EXPERIMENT, variants in their order.

    `ranks` is of schema RANKS, its systems are the variants' labels. ValueError where variants
    were ranked on different users or candidates.
    """
    reference = next(variant.label for variant in variants if variant.reference)
    rows: list[dict[str, Any]] = []
    for part in PARTS:
        own = ranks.filter(pc.equal(ranks["part"], part))
        for domain in pc.unique(own["target_domain"]).to_pylist():
            rankings = {one.system: one for one in read_rankings(own, domain, _POOL)}
            place = {"part": part, "target_domain": domain}
            for ranking in rankings.values():
                figures = _figures(ranking, rankings[reference], bootstrap or Bootstrap())
                rows += [place | row for row in figures]
    for row in rows:
        cost = costs[row["variant"]]
        row["experiment"] = chosen.name
        row["train_seconds"], row["num_parameters"] = cost.train_seconds, cost.num_parameters
    labels = [variant.label for variant in variants]
    rows.sort(key=lambda row: labels.index(row["variant"]))
    return pa.Table.from_pylist(rows, schema=EXPERIMENT)


def _figures(ranking: Ranking, reference: Ranking, bootstrap: Bootstrap) -> list[dict[str, Any]]:
    """A variant's rows of one part and domain, one for each metric."""
    same = ranking.system == reference.system
    seed_means_SK = np.stack([ranking.metric_SN(name).mean(axis=1) for name in METRICS], axis=1)
    value_NK, reference_NK = _by_user(ranking), _by_user(reference)
    low_K, high_K = intervals(value_NK, bootstrap)
    p_K = paired_p_values(value_NK - reference_NK, bootstrap)
    delta_K = (value_NK - reference_NK).mean(axis=0)
    num_seeds = len(seed_means_SK)
    return [
        {
            "variant": ranking.system,
            "reference": same,
            "metric": metric,
            "mean": float(value_NK[:, k].mean()),
            "seed_std": float(seed_means_SK[:, k].std(ddof=1)) if num_seeds > 1 else None,
            "low": float(low_K[k]),
            "high": float(high_K[k]),
            "delta": None if same else float(delta_K[k]),
            "p_value": None if same else float(p_K[k]),
            "num_users": len(ranking.user_N),
            "num_seeds": num_seeds,
        }
        for k, metric in enumerate(METRICS)
    ]


def _by_user(ranking: Ranking) -> np.ndarray:
    """Each metric of each user [N, K], averaged over training seeds."""
    return np.stack([ranking.metric_SN(name).mean(axis=0) for name in METRICS], axis=1)


def _exams(scenario: Scenario, store: Store) -> list[_Exam]:
    candidates, seeds = saved_candidates(store, scenario), scenario.candidates.seeds
    return [
        _Exam(
            cases=cases,
            negatives=negatives_of(candidates, scenario, cases, (_POOL,), seeds),
            space=item_space(store, scenario),
            domains=scenario.domains,
        )
        for cases in (load_cold_cases(store, scenario, part) for part in PARTS)
    ]


def _ranks(
    variant: Variant, stored: StoredRun, exam: _Exam, scenario: Scenario, store: Store
) -> pa.Table:
    """Ranks of every seed in the pool "target", under the variant's label."""
    table = pa.concat_tables(
        rank_cases(
            load_run(stored, scenario, store, seed),
            exam.cases,
            exam.negatives,
            exam.space,
            system=variant.label,
            train_seed=seed,
            domains=exam.domains,
        )
        for seed in stored.seeds
    )
    return table.filter(pc.equal(table["pool"], _POOL))


def _cost(stored: StoredRun, scenario: Scenario, store: Store) -> Cost:
    reports = [load_report(store, stored.folder, seed) for seed in stored.seeds]
    seconds = [report.seconds for report in reports if report is not None]
    model = load_run(stored, scenario, store, stored.seeds[0])
    assert isinstance(model, nn.Module)
    trainable = [one.numel() for one in model.parameters() if one.requires_grad]
    return Cost(
        train_seconds=sum(seconds) / len(seconds) if seconds else None,
        num_parameters=sum(trainable),
    )


def _headline(table: pa.Table) -> pa.Table:
    """Validation NDCG@10, which choices are made by."""
    wanted = pc.and_(pc.equal(table["part"], "valid"), pc.equal(table["metric"], "NDCG@10"))
    columns = ["variant", "target_domain", "mean", "seed_std", "low", "high", "delta", "p_value"]
    return table.filter(wanted).select(columns)


def _facts(table: pa.Table) -> dict[str, Fact]:
    """The best variant of each domain on validation users."""
    best: dict[str, dict[str, Any]] = {}
    for row in _headline(table).to_pylist():
        domain = row["target_domain"]
        if domain not in best or row["mean"] > best[domain]["mean"]:
            best[domain] = row
    return {
        f"{domain}: best validation NDCG@10": f"{row['variant']}: {row['mean']:.4f}"
        for domain, row in best.items()
    }
