"""Ranks and what is made of them, for each user apart, so that significance can be tested.

Shapes: B users, V items + 1, C items of a domain, M negatives, N users in any order.
"""

import torch
from torch import Tensor

from models.batch import PADDING


def points_against(scores_BC: Tensor, label_B: Tensor) -> Tensor:
    """What each item adds to twice the rank of a label, uint8 [B, C]: 2 where its score is
    higher, 1 where it ties, as the label does with itself, else 0.

    `label_B` are columns of `scores_BC`, which holds no NaN.
    """
    label_B1 = _label_scores(scores_BC, label_B)
    return (scores_BC >= label_B1).view(torch.uint8) + (scores_BC > label_B1).view(torch.uint8)


def candidate_ranks(scores_BV: Tensor, label_B: Tensor, negatives_BM: Tensor) -> Tensor:
    """Each label's rank among itself and its negatives, [B] float, 1 is best.

    rank = 1 + negatives scored strictly higher + half of those that tie. Negatives are item
    ids; id 0 means that there is no candidate in that place. Raises ValueError on NaN scores.
    """
    label_B1, candidate_BM = _label_scores(scores_BV, label_B), scores_BV.gather(1, negatives_BM)
    _refuse_nan(torch.cat([label_B1, candidate_BM], dim=1))
    rival_BM = negatives_BM != PADDING
    higher_B = _count((candidate_BM > label_B1) & rival_BM)
    return 1 + higher_B + _count((candidate_BM == label_B1) & rival_BM) / 2


def hit_rate(rank_N: Tensor, k: int) -> Tensor:
    """1.0 for each user whose label is among the first k, else 0.0."""
    return (rank_N <= k).float()


def ndcg(rank_N: Tensor, k: int) -> Tensor:
    """1 / log2(rank + 1) for each user whose label is among the first k, else 0."""
    return hit_rate(rank_N, k) / torch.log2(rank_N + 1)


def _label_scores(scores_BV: Tensor, label_B: Tensor) -> Tensor:
    return scores_BV.gather(1, label_B.unsqueeze(1))


def _count(chosen_BC: Tensor) -> Tensor:
    """True entries of each row, [B]; summed as bytes, which takes half the time."""
    return chosen_BC.view(torch.int8).sum(dim=1, dtype=torch.int32)


def _refuse_nan(scores_BC: Tensor) -> None:
    if not scores_BC.sum().isnan():  # a single pass; infinities of both signs are looked at below
        return
    rows = int(scores_BC.isnan().any(dim=1).sum())
    if rows:
        raise ValueError(
            f"scores of {rows} of {len(scores_BC)} users hold NaN, which would rank as best; "
            "mend the system that scored them"
        )
