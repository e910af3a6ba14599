"""Trained systems of a scenario, ranked, compared and put to use."""

import time

import pyarrow as pa
import pyarrow.compute as pc
import torch

from pipeline.catalog import Scenario
from pipeline.columns import POOLS, RANKS
from pipeline.evaluate.cost import measure_scoring, save_scoring
from pipeline.evaluate.gather import gather_background
from pipeline.evaluate.leaderboard import write_leaderboard
from pipeline.evaluate.ranking import METRICS, rank_cases
from pipeline.evaluate.recommend import write_recommendations
from pipeline.outcome import Fact, Outcome
from pipeline.report import PROGRESS, Report, silent
from pipeline.store import Store
from pipeline.train.cases import item_space, load_cold_cases, negatives_of, saved_candidates
from pipeline.train.systems import load_system, seeds_of, weights_folder
from pipeline.train.weights import load_report


def score_system(system: str, scenario: Scenario, store: Store, report: Report = silent) -> Outcome:
    """Rank validation and test users with every seed; write `scores/<scenario>/<system>`.

    Beside the ranks, and outside their digest, lies what scoring costs (pipeline/evaluate/cost.py).
    """
    key = f"scores/{scenario.name}/{system}"
    space = item_space(store, scenario)
    cases_of = {part: load_cold_cases(store, scenario, part) for part in ("valid", "test")}
    seeds = seeds_of(system, scenario, store)
    total = len(seeds) * sum(len(cases.label_N) for cases in cases_of.values())
    candidates = saved_candidates(store, scenario)
    tables: list[pa.Table] = []
    done, started = 0, time.perf_counter()
    for part, cases in cases_of.items():
        negatives = negatives_of(candidates, scenario, cases, POOLS, scenario.candidates.seeds)
        for seed in seeds:
            model = load_system(system, scenario, store, seed)
            tables.append(
                rank_cases(
                    model,
                    cases,
                    negatives,
                    space,
                    system=system,
                    train_seed=seed,
                    domains=scenario.domains,
                )
            )
            done += len(cases.label_N)
            rate = done / (time.perf_counter() - started)
            report(PROGRESS, _progress(f"{part}, seed {seed}", done, total, rate))
    scoring = measure_scoring(model, cases, space)  # the last seed on the test users
    save_scoring(store, key, scoring)
    table = pa.concat_tables(tables)
    return Outcome(
        artifact=store.write_table(key, RANKS, table),
        facts={
            **_facts(table, scenario),
            "trained numbers": scoring.num_trained,
            "seconds to score the test users": round(scoring.seconds, 2),
        },
    )


def _progress(ranked: str, done: int, total: int, rate: float) -> dict[str, Fact]:
    return {
        "ranked": ranked,
        "users_done": done,  # each once for every seed
        "users": total,
        "users_per_second": round(rate, 1),
        "seconds_to_go": round((total - done) / rate, 1),
    }


def recommend_with(system: str, scenario: Scenario, store: Store) -> Outcome:
    """Recommend to every test user with the seed that did best on validation users."""
    seeds = seeds_of(system, scenario, store)
    reports = {seed: load_report(store, weights_folder(system, scenario), seed) for seed in seeds}
    best = max(seeds, key=lambda seed: getattr(reports[seed], "best_score", 0.0))
    model = load_system(system, scenario, store, best)
    cases = load_cold_cases(store, scenario, "test")
    return write_recommendations(store, scenario, system, model, cases)


def compare_systems(scenario: Scenario, store: Store) -> Outcome:
    """The leaderboard of all systems, with what they cost and what they were made from."""
    background = gather_background(scenario, store)
    return write_leaderboard(store, scenario, scenario.systems, background=background)


def _facts(table: pa.Table, scenario: Scenario) -> dict[str, Fact]:
    """Validation figures only, so that nobody tunes by what the UI shows of a run."""
    valid = table.filter(
        pc.and_(pc.equal(table["part"], "valid"), pc.equal(table["pool"], "target"))
    )
    facts: dict[str, Fact] = {}
    for domain in scenario.domains:
        own = valid.filter(pc.equal(valid["target_domain"], domain))
        ranks = torch.from_numpy(own["rank"].to_numpy().copy())
        for name in ("HR@10", "NDCG@10"):
            facts[f"{domain}: validation {name}"] = round(float(METRICS[name](ranks).mean()), 4)
    return facts
