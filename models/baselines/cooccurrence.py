"""Item-to-item counts across domains: the reference without any learning that is hard to beat.

An item of another domain votes for the target items that followed it in overlapping users'
sequences ("direct"); direct votes are then passed on to the items that accompany the voted ones
within the target domain ("hop"), which brings in the many single-domain users. Our own
reference, in the family of item-based collaborative filtering (Sarwar et al., 2001).

Shapes: B batch, L sequence length, V items + 1, P pairs of items that co-occur.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.baselines.popularity import from_the_end
from models.batch import PADDING, ItemSpace, Query, SequenceBatch
from models.blocks.stored_counts import load_at_stored_size


@dataclass(frozen=True, kw_only=True)
class CooccurrenceConfig:
    space: ItemSpace
    window: int = 20  # positions between the two items of a pair, at most
    recency: float = 0.6  # weight of a history item = recency ** (positions to the end)
    hop: float = 4.0  # weight of the votes passed on within the target domain; 0: direct only


class PairCounts(nn.Module):
    """A sparse V x V matrix of weights, stored as plain dense tensors of its P entries."""

    pair_P: Tensor
    weight_P: Tensor

    def __init__(self, num_columns: int):
        super().__init__()
        self.num_columns = num_columns
        self.register_buffer(
            "pair_P", torch.zeros(0, dtype=torch.int64)
        )  # sorted voted * V + voter
        self.register_buffer("weight_P", torch.zeros(0, dtype=torch.float64))
        load_at_stored_size(self, "pair_P", "weight_P")

    def add(self, voter_P: Tensor, voted_P: Tensor, weight_P: Tensor) -> None:
        """Adds weights; the same pair may come several times."""
        pair_P = torch.cat([self.pair_P, voted_P * self.num_columns + voter_P])
        weight_P = torch.cat([self.weight_P, weight_P])
        self.pair_P, slot_P = pair_P.unique(return_inverse=True)
        self.weight_P = weight_P.new_zeros(len(self.pair_P)).index_add_(0, slot_P, weight_P)

    def votes(self, weight_BV: Tensor) -> Tensor:
        """What the items weighted in `weight_BV` vote for: weight @ matrix, [B, V]."""
        return self._cast(weight_BV, self.weight_P)

    def shared_votes(self, weight_BV: Tensor) -> Tensor:
        """As `votes`, where each item divides one vote among those it votes for."""
        voter_P = self.pair_P % self.num_columns
        total_V = self.weight_P.new_zeros(self.num_columns).index_add_(0, voter_P, self.weight_P)
        return self._cast(weight_BV, self.weight_P / total_V[voter_P])

    def _cast(self, weight_BV: Tensor, weight_P: Tensor) -> Tensor:
        voted_P, voter_P = self.pair_P // self.num_columns, self.pair_P % self.num_columns
        ends_V = voted_P.bincount(minlength=self.num_columns).cumsum(0)
        # Voted items are the rows: CSR times dense is the product with a fast kernel.
        matrix = torch.sparse_csr_tensor(
            torch.cat([ends_V.new_zeros(1), ends_V]),
            voter_P,
            weight_P.float(),
            (self.num_columns, self.num_columns),
            check_invariants=False,
        )
        return (matrix @ weight_BV.T).T


class Cooccurrence(nn.Module):
    """Direct votes from the history across domains, passed on once within the target domain."""

    def __init__(self, config: CooccurrenceConfig):
        super().__init__()
        self.config = config
        num_columns = config.space.num_items + 1
        self.across = PairCounts(num_columns)  # directed: the voter came before the voted
        self.within = PairCounts(num_columns)  # both ways: who accompanies whom

    def count(self, batches: Iterable[SequenceBatch]) -> None:
        """Adds each pair of items at most `window` positions apart, weighted 1 / distance."""
        parts = [_pairs(batch.items_BL, self.config.window) for batch in batches]
        before_P, after_P, weight_P = (torch.cat(part) for part in zip(*parts, strict=True))
        across_P = self._domain(before_P) != self._domain(after_P)
        self.across.add(before_P[across_P], after_P[across_P], weight_P[across_P])
        before_P, after_P, weight_P = (x[~across_P] for x in (before_P, after_P, weight_P))
        both_ways = torch.cat([before_P, after_P]), torch.cat([after_P, before_P])
        self.within.add(*both_ways, weight_P.repeat(2))

    @torch.no_grad()
    def score(self, query: Query) -> Tensor:
        """[B, V] votes, at least zero; an item without any vote scores zero."""
        recency_BL = from_the_end(query.history_BL, self.config.recency).float()
        num_columns = self.config.space.num_items + 1
        weight_BV = recency_BL.new_zeros(len(recency_BL), num_columns)
        weight_BV.scatter_add_(1, query.history_BL, recency_BL * (query.history_BL != PADDING))
        direct_BV = self.across.votes(weight_BV)
        if not self.config.hop:
            return direct_BV
        return direct_BV + self.config.hop * self.within.shared_votes(direct_BV)

    def _domain(self, ids: Tensor) -> Tensor:
        ends = torch.tensor(self.config.space.sizes, device=ids.device).cumsum(0)
        return torch.bucketize(ids, ends)


def _pairs(items_BL: Tensor, window: int) -> tuple[Tensor, Tensor, Tensor]:
    """All (earlier item, later item, 1 / distance) of every row, padding left out."""
    nothing = items_BL.new_zeros(0)
    parts = [(nothing, nothing, nothing.double())]
    for distance in range(1, min(window, items_BL.shape[1] - 1) + 1):
        before_BL, after_BL = items_BL[:, :-distance], items_BL[:, distance:]
        before_P = before_BL[before_BL != PADDING]
        after_P = after_BL[before_BL != PADDING]
        weight_P = nothing.double().new_full(before_P.shape, 1 / distance)
        parts.append((before_P, after_P, weight_P))
    before_P, after_P, weight_P = (torch.cat(part) for part in zip(*parts, strict=True))
    return before_P, after_P, weight_P
