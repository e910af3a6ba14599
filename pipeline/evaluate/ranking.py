"""Ranks: where each cold user's held-out item lands among the candidates.

Protocol, the same for every system:

- A system is told the target domain. Whatever it says of other domains' items becomes -inf
  here, so in the pool "all" (negatives from every domain) only the negatives of the target
  domain compete. That pool is therefore the easier one; a system that knows which domain it
  recommends from can do no other. "target" (negatives of the target domain) is primary, and
  "full" ranks every item of the target domain.
- A tie counts half: rank = 1 + number better + half the number equal. A scorer that gives
  every candidate the same score lands in the middle and hits nothing.
- Each user is scored once; all pools and seeds are ranked from the same scores.

Letters: B batch, N users, M negatives, D domains, V item ids (column 0 is padding).
"""

from collections.abc import Callable, Iterator
from functools import partial

import pyarrow as pa
import torch
from torch import Tensor

from models.batch import ItemSpace, Query
from models.metrics import candidate_ranks, full_ranks, hit_rate, ndcg
from models.recommender import Counter, Recommender
from pipeline.columns import POOLS, RANKS
from pipeline.train.cases import ColdCases

_CACHED_SCORES = 1_000_000  # 4 MB

Scorer = Recommender | Counter

Negatives = dict[tuple[str, int], Tensor]
"""Item ids [N, M], padded with 0, by pool and candidate seed."""

FULL = "full"
RANKED_POOLS = (*POOLS, FULL)

METRICS: dict[str, Callable[[Tensor], Tensor]] = {
    "HR@5": partial(hit_rate, k=5),
    "HR@10": partial(hit_rate, k=10),
    "NDCG@5": partial(ndcg, k=5),
    "NDCG@10": partial(ndcg, k=10),
}
"""Ranks [N] to each user's metric [N], 0..1; with one relevant item NDCG is 1/log2(rank + 1)."""


def rank_cases(
    model: Scorer,
    cases: ColdCases,
    negatives: Negatives,
    space: ItemSpace,
    *,
    system: str,
    train_seed: int,
    domains: tuple[str, ...],
    batch_size: int = 256,
    device: torch.device | str = "cpu",
) -> pa.Table:
    """Rank every user in every pool and in the full target domain; a table of schema RANKS.

    `domains` names the domains in the order of `space`. `num_candidates` counts the label and
    the negatives that compete with it. The model must be on `device`; it is left in eval mode.

    Raises ValueError where negatives do not fit the cases or hold a user's own label, and where
    a score of the target domain is not finite.
    """
    _check_negatives(cases, negatives)
    ranks: dict[tuple[str, int], list[Tensor]] = {key: [] for key in [*negatives, (FULL, 0)]}
    rivals: dict[tuple[str, int], list[Tensor]] = {key: [] for key in ranks}
    for rows, scores_BV in target_scores(model, cases, space, batch_size=batch_size, device=device):
        for part, own_BV in _small_parts(rows, scores_BV):
            label_B = cases.label_N[part].to(own_BV.device)
            # -inf marks what cannot compete, so live columns are those of the target domain.
            live_BV = own_BV > -torch.inf
            for key, negatives_NM in negatives.items():
                negatives_BM = negatives_NM[part].to(own_BV.device)
                ranks[key].append(candidate_ranks(own_BV, label_B, negatives_BM).cpu())
                rivals[key].append(live_BV.gather(1, negatives_BM).sum(1).cpu())
            everything = slice(1, own_BV.shape[1])
            ranks[FULL, 0].append(full_ranks(own_BV, label_B, everything).cpu())
            rivals[FULL, 0].append(live_BV.sum(1).cpu() - 1)
    return pa.concat_tables(
        _table(cases, system, train_seed, key, domains, torch.cat(ranks[key]), torch.cat(counts))
        for key, counts in rivals.items()
    )


