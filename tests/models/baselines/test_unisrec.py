"""UniSRec: the adaptor worked by hand, cosines, and what texts alone can do."""

import math

import pytest
import torch

from models.baselines.unisrec import (
    UniSRec,
    UniSRecConfig,
    WhiteningMixture,
    drop_items,
    same_sequence_loss,
)
from models.batch import ItemSpace, Query, SequenceBatch
from models.blocks.transformer import EncoderConfig

SPACE = ItemSpace(sizes=(6, 6))
TEXT = torch.randn(13, 5, generator=torch.Generator().manual_seed(3))
SEQUENCES = SequenceBatch(torch.tensor([[1, 7, 2, 8], [3, 9, 4, 10], [5, 11, 6, 12]]))
QUERY = Query(SEQUENCES.items_BL[:, :-1], torch.ones(3).long())


def _unisrec(text_VE: torch.Tensor = TEXT, **settings: object) -> UniSRec:
    torch.manual_seed(0)
    encoder = EncoderConfig(width=8, dropout=0.0, max_length=4)
    chosen = {"num_negatives": None, "adaptor_dropout": 0.0, **settings}
    config = UniSRecConfig(space=SPACE, text_width=text_VE.shape[1], encoder=encoder, **chosen)
    return UniSRec(config, text_VE)


def _train(model: UniSRec, steps: int) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.stack(list(model.loss(SEQUENCES).values())).sum().backward()
        optimizer.step()


def test_experts_whiten_and_a_softmax_gate_weighs_them():
    mixture = WhiteningMixture(2, 1, 2, dropout=0.0).eval()
    with torch.no_grad():
        mixture.expert.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 10.0]]))
        mixture.shift_XE.copy_(torch.tensor([[1.0, 9.0], [9.0, 2.0]]))
        mixture.gate.weight.copy_(torch.tensor([[0.0, 0.0], [math.log(3), 0.0]]))

    # Experts: 1 * (1 - 1) and 10 * (5 - 2); gate logits 0 and log 3 give shares 1/4 and 3/4.
    answer = mixture(torch.tensor([[1.0, 5.0]]))

    torch.testing.assert_close(answer, torch.tensor([[22.5]]))


def test_gates_are_noisy_in_training_alone():
    mixture = WhiteningMixture(3, 2, 4, dropout=0.0)
    text_NE = torch.randn(5, 3)

    assert not torch.equal(mixture.train()(text_NE), mixture(text_NE))
    assert torch.equal(mixture.eval()(text_NE), mixture(text_NE))


def test_texts_are_centred_on_their_domain_and_not_stored():
    model = _unisrec(TEXT * 7 + 100)

    for domain in range(2):
        own = model.text_VE[SPACE.columns(domain)]
        torch.testing.assert_close(own.mean(dim=0), torch.zeros(5), atol=1e-4, rtol=0)
    assert model.text_VE[1:].square().mean().item() == pytest.approx(1, abs=1e-4)
    assert (model.text_VE[0] == 0).all()
    assert not any("text" in name for name in model.state_dict())


def test_text_vectors_that_fit_no_item_are_refused():
    with pytest.raises(ValueError, match=r"\(12, 5\), need \(13, 5\)"):
        _unisrec(TEXT[:12])


def test_scores_are_cosines_over_the_temperature():
    model = _unisrec().eval()
    state_D = model(QUERY.history_BL)[0, -1]
    item_D = model.item_vectors(torch.tensor([9]))[0]

    cosine = torch.nn.functional.cosine_similarity(state_D, item_D, dim=0)

    torch.testing.assert_close(model.score(QUERY)[0, 9], cosine / 0.07)
    assert model.score(QUERY)[:, 1:].abs().max() <= 1 / 0.07 + 1e-4


def test_the_id_vector_is_part_of_input_and_candidate():
    model = _unisrec().eval()
    before = model.score(QUERY)
    with torch.no_grad():
        model.item.weight[1, 0] += 1  # in the first history alone
        model.item.weight[12, 0] += 1  # in none
    after = model.score(QUERY)

    assert not torch.allclose(after[0], before[0])
    torch.testing.assert_close(after[1, 2:12], before[1, 2:12])
    assert not torch.allclose(after[1, 12], before[1, 12])


