"""Ranks: where each cold user's held-out item lands among the candidates.

Protocol, the same for every system:

- A system is told the target domain. Whatever it says of other domains' items is not looked at,
  so in the pool "all" (negatives from every domain) only the negatives of the target domain
  compete. That pool is therefore the easier one; a system that knows which domain it
  recommends from can do no other. "target" (negatives of the target domain) is primary, and
  "full" ranks every item of the target domain.
- A tie counts half: rank = 1 + number better + half the number equal. A scorer that gives
  every candidate the same score lands in the middle and hits nothing.
- Each user is scored once, and each of the domain's items compared with the label once; all
  pools and seeds only add up what they find there.

Letters: B users of one target domain, N users, M negatives, D domains, V item ids (0 is padding),
C items of the target domain.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import pyarrow as pa
import torch
from torch import Tensor

from models.batch import ItemSpace, Query
from models.metrics import hit_rate, ndcg, points_against
from models.recommender import Counter, Recommender
from pipeline.columns import POOLS, RANKS
from pipeline.train.cases import ColdCases

_CACHED_SCORES = 1_000_000  # 4 MB

Scorer = Recommender | Counter

Negatives = dict[tuple[str, int], Tensor]
"""Item ids [N, M], int32 or int64, padded with 0, by pool and candidate seed."""

FULL = "full"
RANKED_POOLS = (*POOLS, FULL)

METRICS: dict[str, Callable[[Tensor], Tensor]] = {
    "HR@5": partial(hit_rate, k=5),
    "HR@10": partial(hit_rate, k=10),
    "NDCG@5": partial(ndcg, k=5),
    "NDCG@10": partial(ndcg, k=10),
}
"""Ranks [N] to each user's metric [N], 0..1; with one relevant item NDCG is 1/log2(rank + 1)."""


class DomainScores(NamedTuple):
    """Some users of one target domain, and what a system says of that domain's items."""

    row_B: Tensor  # int64, on the CPU: their places among the cases
    domain: int
    scores_BC: Tensor  # finite


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
    points = {key: torch.empty(len(cases.user_N)) for key in [*negatives, (FULL, 0)]}
    for some in target_scores(model, cases, space, batch_size=batch_size, device=device):
        for row_B, points_BV in _points(some, cases, space):
            for key, negatives_NM in negatives.items():
                rival_BM = negatives_NM[row_B].to(points_BV.device).long()
                points[key][row_B] = _total(points_BV.gather(1, rival_BM))
            points[FULL, 0][row_B] = _total(points_BV) - 1  # the label ties with itself
    rivals = {key: _num_rivals(cases, space, one) for key, one in negatives.items()}
    rivals[FULL, 0] = torch.tensor(space.sizes)[cases.query.domain_B] - 1
    return pa.concat_tables(
        _table(cases, system, train_seed, key, domains, 1 + points_N / 2, rivals[key])
        for key, points_N in points.items()
    )


def _points(
    some: DomainScores, cases: ColdCases, space: ItemSpace
) -> Iterator[tuple[Tensor, Tensor]]:
    """A few users at a time, so that a CPU's cache holds what is read again and again: their
    rows [B], and each item's points against the label, uint8 [B, V]; other domains' have none.

    The next few are written over these points.
    """
    scores_BC, columns = some.scores_BC, space.columns(some.domain)
    size = max(len(scores_BC), 1)
    if scores_BC.device.type == "cpu":
        size = _CACHED_SCORES // scores_BC.shape[1] + 1
    shape = min(size, len(scores_BC)), space.num_items + 1
    points_BV = torch.zeros(shape, dtype=torch.uint8, device=scores_BC.device)
    for row_B, own_BC in zip(some.row_B.split(size), scores_BC.split(size), strict=True):
        label_B = (cases.label_N[row_B] - columns.start).to(own_BC.device)
        points_BV[: len(row_B), columns] = points_against(own_BC, label_B)
        yield row_B, points_BV[: len(row_B)]


def _total(points_BM: Tensor) -> Tensor:
    """[B]; summed as signed bytes, which takes half the time."""
    return points_BM.view(torch.int8).sum(dim=1, dtype=torch.int32).float().cpu()


def _num_rivals(cases: ColdCases, space: ItemSpace, negatives_NM: Tensor) -> Tensor:
    """How many negatives are items of each user's target domain, int64 [N]."""
    columns = [space.columns(domain) for domain in range(len(space.sizes))]
    bounds = [(own.start, own.stop) for own in columns]
    bounds_D2 = torch.tensor(bounds, dtype=negatives_NM.dtype)
    start_N1, stop_N1 = bounds_D2[cases.query.domain_B].split(1, dim=1)
    return ((negatives_NM >= start_N1) & (negatives_NM < stop_N1)).sum(dim=1)


def target_scores(
    model: Scorer,
    cases: ColdCases,
    space: ItemSpace,
    *,
    batch_size: int = 256,
    device: torch.device | str = "cpu",
) -> Iterator[DomainScores]:
    """All users, those of one target domain after those of another, `batch_size` at most at once.

    Raises ValueError naming the first user whose label lies outside the target domain, or for
    whom the model returns a score that is not finite.
    """
    if isinstance(model, torch.nn.Module):
        model.eval()
    where = f"{cases.part} user"
    remedy = f"{type(model).__name__} gives scores that are not finite; train it again"
    for domain in range(len(space.sizes)):
        everyone = (cases.query.domain_B == domain).nonzero()[:, 0]
        strange_N = ~space.contains(domain, cases.label_N[everyone])
        _reject(
            strange_N, cases.user_N[everyone], where, "the label is no item of the target domain"
        )
        for row_B in everyone.split(batch_size) if len(everyone) else ():
            query = Query(*(part[row_B].to(device) for part in cases.query))
            with torch.inference_mode():
                scores_BC = model.score(query)[:, space.columns(domain)]
                broken_B = ~scores_BC.sum(dim=1).isfinite()
                if broken_B.any():  # a sum of finite numbers may overflow
                    broken_B = ~scores_BC.isfinite().all(dim=1)
            _reject(broken_B.cpu(), cases.user_N[row_B], where, remedy)
            yield DomainScores(row_B, domain, scores_BC)


def _check_negatives(cases: ColdCases, negatives: Negatives) -> None:
    num_users = len(cases.user_N)
    for (pool, seed), negatives_NM in negatives.items():
        where = f"candidates of pool {pool!r}, seed {seed}, {cases.part} user"
        if negatives_NM.dim() != 2 or len(negatives_NM) != num_users:
            raise ValueError(
                f"candidates of pool {pool!r}, seed {seed} have shape {tuple(negatives_NM.shape)}"
                f" for {num_users} {cases.part} users; materialize the candidates again"
            )
        own_N = (negatives_NM == cases.label_N[:, None].to(negatives_NM.dtype)).any(1)
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
