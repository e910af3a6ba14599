"""BiasedMF: its formula, whom it learns from, and what it knows of cold users."""

import dataclasses

import pytest
import torch

from models.batch import ItemSpace
from models.rating_baselines.biased_mf import BiasedMF, BiasedMFConfig, DomainFactors
from models.ratings import AUXILIARY, TARGET, Known, Pairs, RatingModel, Ratings

# Auxiliary items 1..3, target items 4..6.
SPACE = ItemSpace(sizes=(3, 3))
PAIRS = Pairs(torch.tensor([0, 1, 1]), torch.tensor([1, 4, 2]))
BATCH = Ratings(*PAIRS, torch.tensor([5.0, 3.0, 2.0]))


def _known(space: ItemSpace = SPACE, num_users: int = 3, mean_rating: float = 4.0) -> Known:
    return Known(
        space=space,
        num_users=num_users,
        mean_rating=mean_rating,
        history_UL=torch.zeros(num_users, 1, dtype=torch.int64),
        history_rating_UL=torch.zeros(num_users, 1),
        features=None,
    )


def _model(**settings: object) -> BiasedMF:
    """With biases that are no longer zero."""
    torch.manual_seed(0)
    model = BiasedMF(BiasedMFConfig(width=2, **settings), _known())
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    return model


def _train(model: BiasedMF, batch: Ratings, steps: int = 400) -> None:
    model.begin("ratings")
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.stack(list(model.loss("ratings", batch).values())).sum().backward()
        optimizer.step()


def test_a_rating_is_the_mean_two_deviations_and_a_product_of_its_own_domain():
    factors = _model().factors
    vector, deviation = factors.user_vector.weight, factors.user_deviation.weight
    item_vector, item_deviation = factors.item_vector.weight, factors.item_deviation.weight
    auxiliary = factors.auxiliary_mean + deviation[1, 0] + item_deviation[2, 0]
    target = 4.0 + deviation[3 + 1, 0] + item_deviation[4, 0]

    rating_N = factors.ratings(PAIRS)

    assert torch.allclose(rating_N[2], auxiliary + vector[1] @ item_vector[2])
    assert torch.allclose(rating_N[1], target + vector[3 + 1] @ item_vector[4])


def test_vectors_and_biases_make_up_the_rating():
    factors = _model().factors
    user_N, item_N = torch.tensor([0, 2]), torch.tensor([4, 6])
    product_N = (factors.user_vectors(TARGET, user_N) * factors.item_vectors(item_N)).sum(dim=1)

    bias_N = factors.bias(user_N, item_N)
    assert torch.allclose(factors.ratings(Pairs(user_N, item_N)), bias_N + product_N)
    own_N = factors.item_bias(item_N) + factors.user_bias(TARGET, user_N)
    assert torch.allclose(bias_N, own_N)
    assert not torch.equal(
        factors.user_vectors(TARGET, user_N), factors.user_vectors(AUXILIARY, user_N)
    )


def test_shared_users_are_the_same_in_both_domains():
    factors = DomainFactors(SPACE, 3, 2, 4.0, shared_users=True)
    user_N = torch.tensor([0, 2])

    assert torch.equal(factors.user_vectors(TARGET, user_N), factors.user_vectors(0, user_N))
    assert len(factors.user_vector.weight) == 3


def test_the_penalty_is_the_mean_squared_norm_of_what_the_ratings_read():
    factors = _model().factors
    user, item = torch.tensor([0, 4, 1]), PAIRS.item_N
    read = (
        factors.user_vector.weight[user].square().sum()
        + factors.item_vector.weight[item].square().sum()
        + factors.user_deviation.weight[user].square().sum()
        + factors.item_deviation.weight[item].square().sum()
    )

    assert torch.allclose(factors.penalty(PAIRS), read / 3)


def test_the_loss_is_the_squared_error_and_the_weighted_penalty():
    model = _model(penalty=0.5)
    losses = model.loss("ratings", BATCH)

    errors_N = model.factors.ratings(PAIRS) - BATCH.rating_N
    assert torch.allclose(losses["rating"], errors_N.square().mean())
    assert torch.allclose(losses["penalty"], 0.5 * model.factors.penalty(PAIRS))


