"""Lists of different lengths in two flat arrays, padded on demand."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor


@dataclass(frozen=True)
class Ragged:
    flat: np.ndarray  # all lists joined; int64, or as `of` was told
    bounds: np.ndarray  # int64, list i is flat[bounds[i] : bounds[i + 1]]

    @classmethod
    def of(cls, column: pa.ChunkedArray, dtype: type[np.integer[Any]] = np.int64) -> "Ragged":
        """From an Arrow column of integer lists without nulls."""
        joined = column.combine_chunks()
        lengths = joined.value_lengths().to_numpy(zero_copy_only=False).astype(np.int64)
        return cls(
            flat=joined.flatten().to_numpy().astype(dtype, copy=False),
            bounds=np.concatenate([[0], np.cumsum(lengths)]),
        )

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __getitem__(self, row: int) -> np.ndarray:
        return self.flat[self.bounds[row] : self.bounds[row + 1]]

    def take(self, rows: np.ndarray) -> "Ragged":
        """The lists of these numbers, in this order."""
        lengths = np.diff(self.bounds)[rows]
        bounds = np.concatenate([[0], np.cumsum(lengths)])
        place = np.arange(bounds[-1]) + np.repeat(self.bounds[rows] - bounds[:-1], lengths)
        return Ragged(flat=self.flat[place], bounds=bounds)

    @property
    def longest(self) -> int:
        return int(np.diff(self.bounds).max(initial=0))

    def padded(self, rows: np.ndarray, max_length: int) -> Tensor:
        """The last `max_length` entries of each list, zeros on the left: [len(rows), length]."""
        ends = self.bounds[rows + 1]
        lengths = np.minimum(ends - self.bounds[rows], max_length)
        length = max(int(lengths.max(initial=0)), 1)
        if self._all_have(length):  # as most candidates: whole rows are copied at once
            return torch.from_numpy(self.flat.reshape(len(self), length)[rows])
        position = ends[:, None] - length + np.arange(length)
        inside = position >= (ends - lengths)[:, None]
        source = self.flat if len(self.flat) else np.zeros(1, dtype=self.flat.dtype)
        return torch.from_numpy(np.where(inside, source[np.maximum(position, 0)], 0))

    def _all_have(self, length: int) -> bool:
        """Whether every list is of this length; the first comparison rules most others out."""
        return len(self.flat) == len(self) * length and bool((np.diff(self.bounds) == length).all())


def ragged(lists: list[np.ndarray]) -> Ragged:
    """From a list of integer arrays."""
    lengths = np.array([len(entry) for entry in lists], dtype=np.int64)
    flat = np.concatenate(lists) if lists else np.empty(0, dtype=np.int64)
    return Ragged(flat=flat.astype(np.int64), bounds=np.concatenate([[0], np.cumsum(lengths)]))


def joined(first: Ragged, second: Ragged) -> Ragged:
    """The lists of both, in order."""
    return Ragged(
        flat=np.concatenate([first.flat, second.flat]),
        bounds=np.concatenate([first.bounds, second.bounds[1:] + first.bounds[-1]]),
    )
