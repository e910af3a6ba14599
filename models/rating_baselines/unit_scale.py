"""The one number that brings the vectors of a stage's users to unit mean square."""

import torch
from torch import Tensor, nn


class UnitScale(nn.Module):
    """Cumulative mean of the batches' mean squares, as a BatchNorm without momentum keeps it.

    No model is told who trains, and vectors of users without ratings are as they were drawn;
    so it reads the vectors of training batches, and no others.
    """

    mean_square: Tensor
    num_batches: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean_square", torch.tensor(1.0))
        self.register_buffer("num_batches", torch.tensor(0))

    @torch.no_grad()
    def observe(self, vector_ND: Tensor) -> None:
        """Counts a batch in, where the module is in training mode; the first replaces the 1."""
        if self.training:
            self.num_batches += 1
            change = vector_ND.square().mean() - self.mean_square
            self.mean_square += change / self.num_batches

    def down(self, vector_ND: Tensor) -> Tensor:
        """From the factors' own scale to unit mean square."""
        return vector_ND / self._root()

    def up(self, vector_ND: Tensor) -> Tensor:
        """Back to the factors' own scale."""
        return vector_ND * self._root()

    def _root(self) -> Tensor:
        return self.mean_square.clamp(min=1e-12).sqrt()
