"""Where an overlap sequence is cut into what is shown and what is asked; no loops over rows.

Shapes: B sequences, L positions.
"""

from dataclasses import dataclass

import numpy as np

from models.batch import PADDING, ItemSpace
from pipeline.train.ragged import Ragged


@dataclass(frozen=True)
class Cuttable:
    """Sequences of items of several domains, with what a cut depends on.

    A position can be a label where something of another domain stands before it: from the first
    change of domain on, both have been seen, and so has "another" one.
    """

    sequences: Ragged
    num_cuts: np.ndarray  # int64 [sequences]: positions that can be a label, the last of each

    @classmethod
    def of(cls, sequences: Ragged, space: ItemSpace) -> "Cuttable":
        """Those sequences that can be cut at all."""
        bounds, domains = sequences.bounds, domains_of(sequences.flat, space)
        starts = np.repeat(bounds[:-1], np.diff(bounds))
        changed = np.where(domains != domains[starts], np.arange(len(domains)), len(domains))
        first = np.minimum.reduceat(changed, bounds[:-1]) if len(sequences) else bounds[:-1]
        num_cuts = np.maximum(bounds[1:] - first, 0)
        kept = np.flatnonzero(num_cuts)
        return cls(sequences.take(kept), num_cuts[kept])

    def __len__(self) -> int:
        return len(self.sequences)

    def first(self, count: int) -> "Cuttable":
        rows = np.arange(min(count, len(self)))
        return Cuttable(self.sequences.take(rows), self.num_cuts[rows])

    def cut(self, rows: np.ndarray, distance_B: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The items before each label, int64 [B, L], padded on the left, and the labels, [B].

        The label is the item at `distance_B` >= 1 from the end, at most the first that can be.
        """
        ends = self.sequences.bounds[rows + 1] - np.minimum(distance_B, self.num_cuts[rows])
        lengths = ends - self.sequences.bounds[rows]
        longest = int(lengths.max(initial=1))
        position = ends[:, None] - longest + np.arange(longest)
        inside = position >= (ends - lengths)[:, None]
        flat = self.sequences.flat
        return np.where(inside, flat[np.maximum(position, 0)], PADDING), flat[ends]


def domains_of(items: np.ndarray, space: ItemSpace) -> np.ndarray:
    """The domain of each item id; padding counts to the first."""
    return np.searchsorted(np.cumsum(space.sizes), items)


def chosen(items_BL: np.ndarray, chosen_BL: np.ndarray, max_length: int) -> np.ndarray:
    """The last `max_length` chosen items of each row, in their order, padded on the left."""
    order_BL = chosen_BL.argsort(axis=1, kind="stable")  # what is not chosen moves to the left
    kept_BL = np.take_along_axis(np.where(chosen_BL, items_BL, PADDING), order_BL, axis=1)
    longest = int(chosen_BL.sum(axis=1).max(initial=1))
    return kept_BL[:, -min(longest, max_length) :]