def test_the_inductive_form_knows_texts_alone():
    same_text = TEXT.clone()
    same_text[8] = same_text[9]
    model = _unisrec(same_text, inductive=True)
    _train(model, 5)

    scores = model.eval().score(QUERY)

    assert model.item is None and "item.weight" not in model.state_dict()
    torch.testing.assert_close(scores[:, 8], scores[:, 9])


def test_all_positions_but_the_last_learn_within_the_labels_domain():
    model = _unisrec()
    for parameter in (model.item.weight, model.adaptor.expert.weight):
        torch.nn.init.zeros_(parameter)

    assert model.loss(SEQUENCES)["next_item"].item() == pytest.approx(math.log(6), abs=1e-6)


def test_sampled_and_full_loss_agree_where_the_sample_is_the_domain(monkeypatch):
    """Each domain's own items as its negatives: hits are masked, so nothing is counted twice."""
    everything = torch.stack([torch.arange(1, 7), torch.arange(7, 13)])
    monkeypatch.setattr("models.baselines.unisrec.draw_of_domains", lambda *args: everything)
    sampled, full = _unisrec(num_negatives=6).eval(), _unisrec().eval()

    torch.testing.assert_close(
        sampled.loss(SEQUENCES)["next_item"], full.loss(SEQUENCES)["next_item"]
    )


def test_sequences_of_one_item_teach_nothing():
    losses = _unisrec(num_negatives=4, contrast_weight=0.1).loss(
        SequenceBatch(torch.tensor([[0, 1], [0, 7]]))
    )
    torch.stack(list(losses.values())).sum().backward()

    assert [loss.item() for loss in losses.values()] == [0, 0]


def test_dropped_items_leave_a_sequence_in_order_with_its_newest_item():
    torch.manual_seed(0)
    x_BLD = torch.arange(1.0, 7).expand(200, 6).unsqueeze(-1).clone()
    valid_BL = torch.ones(200, 6, dtype=torch.bool)
    x_BLD[:100, 0], valid_BL[:100, 0] = 0, False

    moved_BLD, kept_BL = drop_items(x_BLD, valid_BL, 0.5)

    assert (moved_BLD[:, -1, 0] == 6).all() and kept_BL[:, -1].all()
    assert kept_BL[100:, :].sum().item() == pytest.approx(100 * (1 + 2.5), rel=0.1)
    for row_L, kept_L in zip(moved_BLD[..., 0], kept_BL, strict=True):
        own = row_L[kept_L]
        assert not kept_L[: 6 - len(own)].any()  # padding is on the left
        assert (own.diff() > 0).all() and (own > 0).all()


def test_the_contrast_asks_for_ones_own_sequence_among_other_labels():
    unit = torch.eye(3)
    logits, labels = 2 * unit, torch.tensor([5, 6, 5])

    # Rows 0 and 2 share a label, so each has one rival; row 1 has two.
    expected = (2 * math.log(1 + math.exp(-2)) + math.log(1 + 2 * math.exp(-2))) / 3

    assert same_sequence_loss(logits, unit, labels).item() == pytest.approx(expected, abs=1e-6)


def test_an_empty_history_scores_every_item_the_same():
    history_BL = torch.tensor([[0, 0], [1, 2]])
    scores = _unisrec().eval().score(Query(history_BL, torch.tensor([0, 0])))

    assert (scores[0] == 0).all() and scores[1].std() > 0


@pytest.mark.parametrize("settings", [{}, {"num_negatives": 4}, {"inductive": True}])
def test_it_learns_which_item_follows_which(settings):
    model = _unisrec(**settings)
    _train(model, 80)

    scores = model.eval().score(QUERY)

    assert scores[:, SPACE.columns(1)].argmax(dim=1).tolist() == [1, 3, 5]
