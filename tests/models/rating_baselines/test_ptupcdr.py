"""PTUPCDR: attention, bridge and loss by hand, and whose items make a bridge."""

import math

import pytest
import torch
from torch import nn

from models.batch import ItemSpace
from models.rating_baselines.ptupcdr import PTUPCDR, MetaNetwork, PTUPCDRConfig
from models.ratings import AUXILIARY, Known, Pairs, Ratings

SPACE = ItemSpace(sizes=(4, 2))
KNOWN = Known(
    space=SPACE,
    num_users=3,
    mean_rating=3.0,
    history_UL=torch.tensor([[1, 2, 3, 4], [0, 0, 3, 4], [0, 0, 0, 0]]),
    history_rating_UL=torch.tensor([[5.0, 4, 3, 5], [0, 0, 5, 1], [0, 0, 0, 0]]),
    features=None,
)


def _ptupcdr(**settings: object) -> PTUPCDR:
    torch.manual_seed(0)
    model = PTUPCDR(PTUPCDRConfig(width=2, hidden=5, **settings), KNOWN)
    for parameter in model.factors.parameters():
        nn.init.normal_(parameter)
    return model


def _rating(model: PTUPCDR, user: int) -> float:
    return model.predict(Pairs(torch.tensor([user]), torch.tensor([5]))).item()


def _shift(model: PTUPCDR, item: int) -> None:
    with torch.no_grad():
        model.factors.item_vector.weight[item] += 3


def test_characteristics_are_the_items_mean_by_softmax_over_the_valid():
    meta = MetaNetwork(2, 5)
    first, _, last = meta.attention
    nn.init.eye_(first.weight)
    nn.init.zeros_(first.bias)
    nn.init.ones_(last.weight)
    items = torch.tensor([[[9.0, 9.0], [1.0, -4.0], [2.0, 0.5]]])
    # Logits: 1 + 0 and 2 + 0.5; the first item is masked.
    a, b = math.exp(1.0), math.exp(2.5)
    expected = [(a * 1 + b * 2) / (a + b), (a * -4 + b * 0.5) / (a + b)]

    found = meta.characteristics(items, torch.tensor([[False, True, True]]))

    assert found[0].tolist() == pytest.approx(expected, rel=1e-5)


def test_without_any_valid_item_characteristics_and_gradients_are_zero_not_nan():
    meta, items = MetaNetwork(2, 5), torch.randn(1, 3, 2, requires_grad=True)

    found = meta.characteristics(items, torch.zeros(1, 3, dtype=torch.bool))
    found.sum().backward()

    assert found.tolist() == [[0, 0]]
    assert items.grad.abs().sum() == 0


def test_the_rating_is_that_of_the_vector_times_the_users_own_bridge():
    model = _ptupcdr(user_bias=False)
    factors = model.factors
    vector = factors.user_vectors(AUXILIARY, torch.tensor([1]))[0]
    bridge = model.meta.bridge(factors.item_vectors(torch.tensor([3])))[0]  # their one liked item
    carried = [
        vector[0] * bridge[0] + vector[1] * bridge[2],
        vector[0] * bridge[1] + vector[1] * bridge[3],
    ]
    item = factors.item_vectors(torch.tensor([5]))[0]
    expected = factors.item_bias(torch.tensor([5])) + carried[0] * item[0] + carried[1] * item[1]

    loss = model.loss("bridge", Ratings(torch.tensor([1]), torch.tensor([5]), torch.tensor([4.0])))

    assert _rating(model, 1) == pytest.approx(expected.item(), rel=1e-5)
    assert loss["transferred"].item() == pytest.approx((expected.item() - 4) ** 2, rel=1e-4)


def test_liked_items_alone_make_the_bridge():
    for item, matters in ((1, True), (2, True), (3, False), (4, True)):
        model = _ptupcdr()
        before = _rating(model, 0)
        _shift(model, item)
        assert (_rating(model, 0) != before) == matters, item


def test_only_the_newest_liked_items_are_read():
    for item, matters in ((1, False), (2, True), (4, True)):
        model = _ptupcdr(max_items=2)
        before = _rating(model, 0)
        _shift(model, item)
        assert (_rating(model, 0) != before) == matters, item


def test_who_liked_nothing_has_a_bridge_that_padding_has_no_say_in():
    model = _ptupcdr()
    before = _rating(model, 2)
    _shift(model, 0)

    assert math.isfinite(before)
    assert _rating(model, 2) == before


def test_bridges_learn_what_one_map_for_all_cannot():
    """Who liked item 1 turns their taste around in the target domain; who liked item 2 keeps it."""
    torch.manual_seed(0)
    users = torch.arange(40)
    known = Known(
        space=SPACE,
        num_users=40,
        mean_rating=3.0,
        history_UL=(users % 2 + 1).unsqueeze(1),
        history_rating_UL=torch.full((40, 1), 5.0),
        features=None,
    )
    model = PTUPCDR(PTUPCDRConfig(width=2, user_bias=False), known)
    for table in (model.factors.user_vector, model.factors.item_vector):
        nn.init.normal_(table.weight)
    with torch.no_grad():
        taste = model.factors.user_vectors(AUXILIARY, users)
        sign = torch.where(users % 2 == 0, -1.0, 1.0)
        rating = 3 + sign * (taste @ model.factors.item_vectors(torch.tensor([5]))[0])
    batch = Ratings(users[:30], torch.full((30,), 5), rating[:30])
    model.begin("bridge")
    optimizer = torch.optim.Adam(model.meta.parameters(), lr=0.01)
    for _ in range(200):
        optimizer.zero_grad()
        model.loss("bridge", batch)["transferred"].backward()
        optimizer.step()

    found = model.predict(Pairs(users[30:], torch.full((10,), 5)))

    error = (found - rating[30:]).square().mean()
    assert error < 0.05 * (rating[30:] - 3).square().mean()
