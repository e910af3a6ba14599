"""Lists of different lengths in two flat arrays, padded on demand."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor


@dataclass(frozen=True)
class Ragged:
    flat: np.ndarray  # int64, all lists joined
    bounds: np.ndarray  # int64, list i is flat[bounds[i] : bounds[i + 1]]

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> "Ragged":
        """From an Arrow column of integer lists without nulls."""
        joined = column.combine_chunks()
        lengths = joined.value_lengths().to_numpy(zero_copy_only=False).astype(np.int64)
        return cls(
            flat=joined.flatten().to_numpy().astype(np.int64),
            bounds=np.concatenate([[0], np.cumsum(lengths)]),
        )

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __getitem__(self, row: int) -> np.ndarray:
        return self.flat[self.bounds[row] : self.bounds[row + 1]]

    @property
    def longest(self) -> int:
        return int(np.diff(self.bounds).max(initial=0))

    def padded(self, rows: np.ndarray, max_length: int) -> Tensor:
        """The last `max_length` entries of each list, zeros on the left: [len(rows), length]."""
        ends = self.bounds[rows + 1]
        lengths = np.minimum(ends - self.bounds[rows], max_length)
        length = max(int(lengths.max(initial=0)), 1)
        position = ends[:, None] - length + np.arange(length)
        inside = position >= (ends - lengths)[:, None]
        source = self.flat if len(self.flat) else np.zeros(1, dtype=np.int64)
        return torch.from_numpy(np.where(inside, source[np.maximum(position, 0)], 0))


def ragged(lists: list[np.ndarray]) -> Ragged:
    """From a list of integer arrays."""
    lengths = [len(entry) for entry in lists]
    flat = np.concatenate(lists) if lists else np.empty(0, dtype=np.int64)
    return Ragged(flat=flat.astype(np.int64), bounds=np.concatenate([[0], np.cumsum(lengths)]))