def _small_parts(rows: slice, scores_BV: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """The same users a few at a time, so that a CPU's cache holds what is read again and again."""
    size = max(len(scores_BV), 1)
    if scores_BV.device.type == "cpu":
        size = min(size, _CACHED_SCORES // scores_BV.shape[1] + 1)
    for first in range(0, len(scores_BV), size):
        part_BV = scores_BV[first : first + size]
        yield slice(rows.start + first, rows.start + first + len(part_BV)), part_BV


def target_scores(
    model: Scorer,
    cases: ColdCases,
    space: ItemSpace,
    *,
    batch_size: int = 256,
    device: torch.device | str = "cpu",
) -> Iterator[tuple[slice, Tensor]]:
    """Batches of users with their scores [B, V]: -inf outside the target domain, finite inside.

    Raises ValueError naming the first user whose label lies outside the target domain, or for
    whom the model returns a score that is not finite.
    """
    outside_DV = _outside(space).to(device)
    if isinstance(model, torch.nn.Module):
        model.eval()
    for rows in cases.batches(batch_size):
        domain_B = cases.query.domain_B[rows].to(device)
        query = Query(history_BL=cases.query.history_BL[rows].to(device), domain_B=domain_B)
        with torch.inference_mode():
            raw_BV = model.score(query)
        outside_BV = outside_DV[domain_B]
        where = f"{cases.part} user"
        unlike_B = outside_BV.gather(1, cases.label_N[rows].to(device)[:, None])[:, 0]
        _reject(unlike_B, cases.user_N[rows], where, "the label is no item of the target domain")
        scores_BV = raw_BV.masked_fill(outside_BV, 0)
        broken_B = ~scores_BV.sum(dim=1).isfinite()
        if broken_B.any():  # a sum of finite numbers may overflow
            broken_B = ~scores_BV.isfinite().all(dim=1)
        remedy = f"{type(model).__name__} gives scores that are not finite; train it again"
        _reject(broken_B, cases.user_N[rows], where, remedy)
        yield rows, scores_BV.masked_fill_(outside_BV, -torch.inf)


def _outside(space: ItemSpace) -> Tensor:
    """Which ids do not belong to a domain, bool [D, V]; padding belongs to none."""
    outside_DV = torch.ones(len(space.sizes), space.num_items + 1, dtype=torch.bool)
    for domain in range(len(space.sizes)):
        outside_DV[domain, space.columns(domain)] = False
    return outside_DV


def _check_negatives(cases: ColdCases, negatives: Negatives) -> None:
    num_users = len(cases.user_N)
    for (pool, seed), negatives_NM in negatives.items():
        where = f"candidates of pool {pool!r}, seed {seed}, {cases.part} user"
        if negatives_NM.dim() != 2 or len(negatives_NM) != num_users:
            raise ValueError(
                f"candidates of pool {pool!r}, seed {seed} have shape {tuple(negatives_NM.shape)}"
                f" for {num_users} {cases.part} users; materialize the candidates again"
            )
        own_N = (negatives_NM == cases.label_N[:, None]).any(1)
        _reject(own_N, cases.user_N, where, "the label is among its own negatives")


def _reject(bad_B: Tensor, user_B: Tensor, where: str, why: str) -> None:
    if bool(bad_B.any()):
        first = int(user_B[int(bad_B.int().argmax())])
        raise ValueError(f"{where} {first}: {why} (users concerned: {int(bad_B.sum())})")


def _table(
    cases: ColdCases,
    system: str,
    train_seed: int,
    key: tuple[str, int],
    domains: tuple[str, ...],
    rank_N: Tensor,
    rivals_N: Tensor,
) -> pa.Table:
    num_users = len(rank_N)
    pool, candidate_seed = key
    columns = {
        "system": pa.repeat(system, num_users),
        "train_seed": pa.repeat(pa.scalar(train_seed, pa.int32()), num_users),
        "part": pa.repeat(cases.part, num_users),
        "user": pa.array(cases.user_N.numpy(), pa.int32()),
        "target_domain": pa.array([domains[d] for d in cases.query.domain_B.tolist()], pa.string()),
        "pool": pa.repeat(pool, num_users),
        "candidate_seed": pa.repeat(pa.scalar(candidate_seed, pa.int32()), num_users),
        "num_candidates": pa.array((rivals_N + 1).numpy()).cast(pa.int32()),
        "rank": pa.array(rank_N.float().numpy(), pa.float32()),
    }
    return pa.table(columns, schema=RANKS)
