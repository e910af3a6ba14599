"""Dropout whose random numbers cost a byte each instead of a draw each.

On a CPU torch draws a Bernoulli number for every value, which took a tenth of a training step.
Here one 64-bit draw decides eight values, so a rate counts in 256ths: 0.5 is exact, 0.1 becomes
26/256. What is kept is scaled by the rate in effect, so that means stay as they are.
"""

import torch
from torch import Tensor, nn

_LEVELS = 256


def dropout(x: Tensor, rate: float, training: bool) -> Tensor:
    """`x` with a share `rate` (0..1, 1 excluded) of its values zeroed, the others scaled up.

    Draws from torch's default generator; outside of training, `x` itself.
    """
    dropped = round(rate * _LEVELS)
    if not training or dropped == 0:
        return x
    num_draws = -(-x.numel() // 8)
    draws = torch.empty(num_draws, dtype=torch.int64, device=x.device).random_(-(2**63), None)
    level = draws.view(torch.uint8)[: x.numel()].view(x.shape)
    return x * (level >= dropped).to(x.dtype).mul_(_LEVELS / (_LEVELS - dropped))


class FastDropout(nn.Module):
    """`dropout` as a module."""

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        return dropout(x, self.rate, self.training)
