"""SSCDR: who lies where, which term moves what, and that maps carry users across."""

import math

import pytest
import torch
from torch import nn

from models.baselines.sscdr import SSCDR, SSCDRConfig, all_squared, to_ball
from models.batch import ItemSpace, Query, SequenceBatch
from models.blocks.losses import draw_items

SPACE = ItemSpace(sizes=(6, 6))
USERS = SequenceBatch(torch.tensor([[0, 1, 7, 2, 8, 9], [0, 0, 3, 4, 5, 10], [0, 0, 0, 0, 2, 6]]))


def _sscdr(space: ItemSpace = SPACE, **settings: object) -> SSCDR:
    torch.manual_seed(0)
    return SSCDR(SSCDRConfig(space=space, width=2, num_negatives=5, **settings))


def _linear(space: ItemSpace = SPACE, factor: float = 1.0, **settings: object) -> SSCDR:
    """Every map multiplies by `factor`."""
    model = _sscdr(space, hidden=None, **settings)
    for linear in model.map.values():
        nn.init.eye_(linear.weight).data.mul_(factor)
        nn.init.zeros_(linear.bias)
    return model


def _place(model: SSCDR, points: dict[int, tuple[float, float]]) -> SSCDR:
    with torch.no_grad():
        for item, point in points.items():
            model.item.weight[item] = torch.tensor(point)
    return model


def _point(model: SSCDR, item: int) -> torch.Tensor:
    x = model.item.weight[item].detach()
    return x / max(1.0, float(x.norm()))


def _distance(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(((a - b) ** 2).sum())


def _mean(model: SSCDR, items: list[int]) -> torch.Tensor:
    return torch.stack([_point(model, item) for item in items]).mean(dim=0)


def _negatives(seed: int) -> list[list[int]]:
    """What a loss draws after this seed: five items of each domain."""
    torch.manual_seed(seed)
    cpu = torch.device("cpu")
    return [draw_items(SPACE.ids(domain), (5,), cpu, None).tolist() for domain in (0, 1)]


def test_a_positive_is_nearer_to_the_mean_of_the_others_than_intruding_negatives():
    model, negatives = _sscdr(margin=0.7), _negatives(seed=3)
    expected = []
    for own, domain in (([1, 2], 0), ([7, 8, 9], 1), ([3, 4, 5], 0), ([2, 6], 0)):
        for positive in own:
            user = _mean(model, [item for item in own if item != positive])
            distance = _distance(user, _point(model, positive))
            broken = [
                0.7 + distance - _distance(user, _point(model, negative))
                for negative in negatives[domain]
                if negative != positive
            ]
            broken = [gap for gap in broken if gap > 0]
            weight = math.log(1 + 6 * len(broken) / 5)
            expected.append(weight * sum(broken) / max(len(broken), 1))

    torch.manual_seed(3)
    loss = model.loss(USERS)["metric"]

    assert loss.item() == pytest.approx(sum(expected) / len(expected), rel=1e-5)


def test_users_are_mapped_onto_where_they_lie_in_the_other_domain():
    model = _place(_linear(), {1: (0.2, 0.0), 2: (0.4, 0.0), 7: (0.0, 0.3), 3: (0.9, 0.0)})

    loss = model.loss(SequenceBatch(torch.tensor([[1, 2, 7], [0, 0, 3]])))["mapping"]

    # Of one shared user, (0.3, 0) and (0, 0.3), in both directions; the other is not shared.
    assert loss.item() == pytest.approx(2 * 0.18)


def test_a_shared_users_source_items_are_mapped_nearer_than_other_source_items():
    model, negatives = _linear(margin=0.4, semi_supervised=0.5), _negatives(seed=5)
    expected = 0.0
    shared = [([1, 2], [7, 8, 9]), ([3, 4, 5], [10])]
    for source, flipped in ((0, False), (1, True)):
        gaps = []
        for pair in shared:
            own, other = reversed(pair) if flipped else pair
            user = _mean(model, other)
            gaps += [
                0.4
                + _distance(user, _point(model, item))
                - _distance(user, _point(model, negative))
                for item in own
                for negative in negatives[source]
            ]
        expected += sum(max(gap, 0) for gap in gaps) / len(gaps)

    torch.manual_seed(5)
    loss = model.loss(USERS)["semi_supervised"]

    assert loss.item() == pytest.approx(0.5 * expected, rel=1e-5)


def test_the_maps_terms_never_move_an_item_and_the_metric_never_moves_a_map():
    model = _sscdr()
    losses = model.loss(USERS)
    (losses["mapping"] + losses["semi_supervised"]).backward(retain_graph=True)

    assert model.item.weight.grad is None
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.map.parameters())

    model.zero_grad()
    losses["metric"].backward()

    assert model.item.weight.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in model.map.parameters())


