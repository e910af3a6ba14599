"""EMCDR: the map, its error, and that it finds a map that is there."""

import pytest
import torch
from torch import nn

from models.batch import ItemSpace
from models.rating_baselines.emcdr import EMCDR, EMCDRConfig
from models.ratings import AUXILIARY, TARGET, Known, Pairs, Ratings, Users

SPACE = ItemSpace(sizes=(2, 2))


def _known(num_users: int, space: ItemSpace, mean_rating: float = 3.0) -> Known:
    nothing = torch.zeros(num_users, 1)
    return Known(space, num_users, mean_rating, nothing.long(), nothing, None)


def _emcdr(**settings: object) -> EMCDR:
    torch.manual_seed(0)
    return EMCDR(EMCDRConfig(width=2, **settings), _known(3, SPACE))


def _place(model: EMCDR, domain: int, user: int, vector: tuple[float, float]) -> None:
    with torch.no_grad():
        row = domain * model.factors.num_users + user
        model.factors.user_vector.weight[row] = torch.tensor(vector)


def test_the_error_is_that_of_mapped_vectors_and_the_rating_that_of_the_mapped_one():
    model = _emcdr()
    with torch.no_grad():
        model.map.weight.copy_(torch.tensor([[1.0, 2.0], [0.0, -1.0]]))
        model.factors.item_vector.weight[3] = torch.tensor([0.5, 2.0])
    _place(model, AUXILIARY, 0, (1.0, 1.0))  # mapped to (3, -1)
    _place(model, TARGET, 0, (2.0, 0.0))

    loss = model.loss("mapping", Users(torch.tensor([0])))["mapping"]
    rating = model.predict(Pairs(torch.tensor([0]), torch.tensor([3])))

    assert loss.item() == pytest.approx((1 + 1) / 2)
    assert rating.item() == pytest.approx(3 + 1.5 - 2)


def test_the_linear_map_has_no_bias_and_the_other_one_hidden_tanh_layer():
    assert [name for name, _ in _emcdr().map.named_parameters()] == ["weight"]
    model = _emcdr(hidden=4)
    first, _, last = model.map
    source = torch.tensor([[0.3, -0.2]])
    _place(model, AUXILIARY, 1, (0.3, -0.2))
    hidden = torch.tanh(source @ first.weight.T + first.bias)
    expected = hidden @ last.weight.T + last.bias
    with torch.no_grad():
        model.factors.item_vector.weight[4] = torch.tensor([1.0, 0.0])

    rating = model.predict(Pairs(torch.tensor([1]), torch.tensor([4])))

    assert rating.item() == pytest.approx(3 + expected[0, 0].item())


def _fit(model: nn.Module, stage: str, batch: Ratings | Users, steps: int) -> None:
    model.begin(stage)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        sum(model.loss(stage, batch).values()).backward()
        optimizer.step()


@pytest.mark.parametrize("hidden", [None, 16])
def test_a_planted_linear_map_rates_cold_users_better_than_the_items_mean(hidden):
    torch.manual_seed(1)
    num_users, num_cold, sizes = 40, 10, (20, 20)
    source, turn = torch.randn(num_users, 2), torch.tensor([[0.6, -0.8], [0.8, 0.6]])
    items = torch.randn(sum(sizes), 2)
    side = torch.stack([source, source @ turn])
    given = torch.stack([side[0] @ items[:20].T, side[1] @ items[20:].T], dim=1) + 3
    user = torch.arange(num_users).repeat_interleave(40)
    item = torch.arange(40).repeat(num_users)
    all_ratings = given.flatten()
    cold = (user < num_cold) & (item >= 20)
    train = Ratings(user[~cold], item[~cold] + 1, all_ratings[~cold])
    space = ItemSpace(sizes=sizes)
    model = EMCDR(
        EMCDRConfig(width=2, hidden=hidden, penalty=1e-4, user_bias=False), _known(num_users, space)
    )

    _fit(model, "ratings", train, 120)
    _fit(model, "mapping", Users(torch.arange(num_cold, num_users)), 120)

    asked = Pairs(user[cold], item[cold] + 1)
    item_mean = given[num_cold:, 1].mean(dim=0)[item[cold] - 20]
    ours = (model.predict(asked) - all_ratings[cold]).square().mean().sqrt()
    floor = (item_mean - all_ratings[cold]).square().mean().sqrt()
    assert ours < 0.3 * floor
