"""The protocol that every system meets, so that one loop trains and one evaluator ranks all."""

from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from models.batch import Query, SequenceBatch

Losses = dict[str, Tensor]
"""The weighted terms of a training loss, each a named scalar; their sum is minimised."""


@runtime_checkable
class Recommender(Protocol):
    """A `torch.nn.Module` built from one frozen config."""

    def loss(self, batch: Any) -> Losses:
        """The named loss terms of one training batch (the batch type is the system's own)."""
        ...

    def score(self, query: Query) -> Tensor:
        """Scores of all items, shape [B, num_items + 1]; higher is better.

        Every id of the query's target domain has a finite score; what a system says of
        padding and of other domains' items is ignored by the evaluator.
        """
        ...


@runtime_checkable
class Prepared(Recommender, Protocol):
    """A `Recommender` that counts the training sequences once, before it is trained.

    `state_dict()` holds what it counted, at a fixed size; counting again starts afresh.
    """

    def count(self, batches: Iterable[SequenceBatch]) -> None:
        """Reads all training sequences, of single-domain and overlapping users alike."""
        ...


@runtime_checkable
class Counter(Protocol):
    """A system without gradients: it counts the training sequences once and then scores.

    It has no `loss` and no parameters; `state_dict()` holds its counts, and
    `load_state_dict()` takes them at whatever size they were stored.
    """

    def count(self, batches: Iterable[SequenceBatch]) -> None:
        """Adds all training sequences, of single-domain and overlapping users alike."""
        ...

    def score(self, query: Query) -> Tensor:
        """As `Recommender.score`."""
        ...