def test_before_training_everyone_is_predicted_near_the_mean():
    torch.manual_seed(0)
    model = BiasedMF(BiasedMFConfig(), _known())

    assert torch.allclose(model.predict_known(PAIRS), torch.full((3,), 4.0), atol=0.01)
    assert torch.equal(model.predict(PAIRS), torch.full((3,), 4.0))


def test_a_rating_moves_the_sides_of_its_own_domain_alone():
    model = _model(penalty=0.1)
    model.begin("ratings")
    target = Ratings(torch.tensor([1]), torch.tensor([4]), torch.tensor([3.0]))
    sum(model.loss("ratings", target).values()).backward()

    moved = model.factors.user_vector.weight.grad.abs().sum(dim=1) > 0
    assert moved.tolist() == [False, False, False, False, True, False]
    assert model.factors.item_vector.weight.grad[4].abs().sum() > 0
    assert model.factors.item_vector.weight.grad[:4].abs().sum() == 0
    assert model.factors.auxiliary_mean.grad == 0


def test_the_auxiliary_mean_is_learnt_and_the_target_mean_is_held():
    model = BiasedMF(BiasedMFConfig(penalty=10.0), _known())
    auxiliary = Ratings(torch.tensor([0, 1]), torch.tensor([1, 2]), torch.tensor([2.0, 2.0]))
    _train(model, auxiliary)

    assert model.factors.auxiliary_mean.item() == pytest.approx(2.0, abs=0.1)
    assert model.factors.target_mean.item() == 4.0


def test_a_cold_user_is_predicted_the_items_deviation_whoever_they_are():
    model = _model()
    users, items = torch.tensor([0, 1, 2]), torch.tensor([4, 4, 5])

    rating_N = model.predict(Pairs(users, items))

    expected = 4.0 + model.factors.item_deviation.weight[items, 0]
    assert torch.allclose(rating_N, expected)
    assert not rating_N.requires_grad


def test_the_auxiliary_deviation_is_added_on_request():
    model = _model(user_bias=True)
    users, items = torch.tensor([0, 2]), torch.tensor([4, 4])

    expected = 4.0 + model.factors.item_deviation.weight[items, 0]
    expected = expected + model.factors.user_deviation.weight[users, 0]
    assert torch.allclose(model.predict(Pairs(users, items)), expected)


@pytest.mark.parametrize("user_bias", [False, True])
def test_cold_predictions_read_nothing_of_the_users_target_side(user_bias):
    model = _model(user_bias=user_bias)
    pairs = Pairs(torch.tensor([2, 2]), torch.tensor([4, 5]))
    cold, known = model.predict(pairs), model.predict_known(pairs)

    with torch.no_grad():
        model.factors.user_vector.weight[3 + 2] += 1
        model.factors.user_deviation.weight[3 + 2] += 1

    assert torch.equal(model.predict(pairs), cold)
    assert not torch.allclose(model.predict_known(pairs), known)


def test_planted_factors_are_recovered_for_known_users():
    generator = torch.Generator().manual_seed(0)
    user_UD = torch.randn(30, 2, generator=generator)
    item_VD = torch.randn(40, 2, generator=generator)
    rating_UV = 3.5 + user_UD @ item_VD.T
    user_N, column_N = torch.ones_like(rating_UV).nonzero(as_tuple=True)
    held_N = torch.rand(len(user_N), generator=generator) < 0.2
    ratings = Ratings(user_N, column_N + 1, rating_UV.flatten())
    train, held = (Ratings(*(c[mask] for c in ratings)) for mask in (~held_N, held_N))
    torch.manual_seed(0)
    known = _known(ItemSpace(sizes=(20, 20)), num_users=30, mean_rating=3.5)
    model = BiasedMF(BiasedMFConfig(width=3, penalty=0.001), known)
    _train(model, train)

    error = (model.predict_known(held.pairs) - held.rating_N).square().mean()
    assert error < 0.1 * held.rating_N.var()


def test_it_is_a_model_of_ratings():
    model = BiasedMF(BiasedMFConfig(), _known())
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    model.begin("ratings")

    assert isinstance(model, RatingModel)
    assert all(parameter.requires_grad for parameter in model.parameters())
    with pytest.raises(dataclasses.FrozenInstanceError):
        model.config.width = 3
