"""The moving average of a run's weights, which is what is validated and kept.

An exponential moving average stands for the ensemble of the newest epochs at the price of one
model (Polyak and Juditsky 1992; Izmailov et al. 2018). Its early values would be the initial
weights, so it starts out short: decay = min(decay, (1 + n) / (10 + n)) after n steps.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """Follows `model`; decay 0 is no average at all: the weights are validated as they are."""

    def __init__(self, model: nn.Module, decay: float):
        self.model, self.decay, self.num_steps = model, decay, 0
        self._average = [value.detach().clone() for value in self._weights()]

    def update(self) -> None:
        """After each training step."""
        self.num_steps += 1
        decay = min(self.decay, (1 + self.num_steps) / (10 + self.num_steps))
        if self.decay:
            torch._foreach_lerp_(self._average, self._weights(), 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within it the model has the averaged weights; afterwards its own again."""
        if not self.decay:
            yield
            return
        own = [value.clone() for value in self._weights()]
        self._copy_in(self._average)
        try:
            yield
        finally:
            self._copy_in(own)

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint needs; empty without an average."""
        if not self.decay:
            return {}
        numbered = {str(number): value for number, value in enumerate(self._average)}
        return {**numbered, "num_steps": torch.tensor(self.num_steps)}

    def load(self, state: dict[str, Tensor]) -> None:
        """From `state` of a run with the same parameters."""
        if self.decay:
            self.num_steps = int(state["num_steps"])
            for number, value in enumerate(self._average):
                value.copy_(state[str(number)])

    def _weights(self) -> list[Tensor]:
        return [value.detach() for value in self.model.parameters() if value.requires_grad]

    def _copy_in(self, values: list[Tensor]) -> None:
        for own, value in zip(self._weights(), values, strict=True):
            own.copy_(value)
