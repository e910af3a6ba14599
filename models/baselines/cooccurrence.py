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


@dataclass(frozen=True, kw_only=True)
class CooccurrenceConfig:
    space: ItemSpace
    window: int = 20  # positions between the two items of a pair, at most
    recency: float = 0.8  # weight of a history item = recency ** (positions to the end)
    hop: float = 2.0  # weight of the votes passed on within the target domain; 0: direct only


class PairCounts(nn.Module):
    """A sparse V x V matrix of weights, stored as plain dense tensors of its P entries."""

    pair_P: Tensor
    weight_P: Tensor

    def __init__(self, num_columns: int):
        super().__init__()
        self.num_columns = num_columns
        self.register_buffer("pair_P", torch.zeros(0, dtype=torch.int64))  # row * V + column
        self.register_buffer("weight_P", torch.zeros(0, dtype=torch.float64))

    def add(self, pair_P: Tensor, weight_P: Tensor) -> None:
        """Adds weights; the same pair may come several times."""
        pair_P = torch.cat([self.pair_P, pair_P])
        weight_P = torch.cat([self.weight_P, weight_P])
        self.pair_P, slot_P = pair_P.unique(return_inverse=True)
        self.weight_P = weight_P.new_zeros(len(self.pair_P)).index_add_(0, slot_P, weight_P)

    def votes(self, weight_BV: Tensor) -> Tensor:
        """What the items weighted in `weight_BV` vote for: weight @ matrix, [B, V]."""
        voter_P, voted_P = self.pair_P // self.num_columns, self.pair_P % self.num_columns
        # Transposed, because CSR times dense is the product that torch has a fast kernel for.
        shape = (self.num_columns, self.num_columns)
        entries = torch.sparse_coo_tensor(
            torch.stack([voted_P, voter_P]), self.weight_P.float(), shape
        )
        return (entries.to_sparse_csr() @ weight_BV.T).T

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:  # type: ignore[no-untyped-def]
        """Takes entries of any number: a fresh module has none."""
        for name in ("pair_P", "weight_P"):
            if prefix + name in state_dict:
                stored = state_dict[prefix + name]
                setattr(self, name, getattr(self, name).new_empty(stored.shape))
        super()._load_from_state_dict(state_dict, prefix, *args)
