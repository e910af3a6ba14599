"""C2DSR: graphs, what a cold user's score is made of, which states learn what."""

from math import log

import pytest
import torch
import torch.nn.functional as F

from models.baselines.c2dsr import C2DSR, C2DSRConfig
from models.batch import ItemSpace, Query, SequenceBatch
from models.blocks.transformer import EncoderConfig
from models.recommender import Prepared

SPACE = ItemSpace(sizes=(6, 6))
MIXED = SequenceBatch(torch.tensor([[0, 1, 8, 2, 9], [3, 10, 4, 5, 11], [0, 0, 6, 1, 2]]))


def _c2dsr(**settings: float | None) -> C2DSR:
    torch.manual_seed(0)
    encoder = EncoderConfig(width=8, dropout=0.0, max_length=5)
    options = {"num_successors": 3, "num_negatives": None, **settings}
    return C2DSR(C2DSRConfig(space=SPACE, encoder=encoder, **options))


def _without_specific(model: C2DSR) -> C2DSR:
    """The same model, its specific states zero."""
    copy = C2DSR(model.config)
    copy.load_state_dict(model.state_dict())
    for encoder in copy.specific.encoders:
        torch.nn.init.zeros_(encoder.norm.weight)
    return copy.eval()


def _successors(table) -> dict[int, list[int]]:
    kept = (table.weight_VK > 0).sum(dim=1).tolist()
    return {item: table.successor_VK[item, :n].tolist() for item, n in enumerate(kept) if n}


def test_the_mixed_graph_crosses_domains_and_the_specific_one_does_not():
    model = _c2dsr()
    assert isinstance(model, Prepared)
    model.count([MIXED, SequenceBatch(torch.tensor([[7, 8]]))])

    mixed = {1: [2, 8], 2: [9], 3: [10], 4: [5], 5: [11], 6: [1], 7: [8], 8: [2], 10: [4]}
    assert _successors(model.shared_items) == mixed
    within = {1: [2], 3: [4], 4: [5], 6: [1], 7: [8], 8: [9], 10: [11]}
    assert _successors(model.specific_items) == within
    assert model.specific_items.weight_VK[1].tolist() == [1, 0, 0]


def test_counting_again_starts_afresh():
    once, twice = _c2dsr(), _c2dsr()
    once.count([MIXED])
    twice.count([SequenceBatch(torch.tensor([[7, 8, 9]]))])
    twice.count([MIXED])

    for name, value in once.state_dict().items():
        assert torch.equal(value, twice.state_dict()[name]), name


def test_counts_are_loaded_by_a_model_that_counted_nothing():
    model = _c2dsr().eval()
    model.count([MIXED])
    fresh = _c2dsr().eval()
    query = Query(torch.tensor([[1, 2]]), torch.tensor([1]))
    assert not torch.allclose(fresh.score(query), model.score(query))

    fresh.load_state_dict(model.state_dict())

    assert torch.equal(fresh.score(query), model.score(query))


def test_a_cold_user_is_scored_by_the_shared_state_alone():
    model = _c2dsr().eval()
    alone = _without_specific(model)
    cold = Query(torch.tensor([[1, 2]]), torch.tensor([1]))
    warm = Query(torch.tensor([[8, 2]]), torch.tensor([1]))

    assert torch.equal(model.score(cold), alone.score(cold))
    assert not torch.allclose(model.score(warm), alone.score(warm))


def test_each_position_learns_what_its_past_alone_would_be_asked_with_and_without_specific():
    model = _c2dsr(infomax=0.0).eval()
    for encoder in (model.shared, *model.specific.encoders):
        torch.nn.init.zeros_(encoder.position)  # positions count from the end of what is shown
    alone = _without_specific(model)
    expected = []
    for row in MIXED.items_BL:
        items = row[row != 0]
        for end in range(1, len(items)):
            domain = int(items[end] > 6)
            query = Query(items[None, :end], torch.tensor([domain]))
            place = items[end : end + 1] - SPACE.ids(domain).start
            for asked in (model, alone):
                scores = asked.score(query)[:, SPACE.columns(domain)]
                expected.append(F.cross_entropy(scores, place))

    found = model.loss(MIXED)["next_item"]

    torch.testing.assert_close(found, 2 * torch.stack(expected).mean())


def test_undecided_discriminators_cost_two_bits_for_each_domain():
    model = _c2dsr(infomax=0.3)
    for discriminator in model.discriminators:
        torch.nn.init.zeros_(discriminator.weight)

    assert model.loss(MIXED)["infomax"].item() == pytest.approx(0.3 * 2 * 2 * log(2))


def test_the_infomax_term_pairs_a_domains_own_mean_with_the_shared_mean_elsewhere():
    model = _c2dsr().eval()
    history = torch.tensor([[1, 8, 2], [0, 3, 4]])
    shared, specific, false = torch.randn(5, 8), torch.randn(5, 8), torch.randn(3, 8)

    found = model._infomax(0, history, shared, false, specific)

    form, own = model.discriminators[0], (specific[0] + specific[2]) / 2
    true, wrong = (own @ form.weight[0] @ other for other in (shared[1], false[1]))
    torch.testing.assert_close(found, F.softplus(-true) + F.softplus(wrong))


def test_only_the_domains_own_items_of_users_of_both_are_corrupted():
    draws = _c2dsr()._corrupted(MIXED.items_BL.repeat(40, 1), 1)

    true = MIXED.items_BL[:2].repeat(40, 1)
    own = SPACE.contains(1, true)
    assert torch.equal(draws[~own], true[~own])
    assert set(draws[own].tolist()) == set(SPACE.ids(1))


def test_users_of_one_domain_have_no_infomax_term():
    loss = _c2dsr().loss(SequenceBatch(torch.tensor([[1, 2, 3], [7, 8, 9]])))

    assert loss["infomax"].item() == 0
    assert loss["next_item"].item() > 0


def test_sequences_of_one_item_teach_nothing():
    losses = _c2dsr().loss(SequenceBatch(torch.tensor([[0, 1], [0, 7]])))
    torch.stack(list(losses.values())).sum().backward()

    assert [loss.item() for loss in losses.values()] == [0, 0]


def test_it_learns_which_item_follows_in_the_other_domain():
    model = _c2dsr(num_negatives=4)
    batch = SequenceBatch(torch.tensor([[2, 1, 7], [4, 3, 9], [6, 5, 11]]))
    model.count([batch])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(80):
        optimizer.zero_grad()
        torch.stack(list(model.loss(batch).values())).sum().backward()
        optimizer.step()

    scores = model.eval().score(Query(torch.tensor([[2, 1], [4, 3], [6, 5]]), torch.ones(3).long()))

    assert scores[:, SPACE.columns(1)].argmax(dim=1).tolist() == [0, 2, 4]


def test_a_weight_beyond_one_is_refused():
    with pytest.raises(ValueError, match=r"infomax=1\.2 is no share"):
        _c2dsr(infomax=1.2)
