"""UniCDR: who is averaged into whom, what the discriminator sees, and that cold users are known."""

import math

import pytest
import torch
from torch import Tensor, nn

from models.baselines.unicdr import Aggregator, UniCDR, UniCDRConfig, draw_others
from models.batch import ItemSpace, Query, SequenceBatch

SPACE = ItemSpace(sizes=(6, 6))
USERS = SequenceBatch(torch.tensor([[1, 7, 2, 8], [3, 9, 4, 10], [5, 11, 6, 12]]))


def _config(**settings: object) -> UniCDRConfig:
    settings = {"width": 4, "dropout": 0.0, "masked": 0.0, "num_negatives": 5, **settings}
    return UniCDRConfig(space=SPACE, **settings)


def _unicdr(**settings: object) -> UniCDR:
    torch.manual_seed(0)
    return UniCDR(_config(**settings))


class _Recorded(UniCDR):
    """Keeps the users and the labels that it ranks."""

    def _ranking(self, state_ND: Tensor, label_N: Tensor) -> Tensor:
        self.states, self.labels = state_ND.detach(), label_N.tolist()
        return super()._ranking(state_ND, label_N)


def _recorded(**settings: object) -> _Recorded:
    torch.manual_seed(0)
    return _Recorded(_config(**settings))


def test_a_label_is_sought_by_the_other_items_of_its_domain_plus_those_of_other_domains():
    model, items = _recorded(), [1, 7, 2, 1, 8]
    model.loss(SequenceBatch(torch.tensor([[0, *items], [0, 0, 0, 0, 3, 4]])))
    table = model.item.weight.detach()

    def mean(ids: list[int]) -> Tensor:
        return table[ids].mean(dim=0)

    # Aggregators start as the identity. Item 1 stands twice and sees neither of both.
    kitchen, food = mean([7, 8]), mean([1, 2, 1])
    expected = [mean([2]) + kitchen, mean([1, 1]) + kitchen, mean([2]) + kitchen]
    expected += [mean([4]), mean([3]), mean([8]) + food, mean([7]) + food]
    assert model.labels == [1, 2, 1, 3, 4, 7, 8]
    torch.testing.assert_close(model.states, torch.stack(expected))


def test_a_masked_interaction_is_a_label_but_no_context():
    model = _recorded(masked=1.0)
    model.loss(USERS)

    assert sorted(model.labels) == list(range(1, 13))
    assert (model.states == 0).all()


def test_the_mean_weighs_context_alike_and_nobody_gives_zero():
    x, context = torch.randn(1, 3, 4), torch.tensor([[[True, False, True], [False, False, False]]])

    users = Aggregator(_config())(x, context)

    torch.testing.assert_close(users[0, 0], (x[0, 0] + x[0, 2]) / 2)
    assert (users[0, 1] == 0).all()


@pytest.mark.parametrize("kind", ["user_attention", "item_similarity"])
def test_weights_follow_what_the_mean_of_the_context_thinks_of_an_item(kind):
    torch.manual_seed(1)
    aggregator = Aggregator(_config(aggregator=kind))
    x, context = torch.randn(1, 4, 4), torch.tensor([[[True, True, False, True], [False] * 4]])
    held = x[0, [0, 1, 3]]
    mean = held.mean(dim=0)
    if kind == "user_attention":
        logits = torch.stack([aggregator.key(item) @ mean for item in held])
    else:
        logits = torch.stack([item @ mean / (item.norm() * mean.norm()) for item in held])
    weights = logits.exp() / logits.exp().sum()

    users = aggregator(x, context)

    torch.testing.assert_close(users[0, 0], (weights.unsqueeze(1) * held).sum(dim=0))
    assert (users[0, 1] == 0).all()


def test_the_discriminator_compares_users_of_both_domains_with_one_another():
    model = _unicdr(contrast=0.3)
    for bilinear in model.discriminator:
        nn.init.zeros_(bilinear.bias)
        bilinear.weight.data = torch.eye(4).unsqueeze(0)
    batch = SequenceBatch(torch.tensor([[1, 7], [2, 8], [0, 3]]))
    x = model.item.weight.detach()
    same, crossed = [x[1] @ x[7], x[2] @ x[8]], [x[2] @ x[7], x[1] @ x[8]]

    loss = model.loss(batch)["contrast"]

    # Of either domain: the user's own is `same`, the other user's (each has one) is `crossed`.
    terms = [math.log1p(math.exp(-z)) for z in same] + [math.log1p(math.exp(z)) for z in crossed]
    assert loss.item() == pytest.approx(0.3 * 2 * sum(terms) / 2, rel=1e-5)


def test_a_single_shared_user_has_nobody_to_be_told_from():
    assert _unicdr().loss(SequenceBatch(torch.tensor([[1, 7], [0, 8]])))["contrast"] == 0


def test_the_terms_share_the_weight():
    even, ranking_only = (_unicdr(contrast=share) for share in (0.5, 0.0))
    torch.manual_seed(2)
    expected = ranking_only.loss(USERS)
    torch.manual_seed(2)
    loss = even.loss(USERS)

    assert loss["next_item"].item() == pytest.approx(expected["next_item"].item() / 2)
    assert expected["contrast"] == 0


def test_negatives_of_the_binary_loss_are_other_items_of_the_labels_domain():
    labels = torch.tensor([1, 6, 7, 12])

    drawn = draw_others(labels, SPACE, 200)

    for label, row in zip(labels.tolist(), drawn.tolist(), strict=True):
        own = SPACE.ids(0) if label in SPACE.ids(0) else SPACE.ids(1)
        assert set(row) == set(own) - {label}


def test_the_shared_part_of_the_source_items_carries_a_cold_user():
    model = _unicdr().eval()
    nn.init.normal_(model.shared.out.weight)
    user = model.shared.out(model.item.weight[[2, 5]].mean(dim=0))

    scores = model.score(Query(torch.tensor([[0, 2, 5], [0, 0, 0]]), torch.tensor([1, 1])))

    torch.testing.assert_close(scores[0], model.item.weight @ user)
    assert (scores[1] == 0).all()


@pytest.mark.parametrize("objective", ["sampled_softmax", "bce"])
@pytest.mark.parametrize("aggregator", ["mean", "user_attention", "item_similarity"])
def test_cold_users_find_what_their_like_want_in_the_other_domain(objective, aggregator):
    model = _unicdr(objective=objective, aggregator=aggregator, width=8)
    # One item in each domain: nothing but the shared part can tell what a user wants.
    batch = SequenceBatch(torch.tensor([[1, 7], [2, 8], [3, 9], [4, 10], [5, 11], [6, 12]]))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(100):
        optimizer.zero_grad()
        sum(model.loss(batch).values()).backward()
        optimizer.step()

    cold = Query(batch.items_BL[:, :1], torch.ones(6).long())
    best = model.eval().score(cold)[:, SPACE.columns(1)].argmax(dim=1)

    assert best.tolist() == [0, 1, 2, 3, 4, 5]
