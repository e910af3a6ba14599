"""Ranks and what is made of them, for each user apart, so that significance can be tested.

Shapes: B users, V items + 1, M negatives, N users in any order.
"""

import torch
from torch import Tensor

from models.batch import PADDING


def candidate_ranks(scores_BV: Tensor, label_B: Tensor, negatives_BM: Tensor) -> Tensor:
    """Each label's rank among itself and its negatives, [B] float, 1 is best.

    rank = 1 + negatives scored strictly higher + half of those that tie. Negatives are item
    ids; id 0 means that there is no candidate in that place. Raises ValueError on NaN scores.
    """
    label_B1, candidate_BM = _label_scores(scores_BV, label_B), scores_BV.gather(1, negatives_BM)
    _refuse_nan(torch.cat([label_B1, candidate_BM], dim=1))
    return _rank(label_B1, candidate_BM, negatives_BM != PADDING)


def full_ranks(scores_BV: Tensor, label_B: Tensor, columns: slice) -> Tensor:
    """Each label's rank among all items of `columns`, its own domain, [B] float, 1 is best.

    Ties count half, as in `candidate_ranks`. Raises ValueError on NaN scores, and where a
    label lies outside `columns`.
    """
    outside = (label_B < columns.start) | (label_B >= columns.stop)
    if outside.any():
        raise ValueError(
            f"label {int(label_B[outside][0])} lies outside the ranked columns "
            f"{columns.start}..{columns.stop - 1}; rank each domain's users apart"
        )
    label_B1, candidate_BC = _label_scores(scores_BV, label_B), scores_BV[:, columns]
    _refuse_nan(candidate_BC)
    ids_C = torch.arange(columns.start, columns.stop, device=label_B.device)
    return _rank(label_B1, candidate_BC, ids_C != label_B.unsqueeze(1))


def hit_rate(rank_N: Tensor, k: int) -> Tensor:
    """1.0 for each user whose label is among the first k, else 0.0."""
    return (rank_N <= k).float()


def ndcg(rank_N: Tensor, k: int) -> Tensor:
    """1 / log2(rank + 1) for each user whose label is among the first k, else 0."""
    return hit_rate(rank_N, k) / torch.log2(rank_N + 1)


def _label_scores(scores_BV: Tensor, label_B: Tensor) -> Tensor:
    return scores_BV.gather(1, label_B.unsqueeze(1))


def _rank(label_B1: Tensor, candidate_BC: Tensor, rival_BC: Tensor) -> Tensor:
    higher_B = ((candidate_BC > label_B1) & rival_BC).sum(dim=1)
    tied_B = ((candidate_BC == label_B1) & rival_BC).sum(dim=1)
    return 1 + higher_B + tied_B / 2


def _refuse_nan(scores_BC: Tensor) -> None:
    rows = int(scores_BC.isnan().any(dim=1).sum())
    if rows:
        raise ValueError(
            f"scores of {rows} of {len(scores_BC)} users hold NaN, which would rank as best; "
            "mend the system that scored them"
        )
