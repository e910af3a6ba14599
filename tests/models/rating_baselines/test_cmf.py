"""CMF: users are shared, so that auxiliary ratings say what cold users rate."""

import torch

from models.batch import ItemSpace
from models.rating_baselines.cmf import CMF, CMFConfig
from models.ratings import Known, Pairs, RatingModel, Ratings

# Auxiliary items 1..3, target items 4..6.
SPACE = ItemSpace(sizes=(3, 3))


def _known(space: ItemSpace = SPACE, num_users: int = 3, mean_rating: float = 4.0) -> Known:
    return Known(
        space=space,
        num_users=num_users,
        mean_rating=mean_rating,
        history_UL=torch.zeros(num_users, 1, dtype=torch.int64),
        history_rating_UL=torch.zeros(num_users, 1),
        features=None,
    )


def _trained(known: Known, train: Ratings, steps: int, **settings: float) -> CMF:
    torch.manual_seed(0)
    model = CMF(CMFConfig(width=2, **settings), known)
    model.begin("ratings")
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.stack(list(model.loss("ratings", train).values())).sum().backward()
        optimizer.step()
    return model


def test_a_rating_is_the_mean_two_deviations_and_a_product():
    model = CMF(CMFConfig(width=2), _known())
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    factors = model.factors
    product = factors.user_vector.weight[1] @ factors.item_vector.weight[4]
    expected = (
        4.0 + factors.user_deviation.weight[1, 0] + factors.item_deviation.weight[4, 0] + product
    )
    pairs = Pairs(torch.tensor([1]), torch.tensor([4]))

    assert torch.allclose(model.predict(pairs), expected)
    assert torch.equal(model.predict_known(pairs), model.predict(pairs))
    assert isinstance(model, RatingModel)


def test_the_loss_is_the_squared_error_and_the_weighted_penalty():
    model = CMF(CMFConfig(width=2, penalty=0.5), _known())
    batch = Ratings(torch.tensor([0, 1]), torch.tensor([1, 4]), torch.tensor([5.0, 3.0]))
    losses = model.loss("ratings", batch)

    errors_N = model.predict(batch.pairs) - batch.rating_N
    assert torch.allclose(losses["rating"], errors_N.square().mean())
    assert torch.allclose(losses["penalty"], 0.5 * model.factors.penalty(batch.pairs))


def test_auxiliary_ratings_move_what_a_cold_user_is_predicted_elsewhere():
    train = Ratings(torch.tensor([0, 0, 1, 1]), torch.tensor([1, 2, 1, 2]), torch.zeros(4))
    generous = train._replace(rating_N=torch.tensor([5.0, 5.0, 1.0, 1.0]))
    model = _trained(_known(), generous, steps=200)

    item_N = torch.tensor([4, 4])
    first, second = model.predict(Pairs(torch.tensor([0, 1]), item_N)).tolist()
    assert first > second + 1


def test_cold_users_tastes_planted_in_both_domains_are_recovered():
    generator = torch.Generator().manual_seed(0)
    user_UD = torch.randn(60, 2, generator=generator)
    item_VD = torch.randn(30, 2, generator=generator)  # 15 auxiliary ones, 15 of the target
    rating_UV = 3.5 + user_UD @ item_VD.T
    user_N, column_N = torch.ones_like(rating_UV).nonzero(as_tuple=True)
    cold_N = (user_N >= 50) & (column_N >= 15)  # target ratings of the last ten users
    ratings = Ratings(user_N, column_N + 1, rating_UV.flatten())
    train, held = (Ratings(*(c[mask] for c in ratings)) for mask in (~cold_N, cold_N))
    known = _known(ItemSpace(sizes=(15, 15)), num_users=60, mean_rating=3.5)
    model = _trained(known, train, steps=400, penalty=0.001)

    error = (model.predict(held.pairs) - held.rating_N).square().mean()
    assert error < 0.1 * (held.rating_N - train.rating_N[train.item_N > 15].mean()).square().mean()


def test_cold_users_of_equal_auxiliary_ratings_are_predicted_alike():
    generator = torch.Generator().manual_seed(0)
    auxiliary = torch.tensor([5.0, 1.0, 3.0])
    rows = [(user, item + 1, float(auxiliary[item])) for user in (0, 1) for item in range(3)]
    rows += [(2, item, 1 + 4 * float(torch.rand((), generator=generator))) for item in (4, 5, 6)]
    users, items, ratings = zip(*rows, strict=True)
    train = Ratings(torch.tensor(users), torch.tensor(items), torch.tensor(ratings))
    model = _trained(_known(), train, steps=1500, penalty=0.05)

    item_N = torch.tensor([4, 5, 6])
    first, second = (model.predict(Pairs(torch.full((3,), user), item_N)) for user in (0, 1))
    assert torch.allclose(first, second, atol=0.02)
