"""How figures came about, in sentences, and what scorers that know nothing would get."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from pipeline.catalog.system_names import shown
from pipeline.evaluate.comparable import read_rankings
from pipeline.evaluate.ranking import METRICS, RANKED_POOLS


def chance(num_candidates: np.ndarray) -> dict[str, float]:
    """What random order is expected to reach, by metric, for any array of candidate counts."""
    rank = np.arange(1, 11)
    # Each place is equally likely; a place beyond the last candidate does not exist.
    share = (rank[:, None] <= num_candidates.reshape(1, -1)) / num_candidates.reshape(1, -1)
    gain: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "HR": np.ones_like,
        "NDCG": lambda place: 1 / np.log2(place + 1),
    }
    expected = {}
    for metric in METRICS:
        name, k = metric.split("@")
        weight = gain[name](rank.astype(float)) * (rank <= int(k))
        expected[metric] = float((weight @ share).mean())
    return expected


def constant(num_candidates: np.ndarray) -> dict[str, float]:
    """What equal scores for all items reach, by metric: every label lands in the middle.

    Nothing where 20 candidates or more compete, less than chance; where fewer do, the middle is
    among the first ten and equal scores reach more than chance.
    """
    rank_N = torch.from_numpy(1 + (num_candidates.reshape(-1) - 1) / 2)
    return {name: float(metric(rank_N).mean()) for name, metric in METRICS.items()}


def candidate_counts(ranks: pa.Table, domain: str, pool: str) -> np.ndarray:
    """How many candidates competed, the label included, [candidate seeds, users]."""
    return read_rankings(ranks, domain, pool)[0].num_candidates_CN


def protocol(leaderboard: pa.Table, ranks: pa.Table) -> tuple[str, ...]:
    """Sentences for the report; `ranks` are those of the test users."""
    seeds = {row["system"]: row["num_seeds"] for row in leaderboard.to_pylist()}
    trained = ", ".join(f"{shown(system)} {count}" for system, count in seeds.items())
    popularity = (
        "Popularity is always among the systems: a figure below it has learned nothing."
        if "popularity" in seeds
        else "Popularity is missing from the scenario's systems; without it no figure has a floor."
    )
    domains = pc.unique(leaderboard["target_domain"]).to_pylist()
    return (
        "Each test user's history holds items of the other domain alone; one held-out item of the"
        " target domain is to be found among the candidates.",
        *(sentence for domain in domains for sentence in _candidate_sentences(ranks, domain)),
        "Every system is told the target domain, and scores of other domains' items are ignored"
        " for all systems alike. Of negatives from all domains only those of the target domain"
        " compete, so that pool is easier than the primary one.",
        "Negatives were drawn once for each seed, saved, and shared by all systems; the held-out"
        " item is never among its own negatives.",
        "Ties count half: rank = 1 + better + equal / 2. Equal scores for all items land in the"
        " middle of the candidates: of 20 or more they hit nothing, which is less than chance; of"
        " fewer they may hit more than chance does. Were ties broken at random, they would reach"
        " chance.",
        *(_constant_sentence(ranks, domain) for domain in domains),
        "HR@k is the share of users whose item ranks k or better; NDCG@k is 1 / log2(rank + 1)"
        " there, else 0. Both are averaged over users, candidate seeds and training seeds.",
        "Intervals: 95 % bootstrap over users. After the sign \u00b1: sample standard deviation"
        f" over training seeds. Training seeds: {trained}; a system with one seed is"
        " deterministic or was trained once.",
        "p: two-sided paired bootstrap over users against the baseline to beat of the same target"
        " domain, not corrected for the number of systems; it knows nothing of the spread over"
        " training seeds. That baseline is the one with the highest NDCG@10 on validation users;"
        " the test users choose nothing.",
        "Random order, expected: what a shuffle of the same candidates reaches in the mean.",
        popularity,
    )


def _candidate_sentences(ranks: pa.Table, domain: str) -> list[str]:
    told = []
    for pool in RANKED_POOLS:
        ranking = read_rankings(ranks, domain, pool)[0]
        seeds = " ".join(str(seed) for seed in ranking.candidate_seed_C)
        of_seeds = "" if pool == "full" else f", seeds {seeds}"
        told.append(f"{_range(ranking.num_candidates_CN)} (pool {pool}{of_seeds})")
    sentences = [
        f"Candidates that compete in {domain}, the held-out item included: {', '.join(told)}."
    ]
    full_CN = candidate_counts(ranks, domain, "full")
    if (candidate_counts(ranks, domain, "target") == full_CN).all():
        sentences.append(
            f"{domain} has {full_CN.max()} items, no more than a pool may hold: all of them are"
            " ranked, in the pool target as in the pool full."
        )
    return sentences


def _range(counts: np.ndarray) -> str:
    low, high = counts.min(), counts.max()
    return f"{low}" if low == high else f"{np.median(counts):.0f} in the median, {low} to {high}"


def _constant_sentence(ranks: pa.Table, domain: str) -> str:
    told = []
    for pool in RANKED_POOLS:
        counts = candidate_counts(ranks, domain, pool)
        reached, expected = constant(counts)["HR@10"], chance(counts)["HR@10"]
        told.append(f"{reached:.4f} where chance gives {expected:.4f} (pool {pool})")
    return f"Equal scores for all items of {domain} get HR@10 {', '.join(told)}."
