"""The transition graph: what is kept of the counts, and what an item's vector becomes."""

import pytest
import torch

from models.blocks.transitions import TransitionTable, most_frequent

BEFORE = torch.tensor([1, 1, 1, 1, 1, 1, 2, 4, 4])
AFTER = torch.tensor([3, 2, 3, 4, 3, 2, 1, 2, 1])


def test_the_most_frequent_successors_are_kept_and_share_one():
    successors, weights = most_frequent(BEFORE, AFTER, 5, 2)

    assert successors.tolist() == [[0, 0], [3, 2], [1, 0], [0, 0], [1, 2]]
    expected = torch.tensor([[0, 0], [0.6, 0.4], [1, 0], [0, 0], [0.5, 0.5]])
    torch.testing.assert_close(weights, expected)


def test_an_item_takes_half_of_its_successors_mean():
    table = TransitionTable(5, 2, num_successors=2)
    table.set_graph(BEFORE, AFTER)
    item = table.item.weight.detach()

    found = table(torch.tensor([[1, 0], [3, 1]]))

    one = 1.5 * item[1] + 0.5 * (0.6 * item[3] + 0.4 * item[2])
    torch.testing.assert_close(found[0, 0], one)
    torch.testing.assert_close(found[1, 1], one)
    torch.testing.assert_close(found[1, 0], 1.5 * item[3])
    assert (found[0, 1] == 0).all()


def test_with_every_successor_kept_it_is_the_convolution_of_the_whole_graph():
    generator = torch.Generator().manual_seed(0)
    before, after = torch.randint(1, 9, (2, 60), generator=generator)
    table = TransitionTable(9, 4, num_successors=8)
    table.set_graph(before, after)
    count = torch.zeros(9, 9).index_put_((before, after), torch.ones(60), accumulate=True)
    item = table.item.weight
    whole = item + (item + count / count.sum(1, keepdim=True).clamp(min=1) @ item) / 2
    ids = torch.tensor([3, 8, 3, 1])
    pull = torch.randn(4, 4, generator=generator)

    torch.testing.assert_close(table(ids), whole[ids])
    ours, theirs = (torch.autograd.grad((x * pull).sum(), item) for x in (table(ids), whole[ids]))
    torch.testing.assert_close(ours, theirs)


def test_a_new_graph_replaces_the_old():
    table = TransitionTable(5, 2, num_successors=2)
    table.set_graph(BEFORE, AFTER)
    table.set_graph(torch.tensor([2]), torch.tensor([3]))

    assert table.weight_VK.sum().item() == pytest.approx(1)
    assert table.successor_VK[2].tolist() == [3, 0]
