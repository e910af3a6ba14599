"""What a model eats.

Item ids are dense over all domains of a scenario: 0 is padding, domain 0 holds ids
1..size_0, domain 1 the next size_1 ids, and so on.

Shapes: B batch, L history length. Histories are time-ordered and padded on the left.
"""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

PADDING = 0


@dataclass(frozen=True, kw_only=True)
class ItemSpace:
    """How many items each domain of a scenario has; says which ids belong to whom."""

    sizes: tuple[int, ...]

    @property
    def num_items(self) -> int:
        """Items over all domains; padding not counted."""
        return sum(self.sizes)

    def ids(self, domain: int) -> range:
        """The ids of one domain."""
        start = 1 + sum(self.sizes[:domain])
        return range(start, start + self.sizes[domain])

    def columns(self, domain: int) -> slice:
        """One domain's ids as a slice of a table with `num_items + 1` rows or columns."""
        ids = self.ids(domain)
        return slice(ids.start, ids.stop)

    def contains(self, domain: int, ids: Tensor) -> Tensor:
        """Which of `ids` (any shape) belong to `domain`; padding belongs to none."""
        own = self.ids(domain)
        return (ids >= own.start) & (ids < own.stop)


class SequenceBatch(NamedTuple):
    """Whole training sequences; every position after the first is a label."""

    items_BL: Tensor  # int64


class TransferBatch(NamedTuple):
    """Cross-domain training cases: predict `label` in domain `target` from `source`."""

    source_BL: Tensor  # int64, items of the other domain before the label
    target_BL: Tensor  # int64, items of the label's domain before the label
    mixed_BL: Tensor  # int64, both together, before the label
    label_B: Tensor  # int64, the item to predict
    domain_B: Tensor  # int64, the label's domain


class Query(NamedTuple):
    """A cold user: what they did elsewhere, and the domain to recommend from."""

    history_BL: Tensor  # int64, items of other domains only
    domain_B: Tensor  # int64, the target domain
