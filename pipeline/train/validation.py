"""The score that training selects by: NDCG@10 on validation users, target-domain negatives.

The mean over target domains of candidate seed 0, so that neither domain decides alone.
LLMCDSR keeps one best checkpoint for each target domain by HR@10; one checkpoint by NDCG@10
is one model to ship, and the finer metric moves less from epoch to epoch.
"""

from collections.abc import Callable

import torch

from models.batch import Query
from models.metrics import candidate_ranks, ndcg
from models.recommender import Counter, Recommender
from pipeline.catalog import Scenario
from pipeline.store import Store
from pipeline.train.cases import load_cold_cases, negatives_of, saved_candidates

_BATCH = 256


def validator(
    store: Store, scenario: Scenario, model: Recommender | Counter, device: torch.device
) -> Callable[[], float]:
    """A function that scores the model as it stands."""
    cases = load_cold_cases(store, scenario, "valid")
    seed = scenario.candidates.seeds[0]
    candidates = saved_candidates(store, scenario)
    found = negatives_of(candidates, scenario, cases, ("target",), (seed,))
    negatives_NM = found["target", seed].long()

    def score() -> float:
        ranks = []
        for rows in cases.batches(_BATCH):
            query = Query(*(part[rows].to(device) for part in cases.query))
            scores_BV = model.score(query)
            labels_B, negatives_BM = cases.label_N[rows], negatives_NM[rows]
            ranks.append(
                candidate_ranks(scores_BV, labels_B.to(device), negatives_BM.to(device)).cpu()
            )
        gain_N = ndcg(torch.cat(ranks), 10)
        domains = cases.query.domain_B.unique()
        means = [gain_N[cases.query.domain_B == domain].mean() for domain in domains]
        return float(torch.stack(means).mean())

    return score
