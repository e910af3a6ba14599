"""Tri-CDR: who is asked in which sequence, and the three losses."""

from math import log

import pytest
import torch
import torch.nn.functional as F

from models.baselines.tricdr import TriCDR, TriCDRConfig, Triple, nt_xent, triple_pairs
from models.batch import ItemSpace, Query, SequenceBatch
from models.blocks.transformer import EncoderConfig

SPACE = ItemSpace(sizes=(6, 6))
MIXED = SequenceBatch(torch.tensor([[0, 1, 8, 2, 9], [3, 10, 4, 5, 11], [0, 0, 6, 1, 2]]))


def _tricdr(**settings: object) -> TriCDR:
    torch.manual_seed(0)
    encoder = EncoderConfig(width=8, dropout=0.0, max_length=5)
    return TriCDR(TriCDRConfig(space=SPACE, encoder=encoder, num_negatives=4, **settings))


def _train(model: TriCDR, batch: SequenceBatch, steps: int = 100) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.stack(list(model.loss(batch).values())).sum().backward()
        optimizer.step()


def test_pairs_are_grouped_by_sequence_and_end_at_the_asked_position():
    items = torch.tensor([[0, 1, 8], [2, 3, 9]])
    asked = torch.tensor([[False, True, True], [False, False, True]])
    domains = torch.tensor([[0, 1, 0], [0, 0, 1]])

    pairs = triple_pairs(items, domains, asked, SPACE)

    groups: dict[int, list[int]] = {}
    for group, fact in zip(pairs.group_P.tolist(), pairs.fact_P.tolist(), strict=True):
        groups.setdefault(group, []).append(fact)
    # Facts 0..4 are mixed states, 5..9 those of single domains; three positions are asked.
    mixed, source = {0: [0], 1: [0, 1], 2: [2, 3, 4]}, {3: [5], 4: [6], 5: [7, 8]}
    assert groups == mixed | source | {7: [5], 8: [9]}
    assert pairs.query_P.tolist() == [0, 1, 1, 2, 2, 2] * 2
    assert pairs.num_groups == 9


def test_a_score_is_the_cosine_of_what_three_attentions_found():
    model = _tricdr().eval()
    history, domain = torch.tensor([[1, 8, 2]]), 1

    scores = model.score(Query(history, torch.tensor([domain])))

    seen = torch.ones(1, 3).bool()
    mixed = model.mixed(model.mixed_items(history), seen)[0]
    food, tools = model.single.encoders
    source = food(model.single_items(history[:, [0, 2]]), seen[:, :2])[0]
    target = tools(model.single_items(history[:, 1:2]), seen[:, :1])[0]
    state = _by_hand(model, target[-1], mixed, source, target)
    expected = 5 * F.cosine_similarity(state.unsqueeze(0), model.single_items.weight)
    torch.testing.assert_close(scores[0, 1:], expected[1:])


def test_the_mixed_state_asks_for_a_cold_user_whose_target_is_zero():
    model = _tricdr().eval()
    history = torch.tensor([[1, 2]])

    scores = model.score(Query(history, torch.tensor([1])))

    seen = torch.ones(1, 2).bool()
    mixed = model.mixed(model.mixed_items(history), seen)[0]
    source = model.single.encoders[0](model.single_items(history), seen)[0]
    state = _by_hand(model, mixed[-1], mixed, source, torch.zeros(0, 8))
    expected = 5 * F.cosine_similarity(state.unsqueeze(0), model.single_items.weight)
    torch.testing.assert_close(scores[0, 1:], expected[1:])


def _by_hand(model: TriCDR, query, *sequences) -> torch.Tensor:
    net, context = model.attention, sequences[0].mean(dim=0)
    found = []
    for facts in sequences:
        total = torch.zeros(8)
        hidden = [
            net.of_fact(f)
            + net.of_query(query)
            + net.of_product(f * query)
            + net.of_context(context)
            for f in facts
        ]
        if hidden:
            total = net.rest(torch.stack(hidden))[:, 0].softmax(0) @ facts
        found.append(total)
    return model.fuse(torch.cat(found))


