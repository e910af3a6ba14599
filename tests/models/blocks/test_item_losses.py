"""Ranking losses against sums worked by hand."""

import math

import pytest
import torch
from torch import nn

from models.batch import ItemSpace
from models.blocks.losses import domain_bce, domain_softmax, item_softmax, sampled_softmax

SPACE = ItemSpace(sizes=(2, 3))


@pytest.fixture
def item() -> nn.Embedding:
    """Items 1..5 with one value each: their score for the state [1] is that value."""
    values = torch.tensor([[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]])
    return nn.Embedding.from_pretrained(values, freeze=False)


def test_the_full_softmax_stays_within_the_domain(item):
    loss_N = item_softmax(torch.ones(1, 1), torch.tensor([4]), item, SPACE.ids(1), None)

    expected = math.log(math.exp(3) + math.exp(4) + math.exp(5)) - 4
    assert loss_N.tolist() == pytest.approx([expected])


def test_states_of_several_domains_are_averaged(item):
    loss = domain_softmax(torch.ones(2, 1), torch.tensor([1, 4]), item, SPACE, None)

    first = math.log(math.exp(1) + math.exp(2)) - 1
    second = math.log(math.exp(3) + math.exp(4) + math.exp(5)) - 4
    assert loss.item() == pytest.approx((first + second) / 2)


def test_a_negative_that_is_the_label_takes_no_part():
    loss_N = sampled_softmax(
        torch.ones(2, 1),
        torch.tensor([[4.0], [3.0]]),
        torch.tensor([4, 3]),
        torch.tensor([[4.0], [5.0]]),
        torch.tensor([4, 5]),
    )

    first = math.log(math.exp(4) + math.exp(5)) - 4
    second = math.log(math.exp(3) + math.exp(4) + math.exp(5)) - 3
    assert loss_N.tolist() == pytest.approx([first, second])


def test_sampled_negatives_come_from_the_labels_own_domain(item):
    loss = domain_softmax(torch.ones(1, 1), torch.tensor([2]), item, SPACE, 400)
    loss.backward()

    assert (item.weight.grad[3:] == 0).all() and item.weight.grad[1].abs() > 0


def test_no_states_give_zero_and_not_nan(item):
    nothing = torch.zeros(0, 1, requires_grad=True), torch.zeros(0, dtype=torch.int64), item

    for loss in (domain_softmax(*nothing, SPACE, None), domain_bce(*nothing, SPACE)):
        loss.backward()
        assert loss.item() == 0


def test_the_binary_loss_draws_any_other_item_of_the_domain(item):
    label_N = torch.full((300,), 4)
    loss = domain_bce(torch.ones(300, 1), label_N, item, SPACE)
    loss.backward()

    positive, low, high = (math.log1p(math.exp(x)) for x in (-4, 3, 5))
    assert positive + low < loss.item() < positive + high
    assert (item.weight.grad[:3] == 0).all()
    assert item.weight.grad[3] > 0 and item.weight.grad[5] > 0  # pushed down
    assert item.weight.grad[4] < 0  # the label is pulled up, and never a negative


def test_draws_follow_their_generator(item):
    losses = [
        domain_softmax(
            torch.ones(1, 1), torch.tensor([4]), item, SPACE, 3, torch.Generator().manual_seed(seed)
        ).item()
        for seed in (0, 0, 1, 2, 3)
    ]

    assert losses[0] == losses[1] and len(set(losses)) > 1