def test_an_item_without_company_in_its_domain_teaches_no_metric():
    losses = _sscdr().loss(SequenceBatch(torch.tensor([[1, 7], [0, 8]])))

    assert losses["metric"] == 0
    assert losses["mapping"] > 0


@pytest.mark.parametrize(("neighbours", "expected"), [(False, 0.8), (True, (0.8 + 0.5) / 2)])
def test_a_cold_user_lies_where_the_map_puts_them_and_their_items(neighbours, expected):
    model = _linear(factor=2.0, neighbours=neighbours)
    # f doubles: the user (0.4, 0) goes to (0.8, 0), their items to (1, 0), within the ball, and 0.
    _place(model, {1: (0.8, 0.0), 2: (0.0, 0.0), 7: (0.0, 0.0), 8: (0.0, 3.0)})

    scores = model.score(Query(torch.tensor([[0, 1, 2]]), torch.tensor([1])))

    assert scores[0, 7].item() == pytest.approx(-(expected**2))
    assert scores[0, 8].item() == pytest.approx(-(expected**2) - 1)


def test_a_cold_user_of_two_source_domains_lies_between_both():
    model = _linear(ItemSpace(sizes=(2, 2, 2)))
    _place(model, {1: (0.6, 0.0), 3: (0.0, 0.2), 5: (0.0, 0.0)})

    scores = model.score(Query(torch.tensor([[0, 1, 3], [0, 0, 1]]), torch.tensor([2, 2])))

    assert scores[:, 5].tolist() == pytest.approx([-(0.3**2 + 0.1**2), -(0.6**2)])


def test_an_empty_history_lies_at_the_origin():
    model = _place(_sscdr(), {7: (0.3, 0.4)})

    scores = model.score(Query(torch.zeros(1, 3).long(), torch.tensor([1])))

    assert scores[0, 7].item() == pytest.approx(-0.25)


def test_only_points_outside_the_ball_move():
    points = torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]])

    torch.testing.assert_close(to_ball(points), torch.tensor([[0.6, 0.8], [0.3, 0.4], [0.0, 0.0]]))


def test_all_distances_are_those_of_each_pair():
    a, b = torch.randn(4, 3), torch.randn(5, 3)

    torch.testing.assert_close(all_squared(a, b), (a[:, None] - b).square().sum(-1))


@pytest.mark.parametrize("hidden", [None, 16])
def test_cold_users_find_what_their_like_want_in_the_other_domain(hidden):
    torch.manual_seed(0)
    model = SSCDR(SSCDRConfig(space=SPACE, width=8, hidden=hidden, num_negatives=12))
    batch = SequenceBatch(torch.tensor([[1, 7, 2, 8], [3, 9, 4, 10], [5, 11, 6, 12]]))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(100):
        optimizer.zero_grad()
        sum(model.loss(batch).values()).backward()
        optimizer.step()

    cold = Query(torch.tensor([[1, 2], [3, 4], [5, 6]]), torch.ones(3).long())
    best = model.score(cold)[:, SPACE.columns(1)].topk(2).indices.sort().values

    assert best.tolist() == [[0, 1], [2, 3], [4, 5]]
