"""Rankings that know nothing of the user: what every personal system has to beat.

`Popularity` counts interactions. `OverlapPopularity` counts those of overlapping users alone, who
are the kind of user that is tested. `RecentPopularity` counts what overlapping users did last; on
cold-start test sets, whose labels are last items, it is far stronger than plain popularity and
equals some published personal models.

Shapes: B batch, L sequence length, V items + 1.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.batch import PADDING, ItemSpace, Query, SequenceBatch


@dataclass(frozen=True, kw_only=True)
class PopularityConfig:
    space: ItemSpace


class Popularity(nn.Module):
    """How often each item occurs in training."""

    count_V: Tensor

    def __init__(self, config: PopularityConfig):
        super().__init__()
        self.config = config
        # float64: a float32 count stops growing at 2**24.
        num_columns = config.space.num_items + 1
        self.register_buffer("count_V", torch.zeros(num_columns, dtype=torch.float64))

    def count(self, batches: Iterable[SequenceBatch]) -> None:
        """Adds every interaction of every sequence."""
        for batch in batches:
            items_N = batch.items_BL[batch.items_BL != PADDING]
            self.count_V += torch.bincount(items_N, minlength=len(self.count_V))

    @torch.no_grad()
    def score(self, query: Query) -> Tensor:
        """[B, V] counts, the same for every user."""
        return self.count_V.float().expand(len(query.domain_B), -1)


@dataclass(frozen=True, kw_only=True)
class OverlapPopularityConfig(PopularityConfig):
    pass


class OverlapPopularity(Popularity):
    """How often each item occurs in sequences that span several domains.

    Between the other two: `RecentPopularity` that does not decay. What separates it from
    `Popularity` is whose interactions count, from `RecentPopularity` when they were made.
    """

    def count(self, batches: Iterable[SequenceBatch]) -> None:
        """Adds the sequences of overlapping users; those of one domain are passed over."""
        space = self.config.space
        super().count(
            SequenceBatch(batch.items_BL[spans_domains(batch.items_BL, space)]) for batch in batches
        )


@dataclass(frozen=True, kw_only=True)
class RecentPopularityConfig:
    space: ItemSpace
    decay: float = 0.6  # weight of an item = decay ** (positions to the sequence's end)


class RecentPopularity(nn.Module):
    """How often each item is among the newest of a sequence that spans several domains."""

    weight_V: Tensor

    def __init__(self, config: RecentPopularityConfig):
        super().__init__()
        self.config = config
        num_columns = config.space.num_items + 1
        self.register_buffer("weight_V", torch.zeros(num_columns, dtype=torch.float64))

    def count(self, batches: Iterable[SequenceBatch]) -> None:
        """Adds the sequences of overlapping users; those of one domain are passed over."""
        for batch in batches:
            items_BL = batch.items_BL[spans_domains(batch.items_BL, self.config.space)]
            weight_BL = from_the_end(items_BL, self.config.decay)
            weight_BL = weight_BL.masked_fill(items_BL == PADDING, 0)
            self.weight_V.index_add_(0, items_BL.flatten(), weight_BL.flatten())

    @torch.no_grad()
    def score(self, query: Query) -> Tensor:
        """[B, V] weights, the same for every user."""
        return self.weight_V.float().expand(len(query.domain_B), -1)


def spans_domains(items_BL: Tensor, space: ItemSpace) -> Tensor:
    """Which rows hold items of at least two domains, [B] bool."""
    visited_B = sum(
        space.contains(domain, items_BL).any(dim=1).long() for domain in range(len(space.sizes))
    )
    return torch.as_tensor(visited_B) > 1


def from_the_end(items_BL: Tensor, decay: float) -> Tensor:
    """decay ** (positions to the end), [B, L] float64; the newest item weighs one."""
    distance_L = torch.arange(items_BL.shape[1], device=items_BL.device).flip(0)
    return (decay ** distance_L.double()).expand(items_BL.shape)
