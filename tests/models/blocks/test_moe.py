"""The mixture against a single linear layer, which it must equal in two corners."""

import torch
from torch import nn

from models.blocks.moe import DenseMixture


def _normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _with_experts(weight_OI: torch.Tensor, bias_O: torch.Tensor, num_experts: int) -> DenseMixture:
    mixture = DenseMixture(6, 3, num_experts, gate_width=2)
    with torch.no_grad():
        mixture.weight_EOI.copy_(weight_OI.expand(num_experts, -1, -1))
        mixture.bias_EO.copy_(bias_O.expand(num_experts, -1))
    return mixture


def test_one_expert_and_equal_experts_are_a_linear_layer():
    linear, x_NI, gate_NG = nn.Linear(6, 3), _normal(4, 6), _normal(4, 2, seed=1)

    for num_experts in (1, 5):
        mixture = _with_experts(linear.weight, linear.bias, num_experts)
        torch.testing.assert_close(mixture(x_NI, gate_NG), linear(x_NI))


def test_the_gate_weighs_experts_by_a_softmax():
    mixture = DenseMixture(1, 1, 2, gate_width=1)
    with torch.no_grad():
        mixture.weight_EOI.copy_(torch.tensor([[[1.0]], [[10.0]]]))
        mixture.bias_EO.copy_(torch.tensor([[0.0], [1.0]]))
        mixture.gate.weight.copy_(torch.tensor([[0.0], [1.0]]))

    # Gate input log 3 gives shares 1/4 and 3/4: 1/4 * 2 + 3/4 * (20 + 1).
    output = mixture(torch.tensor([[2.0]]), torch.tensor([[3.0]]).log())

    torch.testing.assert_close(output, torch.tensor([[16.25]]))
