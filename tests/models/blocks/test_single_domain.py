"""Single-domain readings of mixed sequences: what is packed where, and who sees whom."""

import pytest
import torch

from models.batch import ItemSpace
from models.blocks.single_domain import (
    SingleDomainEncoders,
    domain_of,
    left_padded,
    newest_of_domain,
    packed_index,
    unpacked,
)
from models.blocks.transformer import EncoderConfig

SPACE = ItemSpace(sizes=(4, 4))
ITEMS = torch.tensor([[0, 1, 5, 2, 6], [0, 0, 0, 3, 4], [7, 8, 1, 5, 6]])


def test_kept_entries_move_right_in_order_and_empty_rows_go():
    kept = SPACE.contains(1, ITEMS)

    padded, valid = left_padded(ITEMS[kept], kept)

    assert padded.tolist() == [[0, 0, 5, 6], [7, 8, 5, 6]]
    assert valid.tolist() == [[False, False, True, True], [True] * 4]


def test_nothing_kept_is_no_row():
    padded, valid = left_padded(torch.zeros(0, 3), torch.zeros(2, 4).bool())

    assert padded.shape == (0, 0, 3) and valid.shape == (0, 0)


def test_packing_runs_row_by_row_and_back():
    valid = ITEMS != 0
    packed = ITEMS[valid].unsqueeze(1).float()

    assert torch.equal(unpacked(packed, valid)[..., 0].long(), ITEMS)
    assert packed_index(ITEMS)[valid].tolist() == list(range(11))


def test_the_newest_item_of_a_domain_may_be_the_position_itself_or_missing():
    asked = torch.tensor([[0, 1, 1, 1, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]])

    newest = newest_of_domain(ITEMS, asked, SPACE)

    assert newest.tolist() == [[-1, -1, 1, 1, 2], [-1, -1, -1, -1, 5], [-1, -1, 8, 8, 10]]


def test_each_domain_is_read_by_its_own_encoder_as_if_alone():
    torch.manual_seed(0)
    encoders = SingleDomainEncoders(EncoderConfig(width=8, max_length=4), SPACE).eval()
    x = torch.randn(11, 8)
    states = unpacked(encoders(x, ITEMS), ITEMS != 0)

    food, tools = encoders.encoders
    seen = torch.ones(1, 2).bool()
    torch.testing.assert_close(states[0, [1, 3]], food(x[None, [0, 2]], seen)[0])
    torch.testing.assert_close(states[0, [2, 4]], tools(x[None, [1, 3]], seen)[0])
    torch.testing.assert_close(states[1, 3:], food(x[None, 4:6], seen)[0])


def test_the_domain_of_an_item_is_that_of_its_range():
    assert domain_of(torch.tensor([[1, 4], [5, 8]]), SPACE).tolist() == [[0, 0], [1, 1]]


def test_more_items_of_a_domain_than_the_encoder_holds_are_refused():
    encoders = SingleDomainEncoders(EncoderConfig(width=8, max_length=2), SPACE)

    with pytest.raises(ValueError, match="history length 4 exceeds max_length=2"):
        encoders(torch.randn(11, 8), ITEMS)
