"""Attention by a small network that compares query and fact, for pairs in one packed dimension.

Zhou et al., "Deep Interest Network", KDD 2018, with the softmax and the context of Ma et al.,
"Triple Sequence Learning for Cross-domain Recommendation", TOIS 2024. Histories differ in
length, so that a list of the pairs to compare is much shorter than a padded grid of them.

Shapes: M facts, N queries, P pairs, G groups of pairs, D width, H hidden width.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Pairs(NamedTuple):
    """Who asks what, and which pairs compete: each group has a softmax of its own."""

    query_P: Tensor  # int64, index into the queries
    fact_P: Tensor  # int64, index into the facts
    group_P: Tensor  # int64, below num_groups
    num_groups: int


class DINAttention(nn.Module):
    """An MLP on [f, q, f * q, q - f, context], PReLU between its layers.

    Its first layer is kept in parts, since f, q and the context recur in many pairs. The part
    of q - f is linear in both and so contained in theirs: the functions are the same.
    """

    def __init__(self, width: int, hidden: tuple[int, int]):
        super().__init__()
        self.of_fact = nn.Linear(width, hidden[0])
        self.of_query = nn.Linear(width, hidden[0], bias=False)
        self.of_product = nn.Linear(width, hidden[0], bias=False)
        self.of_context = nn.Linear(width, hidden[0], bias=False)
        self.rest = nn.Sequential(
            nn.PReLU(), nn.Linear(hidden[0], hidden[1]), nn.PReLU(), nn.Linear(hidden[1], 1)
        )

    def forward(
        self, query_ND: Tensor, context_ND: Tensor, fact_MD: Tensor, pairs: Pairs
    ) -> Tensor:
        """The weighted sum of each group's facts, [G, D]; zero for a group without any.

        A query brings its own context.
        """
        paired_PD = fact_MD.index_select(0, pairs.fact_P)
        product_PD = paired_PD * query_ND.index_select(0, pairs.query_P)
        asking_NH = self.of_query(query_ND) + self.of_context(context_ND)
        hidden_PH = (
            self.of_product(product_PD)
            + self.of_fact(fact_MD).index_select(0, pairs.fact_P)
            + asking_NH.index_select(0, pairs.query_P)
        )
        weight_P = group_softmax(self.rest(hidden_PH)[:, 0], pairs.group_P, pairs.num_groups)
        found_GD = fact_MD.new_zeros(pairs.num_groups, fact_MD.shape[1])
        return found_GD.index_add(0, pairs.group_P, weight_P.unsqueeze(1) * paired_PD)


def group_softmax(score_P: Tensor, group_P: Tensor, num_groups: int) -> Tensor:
    """A softmax over the entries of each group, [P]."""
    lowest_G = score_P.new_full((num_groups,), -torch.inf)
    highest_G = lowest_G.scatter_reduce(0, group_P, score_P.detach(), "amax")
    power_P = (score_P - highest_G[group_P]).exp()
    total_G = power_P.new_zeros(num_groups).index_add(0, group_P, power_P)
    return power_P / total_G[group_P]
