"""The moving average of weights: against the recursion that defines it, and put back in place."""

import torch
from torch import nn

from pipeline.train.average import WeightAverage


def _net() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(3, 2)


def _walk(model: nn.Linear, average: WeightAverage, steps: int) -> list[torch.Tensor]:
    """Random steps; the weights after each."""
    seen = []
    for _ in range(steps):
        with torch.no_grad():
            model.weight += torch.randn_like(model.weight)
        average.update()
        seen.append(model.weight.detach().clone())
    return seen


def test_the_average_follows_its_recursion():
    model = _net()
    expected, average = model.weight.detach().clone(), WeightAverage(model, 0.9)

    for number, weight in enumerate(_walk(model, average, 100), start=1):
        decay = min(0.9, (1 + number) / (10 + number))
        expected = decay * expected + (1 - decay) * weight

    with average.in_place():
        torch.testing.assert_close(model.weight.detach(), expected)


def test_the_model_gets_its_own_weights_back():
    model = _net()
    average = WeightAverage(model, 0.9)
    own = _walk(model, average, 5)[-1]

    with average.in_place():
        assert not torch.equal(model.weight, own)

    assert torch.equal(model.weight, own)


def test_without_a_decay_the_weights_are_used_as_they_are():
    model = _net()
    average = WeightAverage(model, 0.0)
    own = _walk(model, average, 3)[-1]

    with average.in_place():
        assert torch.equal(model.weight, own)
    assert average.state() == {}


def test_frozen_weights_take_no_part():
    model = _net()
    model.bias.requires_grad_(False)
    average = WeightAverage(model, 0.9)

    assert set(average.state()) == {"0", "num_steps"}
