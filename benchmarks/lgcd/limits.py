"""What limits a cold user's recommendations: ensembles, and targets that no system can know.

    python -m benchmarks.lgcd.limits --data data --systems lgcd_plus sasrec tricdr gru4rec

Every system is taken with all its training seeds. An ensemble adds up log probabilities within
the target domain; which systems it holds and how often is chosen greedily, with replacement, on
validation users (Caruana et al. 2004). Test users are looked at once, at the end.

Letters: N users, C candidate seeds, M candidates (the label first), V items + 1.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.batch import ItemSpace
from pipeline.catalog import Scenario, load_catalog
from pipeline.evaluate.ranking import METRICS, target_scores
from pipeline.store import Store
from pipeline.train.batches import load_training_sequences
from pipeline.train.cases import (
    ColdCases,
    item_space,
    load_cold_cases,
    negatives_of,
    saved_candidates,
)
from pipeline.train.systems import load_system, seeds_of

ROUNDS = 12


@dataclass(frozen=True, kw_only=True)
class Exam:
    """The users of one part, and what each ranks."""

    cases: ColdCases
    candidate_NCM: Tensor  # the label first; 0 where there is none

    def metrics(self, score_NCM: Tensor) -> dict[str, Tensor]:
        """Each metric of each user [N], over candidate seeds; ties count half."""
        rival_NCM = self.candidate_NCM[..., 1:] != 0
        label_NC1, other_NCM = score_NCM[..., :1], score_NCM[..., 1:]
        higher_NC = ((other_NCM > label_NC1) & rival_NCM).sum(2)
        tied_NC = ((other_NCM == label_NC1) & rival_NCM).sum(2)
        rank_NC = 1 + higher_NC + tied_NC / 2
        return {name: metric(rank_NC).mean(1) for name, metric in METRICS.items()}

    def means(self, score_NCM: Tensor) -> np.ndarray:
        """Metrics by target domain, [domains, metrics]."""
        found = torch.stack(list(self.metrics(score_NCM).values()), dim=1)
        domains = self.cases.query.domain_B
        return torch.stack([found[domains == d].mean(0) for d in domains.unique()]).numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--scenario", default="food-kitchen")
    parser.add_argument("--systems", nargs="+", required=True)
    options = parser.parse_args()
    scenario = load_catalog(options.data / "catalog.toml").scenarios[options.scenario]
    store = Store(options.data / "store")
    exams = {part: _exam(part, scenario, store) for part in ("valid", "test")}
    members = _members(options.systems, exams, scenario, store)
    _print_ensembles(members, exams, scenario)
    _print_unreachable(members, exams["test"], scenario, store)


def _exam(part: str, scenario: Scenario, store: Store) -> Exam:
    cases = load_cold_cases(store, scenario, part)
    candidates = saved_candidates(store, scenario)
    negatives = negatives_of(candidates, scenario, cases, ("target",), scenario.candidates.seeds)
    label_NC1 = cases.label_N[:, None, None].expand(-1, len(negatives), 1)
    widest = max(own.shape[1] for own in negatives.values())
    padded = [
        torch.nn.functional.pad(own.long(), (0, widest - own.shape[1]))
        for own in negatives.values()
    ]
    return Exam(
        cases=cases, candidate_NCM=torch.cat([label_NC1, torch.stack(padded, dim=1)], dim=2)
    )


Members = dict[tuple[str, int], dict[str, Tensor]]
"""Log probabilities of the candidates [N, C, M], by system and seed, then by part."""


def _members(
    systems: Sequence[str], exams: dict[str, Exam], scenario: Scenario, store: Store
) -> Members:
    space = item_space(store, scenario)
    return {
        (system, seed): {
            part: _log_probabilities(system, seed, exam, space, scenario, store)
            for part, exam in exams.items()
        }
        for system in systems
        for seed in seeds_of(system, scenario, store)
    }


def _log_probabilities(
    system: str, seed: int, exam: Exam, space: ItemSpace, scenario: Scenario, store: Store
) -> Tensor:
    model = load_system(system, scenario, store, seed)
    log_NCM = torch.empty(exam.candidate_NCM.shape)
    for some in target_scores(model, exam.cases, space):
        log_BC = some.scores_BC.log_softmax(dim=1)
        column_BCM = (exam.candidate_NCM[some.row_B] - space.ids(some.domain).start).clamp_min(0)
        found_BM = log_BC.gather(1, column_BCM.flatten(1))
        log_NCM[some.row_B] = found_BM.view(column_BCM.shape)
    return log_NCM


def _print_ensembles(members: Members, exams: dict[str, Exam], scenario: Scenario) -> None:
    names = list(METRICS)
    cells = [f"{domain} {name}" for domain in scenario.domains for name in names]
    print("| what | validation NDCG@10 | " + " | ".join(cells) + " |")
    print("|---|---:|" + "---:|" * len(cells))
    ours = [key for key in members if key[0] == "lgcd_plus"]
    groups = {f"{system}, seed {seed} alone": [(system, seed)] for system, seed in members}
    if len(ours) > 1:
        groups[f"lgcd_plus, its {len(ours)} seeds together"] = ours
    groups["chosen greedily from all of these"] = _greedy(members, exams["valid"])
    for label, chosen in groups.items():
        valid, test = (
            exams[part].means(_together(members, chosen, part)) for part in ("valid", "test")
        )
        figures = " | ".join(f"{value:.4f}" for value in test.flatten())
        print(f"| {label} | {valid[:, names.index('NDCG@10')].mean():.4f} | {figures} |")
    counts = {key: groups["chosen greedily from all of these"].count(key) for key in members}
    held = ", ".join(f"{s} {seed} x {n}" for (s, seed), n in counts.items() if n)
    print(f"\nChosen greedily: {held}.\n")


def _greedy(members: Members, exam: Exam) -> list[tuple[str, int]]:
    place = list(METRICS).index("NDCG@10")
    chosen: list[tuple[str, int]] = []
    total, best = torch.zeros_like(exam.candidate_NCM, dtype=torch.float32), 0.0
    for _ in range(ROUNDS):
        scores = {
            key: exam.means(total + own["valid"])[:, place].mean() for key, own in members.items()
        }
        key = max(scores, key=lambda one: scores[one])
        if scores[key] <= best:
            break
        chosen.append(key)
        best, total = scores[key], total + members[key]["valid"]
    return chosen


def _together(members: Members, chosen: list[tuple[str, int]], part: str) -> Tensor:
    return torch.stack([members[key][part] for key in chosen]).sum(0)


def _print_unreachable(members: Members, exam: Exam, scenario: Scenario, store: Store) -> None:
    """How often targets were seen in training, and what the best of all systems would find."""
    sequences = load_training_sequences(store, scenario, ("single", "overlap"))
    num_columns = item_space(store, scenario).num_items + 1
    count_N = torch.from_numpy(np.bincount(sequences.flat, minlength=num_columns))
    count_N = count_N[exam.cases.label_N]
    hits = torch.stack([exam.metrics(own["test"])["HR@10"] for own in members.values()])
    ours = torch.stack(
        [
            exam.metrics(own["test"])["HR@10"]
            for key, own in members.items()
            if key[0] == "lgcd_plus"
        ]
    ).mean(0)
    any_N = hits.max(dim=0).values
    print(
        "| target domain | target's count in training | users | HR@10 of lgcd_plus |"
        " found by any of these |"
    )
    print("|---|---|---:|---:|---:|")
    bounds = [0, 1, 3, 6, 11, 21, 51, 10**9]
    for d, domain in enumerate(scenario.domains):
        own_N = exam.cases.query.domain_B == d
        for low, high in pairwise(bounds):
            here = own_N & (count_N >= low) & (count_N < high)
            if here.any():
                label = f"{low}" if high == low + 1 else f"{low} to {high - 1}"
                label = f"{low} and more" if high == 10**9 else label
                print(
                    f"| {domain} | {label} | {int(here.sum())} | {float(ours[here].mean()):.3f} |"
                    f" {float(any_N[here].mean()):.3f} |"
                )
        print(
            f"| {domain} | all | {int(own_N.sum())} | {float(ours[own_N].mean()):.3f} |"
            f" {float(any_N[own_N].mean()):.3f} |"
        )


if __name__ == "__main__":
    main()
