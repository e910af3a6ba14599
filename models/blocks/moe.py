"""A dense mixture of linear experts: every expert answers, a gate weighs the answers.

LGCD (2026), eq. 23-24. Departs from the printed equation, whose gate has one output and could
not weigh several experts: here it has one for each.

Shapes: N rows, I input width, O output width, E experts, G gate input width.
"""

import math

import torch
from torch import Tensor, nn


class DenseMixture(nn.Module):
    """With `pass_first`, every expert starts near handing on the first O of its I inputs."""

    def __init__(
        self,
        in_width: int,
        out_width: int,
        num_experts: int,
        gate_width: int,
        pass_first: bool = False,
    ):
        super().__init__()
        self.gate = nn.Linear(gate_width, num_experts, bias=False)
        self.weight_EOI = nn.Parameter(torch.empty(num_experts, out_width, in_width))
        self.bias_EO = nn.Parameter(torch.zeros(num_experts, out_width))
        init_weights(self, pass_first)

    def forward(self, x_NI: Tensor, gate_NG: Tensor) -> Tensor:
        """sum over experts of softmax(gate)_e * (W_e x + b_e), [N, O]."""
        share_NE = self.gate(gate_NG).softmax(dim=-1)
        answer_NEO = torch.einsum("ni,eoi->neo", x_NI, self.weight_EOI) + self.bias_EO
        return torch.einsum("ne,neo->no", share_NE, answer_NEO)


def init_weights(mixture: DenseMixture, pass_first: bool) -> None:
    """Experts as `nn.Linear` starts, uniform within 1 / sqrt(I), each on its own; gate too.

    With `pass_first` the experts shrink to 0.3 of that and add the identity.
    """
    bound = 1 / math.sqrt(mixture.weight_EOI.shape[2])
    nn.init.uniform_(mixture.weight_EOI, -bound, bound)
    nn.init.uniform_(mixture.gate.weight, -bound, bound)
    if pass_first:
        with torch.no_grad():
            out_width = mixture.weight_EOI.shape[1]
            mixture.weight_EOI.mul_(0.3)
            mixture.weight_EOI[:, :, :out_width] += torch.eye(out_width)
