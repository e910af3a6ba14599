"""The sequence encoder against what causality, padding and right-aligned positions demand."""

import pytest
import torch

from models.blocks.transformer import EncoderConfig, SequenceEncoder, last_state, trim


@pytest.fixture
def encoder() -> SequenceEncoder:
    torch.manual_seed(0)
    config = EncoderConfig(width=8, num_heads=2, dropout=0.0, max_length=6, ffn_width=16)
    return SequenceEncoder(config)


def _batch(valid: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    valid_BL = torch.tensor(valid, dtype=torch.bool)
    x_BLD = torch.randn(*valid_BL.shape, 8, generator=torch.Generator().manual_seed(1))
    return x_BLD, valid_BL


def test_a_later_item_never_changes_an_earlier_state(encoder):
    x_BLD, valid_BL = _batch([[1, 1, 1, 1]])
    changed_BLD = x_BLD.clone()
    changed_BLD[:, 2, 0] += 1  # one value: LayerNorm would hide a shift of all

    before, after = encoder(x_BLD, valid_BL), encoder(changed_BLD, valid_BL)

    torch.testing.assert_close(before[:, :2], after[:, :2])
    assert not torch.allclose(before[:, 2:], after[:, 2:])


def test_an_earlier_item_changes_the_last_state(encoder):
    x_BLD, valid_BL = _batch([[1, 1, 1, 1]])
    changed_BLD = x_BLD.clone()
    changed_BLD[:, 0, 0] += 1

    before, after = encoder(x_BLD, valid_BL), encoder(changed_BLD, valid_BL)

    assert not torch.allclose(last_state(before), last_state(after))


def test_extra_padding_on_the_left_never_changes_a_state(encoder):
    x_BLD, valid_BL = _batch([[1, 1, 1]])
    padded_BLD = torch.cat([torch.full((1, 3, 8), 7.0), x_BLD], dim=1)
    padded_BL = torch.tensor([[False, False, False, True, True, True]])

    torch.testing.assert_close(encoder(padded_BLD, padded_BL)[:, 3:], encoder(x_BLD, valid_BL))


def test_the_order_of_a_batch_is_the_order_of_its_states(encoder):
    x_BLD, valid_BL = _batch([[0, 1, 1], [1, 1, 1], [0, 0, 1]])
    order = torch.tensor([2, 0, 1])

    states = encoder(x_BLD, valid_BL)

    torch.testing.assert_close(encoder(x_BLD[order], valid_BL[order]), states[order])


def test_the_order_of_a_history_matters(encoder):
    x_BLD, valid_BL = _batch([[1, 1, 1]])
    swapped_BLD = x_BLD[:, [1, 0, 2]]

    states, swapped = encoder(x_BLD, valid_BL), encoder(swapped_BLD, valid_BL)

    assert not torch.allclose(last_state(states), last_state(swapped))


def test_an_empty_history_gives_zeros_and_finite_gradients(encoder):
    x_BLD, valid_BL = _batch([[0, 0, 0], [0, 1, 1]])
    x_BLD.requires_grad_()

    states = encoder(x_BLD, valid_BL)
    states.square().sum().backward()

    assert (states[0] == 0).all() and (states[1, 0] == 0).all()
    assert (x_BLD.grad[0] == 0).all() and x_BLD.grad.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in encoder.parameters())


def test_a_batch_of_empty_histories_gives_zeros(encoder):
    x_BLD, valid_BL = _batch([[0, 0], [0, 0]])

    assert (encoder(x_BLD, valid_BL) == 0).all()


def test_input_is_scaled_by_the_root_of_the_width(encoder):
    without_blocks = SequenceEncoder(EncoderConfig(width=4, num_blocks=0, dropout=0.0))
    torch.nn.init.zeros_(without_blocks.position)
    without_blocks.norm = torch.nn.Identity()

    states = without_blocks(torch.ones(1, 1, 4), torch.ones(1, 1, dtype=torch.bool))

    torch.testing.assert_close(states, torch.full((1, 1, 4), 2.0))


def test_too_long_a_history_is_refused_with_the_remedy(encoder):
    with pytest.raises(ValueError, match="length 7 exceeds max_length=6; trim"):
        encoder(*_batch([[1] * 7]))


def test_a_width_that_heads_cannot_share_is_refused():
    with pytest.raises(ValueError, match=r"width=10 .* num_heads=4"):
        EncoderConfig(width=10, num_heads=4)


def test_trim_keeps_the_newest_and_drops_columns_that_pad_all_rows():
    items_BL = torch.tensor([[0, 0, 0, 4, 5], [0, 0, 1, 2, 3]])

    assert trim(items_BL, 50).tolist() == [[0, 4, 5], [1, 2, 3]]
    assert trim(items_BL, 2).tolist() == [[4, 5], [2, 3]]
    assert trim(torch.zeros(2, 3, dtype=torch.int64), 50).tolist() == [[0], [0]]
