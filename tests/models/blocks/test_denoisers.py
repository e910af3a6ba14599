"""Denoisers: how the condition enters, and what happens when there is none."""

import pytest
import torch

from models.blocks.denoisers import CrossAttention, Denoiser, DenoiserConfig, sinusoid


def _normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _denoiser(guidance: str) -> Denoiser:
    torch.manual_seed(0)
    return Denoiser(DenoiserConfig(width=8, guidance=guidance)).eval()


def test_attention_over_one_token_is_a_linear_map_of_it():
    torch.manual_seed(0)
    attention = CrossAttention(DenoiserConfig(width=8))
    token_N1D = _normal(3, 1, 8)
    expected = attention.out(attention.value(token_N1D[:, 0]))

    for seed in (1, 2):
        torch.testing.assert_close(attention(_normal(3, 8, seed=seed), token_N1D, None), expected)


def test_a_single_token_is_answered_as_attention_would():
    torch.manual_seed(0)
    attention, token_NSD = CrossAttention(DenoiserConfig(width=8)), _normal(3, 2, 8)
    first_alone_NS = torch.tensor([[True, False]] * 3)

    masked = attention(_normal(3, 8), token_NSD, first_alone_NS)

    torch.testing.assert_close(attention(_normal(3, 8), token_NSD[:, :1], None), masked)


def test_attention_over_several_tokens_depends_on_who_asks():
    torch.manual_seed(0)
    attention, token_NSD = CrossAttention(DenoiserConfig(width=8)), _normal(1, 3, 8)

    answers = [attention(_normal(1, 8, seed=seed), token_NSD, None) for seed in (1, 2)]

    assert not torch.allclose(*answers)


@pytest.mark.parametrize("guidance", ["xattn", "linear"])
def test_overlooked_tokens_never_matter(guidance):
    denoiser, x_ND, step_N = _denoiser(guidance), _normal(2, 8), torch.tensor([3, 9])
    token_NSD, valid_NS = _normal(2, 3, 8, seed=1), torch.tensor([[False, True, True]] * 2)
    changed_NSD = token_NSD.clone()
    changed_NSD[:, 0] = 99.0

    outputs = [denoiser(x_ND, step_N, token, valid_NS) for token in (token_NSD, changed_NSD)]

    torch.testing.assert_close(*outputs)
    torch.testing.assert_close(outputs[0], denoiser(x_ND, step_N, token_NSD[:, 1:]))


@pytest.mark.parametrize("guidance", ["xattn", "linear", "cfg", "none"])
def test_a_row_without_tokens_is_finite_forward_and_backward(guidance):
    denoiser, token_NSD = _denoiser(guidance), _normal(1, 2, 8).requires_grad_()

    output = denoiser(_normal(1, 8), torch.tensor([1]), token_NSD, torch.zeros(1, 2).bool())
    output.sum().backward()

    assert output.isfinite().all()
    grads = [parameter.grad for parameter in denoiser.parameters() if parameter.grad is not None]
    assert all(grad.isfinite().all() for grad in grads)


@pytest.mark.parametrize("guidance, listens", [("xattn", True), ("linear", True), ("none", False)])
def test_only_guided_denoisers_listen_to_the_condition(guidance, listens):
    denoiser, x_ND, step_N = _denoiser(guidance), _normal(2, 8), torch.tensor([3, 9])

    outputs = [denoiser(x_ND, step_N, _normal(2, 1, 8, seed=seed)) for seed in (1, 2)]

    assert torch.allclose(*outputs) != listens


def test_guided_sampling_extrapolates_from_the_blind_answer():
    denoiser = _denoiser("cfg")
    torch.nn.init.normal_(denoiser.null)
    x_ND, step_N, token_NSD = _normal(2, 8), torch.tensor([3, 9]), _normal(2, 4, 8, seed=1)
    blind = denoiser(x_ND, step_N, denoiser.null.expand(2, 4, -1))  # as training hides it
    seen = denoiser(x_ND, step_N, token_NSD)

    for scale, expected in ((0.0, blind), (1.0, seen), (3.0, blind + 3 * (seen - blind))):
        guided = denoiser.guided(x_ND, step_N, token_NSD, None, scale)
        torch.testing.assert_close(guided, expected, rtol=1e-4, atol=1e-5)


def test_a_share_of_conditions_is_hidden_whole():
    denoiser, token_NSD = _denoiser("cfg"), torch.ones(2000, 2, 8)
    torch.manual_seed(0)

    hidden_NSD = denoiser.hide(token_NSD, 0.2)

    hidden_N = (hidden_NSD == 0).all(dim=(1, 2))
    assert (hidden_N | (hidden_NSD == 1).all(dim=(1, 2))).all()
    assert abs(hidden_N.float().mean().item() - 0.2) < 0.03
    assert _denoiser("xattn").hide(token_NSD, 0.2) is token_NSD


def test_the_step_matters():
    denoiser, x_ND, token = _denoiser("xattn"), _normal(1, 8), _normal(1, 1, 8, seed=1)

    outputs = [denoiser(x_ND, torch.tensor([step]), token) for step in (1, 90)]

    assert not torch.allclose(*outputs)


def test_the_sinusoid_of_a_step_is_worked_by_hand():
    # Frequencies 1 and 1 / 100 at width 4.
    expected = torch.tensor([[2.0, 0.02]])

    torch.testing.assert_close(
        sinusoid(torch.tensor([2]), 4), torch.cat([expected.cos(), expected.sin()], dim=1)
    )


def test_a_width_that_heads_cannot_share_is_refused():
    with pytest.raises(ValueError, match=r"width=6 .* num_heads=4"):
        DenoiserConfig(width=6)
