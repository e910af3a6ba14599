"""Soft labels against PyTorch's own cross-entropy with probabilities."""

import pytest
import torch
import torch.nn.functional as F

from models.blocks import soft_labels
from models.blocks.soft_labels import soft_item_softmax

IDS = range(4, 10)
TABLE = torch.randn(12, 3, generator=torch.Generator().manual_seed(0))
STATE = torch.randn(2, 3, generator=torch.Generator().manual_seed(1))
ITEMS = torch.tensor([[5, 9, 4], [6, 0, 0]])
SCORES = torch.tensor([[0.3, -0.2, 0.1], [0.4, -torch.inf, -torch.inf]])


def _expected(state: torch.Tensor) -> torch.Tensor:
    weight = torch.zeros(2, len(IDS))
    weight[0, [1, 5, 0]] = torch.tensor([0.3, -0.2, 0.1]).softmax(0)
    weight[1, 2] = 1
    return F.cross_entropy(state @ TABLE[4:10].T, weight, reduction="none")


def test_against_the_whole_domain():
    loss = soft_item_softmax(STATE, ITEMS, SCORES, lambda ids: TABLE[ids], IDS, None)

    torch.testing.assert_close(loss, _expected(STATE))


def test_negatives_that_are_labelled_take_no_part(monkeypatch):
    """With every item once among the negatives, sampling is the whole domain."""
    everything = torch.arange(IDS.start, IDS.stop)
    monkeypatch.setattr(soft_labels, "draw_items", lambda *args: everything)

    loss = soft_item_softmax(STATE, ITEMS, SCORES, lambda ids: TABLE[ids], IDS, len(IDS))

    torch.testing.assert_close(loss, _expected(STATE))


@pytest.mark.parametrize("num_negatives", [None, 4])
def test_gradients_are_finite_where_items_are_missing(num_negatives):
    state, table = STATE.clone().requires_grad_(), TABLE.clone().requires_grad_()
    torch.manual_seed(0)

    loss = soft_item_softmax(state, ITEMS, SCORES, lambda ids: table[ids], IDS, num_negatives)
    loss.sum().backward()

    assert loss.isfinite().all()
    assert state.grad.isfinite().all() and table.grad.isfinite().all()
    assert (table.grad[0] == 0).all()
