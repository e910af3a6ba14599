"""DiffCDR: the noise network, guidance and the way back by hand, and what each term is."""

import math

import pytest
import torch
from torch import nn

from models.batch import ItemSpace
from models.blocks.denoisers import sinusoid
from models.blocks.diffusion import DiffusionConfig
from models.rating_baselines.diffcdr import DiffCDR, DiffCDRConfig, NoiseNetwork
from models.ratings import AUXILIARY, TARGET, Known, Pairs, Ratings

SPACE = ItemSpace(sizes=(2, 3))
BATCH = Ratings(torch.tensor([0, 1, 0]), torch.tensor([3, 4, 5]), torch.tensor([5.0, 2.0, 4.0]))


def _known(num_users: int = 4) -> Known:
    nothing = torch.zeros(num_users, 1)
    return Known(SPACE, num_users, 3.0, nothing.long(), nothing, None)


def _diffcdr(known: Known | None = None, **settings: object) -> DiffCDR:
    torch.manual_seed(0)
    model = DiffCDR(DiffCDRConfig(width=2, **settings), known or _known())
    for table in (model.factors.user_vector, model.factors.item_vector):
        nn.init.normal_(table.weight)
    return model


def test_step_and_condition_are_added_and_three_linear_layers_follow():
    network = NoiseNetwork(width=2, hidden=6)
    x, condition = torch.randn(2, 2), torch.randn(2, 2)
    step, shown = torch.tensor([1, 700]), torch.tensor([True, False])
    added = x + network.time(sinusoid(step, 6))
    added[0] += condition[0] @ network.condition.weight.T + network.condition.bias
    for layer in network.layers:
        added = added @ layer.weight.T + layer.bias

    assert len(network.layers) == 3
    torch.testing.assert_close(network(x, step, condition, shown), added)


def test_guidance_goes_from_the_blind_to_the_conditional_prediction():
    network, step = NoiseNetwork(width=2, hidden=6), torch.tensor([5])
    x, condition = torch.randn(1, 2), torch.randn(1, 2)
    blind = network(x, step, condition, torch.tensor([False]))
    told = network(x, step, condition, torch.tensor([True]))

    guided = network.guided(x, step, condition, 0.1)

    torch.testing.assert_close(guided, blind + 0.1 * (told - blind))


def test_the_way_back_starts_from_the_source_is_guided_and_keeps_the_predicted_noise():
    two_steps = DiffusionConfig(
        num_steps=2, beta_min=0.36, beta_max=0.75, schedule="linear", target="eps"
    )
    model = _diffcdr(diffusion=two_steps, num_calls=2, hidden=2, guidance=0.3)
    for linear in (model.noise.time, model.noise.condition, *model.noise.layers):
        nn.init.eye_(linear.weight)
        nn.init.zeros_(linear.bias)
    nn.init.zeros_(model.noise.time.weight)  # the noise is x, told: x + source
    # alpha_bar: 0.64, then 0.16.
    expected = []
    for source in (0.5, 2.0):
        eps = 1.3 * source
        x1 = 0.8 * (source - math.sqrt(0.84) * eps) / 0.4 + 0.6 * eps
        expected.append((x1 - 0.6 * (x1 + 0.3 * source)) / 0.8)

    found = model._way_back(torch.tensor([[0.5, 2.0]]))

    assert found[0].tolist() == pytest.approx(expected, rel=1e-5)


def test_the_defaults_are_the_papers():
    config = DiffCDRConfig()
    path = _diffcdr().diffusion.path(config.diffusion.num_steps, config.num_calls)

    assert (len(path), path[0], path[-1]) == (30, 1000, 1)
    assert _diffcdr().diffusion.alpha_bar[1000] == pytest.approx(4.03583e-5, rel=1e-4)
    assert _diffcdr().align.bias is None


def test_the_terms_of_alignment_and_ratings_are_those_of_the_vectors_at_the_end():
    model = _diffcdr(user_bias=False)
    losses = model.loss("diffusion", BATCH)
    with torch.no_grad():
        source = model.factors.user_vectors(AUXILIARY, BATCH.user_N)
        target = model.factors.user_vectors(TARGET, BATCH.user_N)
        source_root, target_root = (x.square().mean().sqrt() for x in (source, target))
        end = model._way_back(source / source_root) @ model.align.weight.T
        gap = (end - target / target_root).abs()
        alignment = torch.where(gap < 1, gap.square() / 2, gap - 0.5).mean()
        items = model.factors.item_vectors(BATCH.item_N)
        rating = model.factors.item_bias(BATCH.item_N) + (target_root * end * items).sum(dim=1)

    torch.testing.assert_close(losses["alignment"], alignment, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(
        losses["transferred"], 0.1 * (rating - BATCH.rating_N).square().mean(), rtol=1e-4, atol=1e-4
    )
    torch.testing.assert_close(model.predict(BATCH.pairs), rating, rtol=1e-4, atol=1e-4)


def test_the_noise_term_is_smooth_l1_of_the_noise_that_was_added():
    model = _diffcdr(hide_rate=1.0)
    with torch.no_grad():
        model.noise.layers[2].weight.zero_()
        model.noise.layers[2].bias.zero_()
    torch.manual_seed(7)
    model.diffusion.random_steps(torch.zeros(3, 2))
    gap = torch.randn(3, 2).abs()

    torch.manual_seed(7)
    loss = model.loss("diffusion", BATCH)["noise"]

    torch.testing.assert_close(loss, torch.where(gap < 1, gap.square() / 2, gap - 0.5).mean())


@pytest.mark.parametrize(("hide_rate", "moved"), [(1.0, False), (0.0, True)])
def test_a_hidden_condition_teaches_the_noise_network_nothing(hide_rate, moved):
    model = _diffcdr(hide_rate=hide_rate)

    model.loss("diffusion", BATCH)["noise"].backward()

    assert bool(model.noise.condition.weight.grad.abs().sum() > 0) == moved


def test_another_target_than_noise_is_refused():
    with pytest.raises(ValueError, match=r"diffusion\.target='x0'"):
        DiffCDRConfig(diffusion=DiffusionConfig())


def test_a_planted_turn_of_users_vectors_is_followed_by_cold_users():
    users = torch.arange(100)
    model = _diffcdr(_known(num_users=100), user_bias=False, hidden=32, num_calls=5)
    turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    with torch.no_grad():
        source = model.factors.user_vectors(AUXILIARY, users)
        model.factors.user_vector.weight[TARGET * 100 :] = source @ turn
    user = users[:80].repeat(3)
    item = torch.arange(3, 6).repeat_interleave(80)
    asked = Pairs(users[80:].repeat(3), torch.arange(3, 6).repeat_interleave(20))
    batch = Ratings(user, item, model.predict_known(Pairs(user, item)))
    model.begin("diffusion")
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=0.01)
    for _ in range(80):
        optimizer.zero_grad()
        sum(model.loss("diffusion", batch).values()).backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()

    truth = model.predict_known(asked)
    error = (model.predict(asked) - truth).square().mean()
    assert error < 0.5 * (truth - 3).square().mean()