def test_each_position_learns_what_its_past_alone_would_be_asked():
    model = _tricdr(objective="full_softmax").eval()
    for encoder in (model.mixed, *model.single.encoders):
        torch.nn.init.zeros_(encoder.position)  # positions count from the end of what is shown
    expected = []
    for row in MIXED.items_BL:
        items = row[row != 0]
        for end in range(1, len(items)):
            domain = int(items[end] > 6)
            scores = model.score(Query(items[None, :end], torch.tensor([domain])))
            place = items[end : end + 1] - SPACE.ids(domain).start
            expected.append(F.cross_entropy(scores[:, SPACE.columns(domain)], place))

    torch.testing.assert_close(model.loss(MIXED)["next_item"], torch.stack(expected).mean())


def test_partners_are_told_from_all_others():
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 3, 4, generator=generator)
    both, expected = F.normalize(torch.cat([a, b]), dim=1), 0.0
    for i in range(6):
        power = [torch.exp(both[i] @ both[j] / 0.1).item() for j in range(6)]
        expected -= log(power[(i + 3) % 6] / (sum(power) - power[i])) / 6

    assert nt_xent(a, b, 0.1).item() == pytest.approx(expected, rel=1e-4)
    assert nt_xent(a[:0], b[:0], 0.1).item() == 0
    assert nt_xent(a[:1], b[:1], 0.1).item() == 0


def test_the_triplet_term_is_of_complete_users_newest_positions():
    model = _tricdr(triplet=2.0, margin=4.0)
    mixed, source, target = torch.randn(3, 4, 8)
    newest = torch.tensor([False, True, True, True])
    complete = torch.tensor([True, True, False, True])

    found = model._contrast(Triple(mixed, source, target, complete), newest)["triplet"]

    total = 0.0
    for n in (1, 3):
        m, s, t = (head(x[n]) for head, x in zip(model.heads, (mixed, source, target), strict=True))
        total += max(((s - m).norm() - (s - t).norm() + 4).item(), 0)
    assert found.item() == pytest.approx(2 * total / 2, rel=1e-4)


def test_users_of_one_domain_have_no_contrast():
    losses = _tricdr().loss(SequenceBatch(torch.tensor([[1, 2, 3], [7, 8, 9]])))

    assert losses["contrast"].item() == 0 and losses["triplet"].item() == 0
    assert losses["next_item"].item() > 0


def test_a_user_who_has_yet_to_enter_the_labels_domain_is_not_complete():
    losses = _tricdr().loss(SequenceBatch(torch.tensor([[1, 2, 7], [1, 7, 2]])))

    # One complete user alone has nobody to be told from; the triplet is theirs.
    assert losses["contrast"].item() == 0
    assert losses["triplet"].item() > 0


def test_sequences_of_one_item_teach_nothing():
    losses = _tricdr().loss(SequenceBatch(torch.tensor([[0, 1], [0, 7]])))
    torch.stack(list(losses.values())).sum().backward()

    assert [loss.item() for loss in losses.values()] == [0, 0, 0]


def test_an_empty_history_scores_every_item_zero():
    history = torch.tensor([[0, 0], [0, 3]])
    scores = _tricdr().eval().score(Query(history, torch.tensor([1, 1])))

    assert (scores[0] == 0).all() and (scores[1, 1:] != 0).any()


@pytest.mark.parametrize("objective", ["sampled_softmax", "full_softmax", "bce"])
def test_every_objective_learns_which_item_follows_in_the_other_domain(objective):
    model = _tricdr(objective=objective)
    _train(model, SequenceBatch(torch.tensor([[2, 1, 7], [4, 3, 9], [6, 5, 11]])))

    scores = model.eval().score(Query(torch.tensor([[2, 1], [4, 3], [6, 5]]), torch.ones(3).long()))

    assert scores[:, SPACE.columns(1)].argmax(dim=1).tolist() == [0, 2, 4]
