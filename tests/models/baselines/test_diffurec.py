"""DiffuRec: its cuts, what the noise can do, and that it learns without order of positions."""

import math

import pytest
import torch

from models.baselines.diffurec import DiffuRec, DiffuRecConfig, cut_sequences
from models.batch import ItemSpace, Query, SequenceBatch
from models.blocks.transformer import EncoderConfig

SPACE = ItemSpace(sizes=(6, 6))
SEQUENCES = torch.tensor([[1, 7, 2, 8], [3, 9, 4, 10], [5, 11, 6, 12]])
QUERY = Query(SEQUENCES[:, :-1], torch.ones(3).long())


def _diffurec(**settings: object) -> DiffuRec:
    torch.manual_seed(0)
    encoder = EncoderConfig(width=8, num_heads=2, dropout=0.0, max_length=4, causal=False)
    chosen = {"num_negatives": None, "item_dropout": 0.0, **settings}
    return DiffuRec(DiffuRecConfig(space=SPACE, encoder=encoder, **chosen))


def test_a_cut_ends_the_history_before_the_label():
    items_BL = torch.tensor([[0, 1, 2, 3], [4, 5, 6, 7], [0, 0, 8, 9], [0, 0, 0, 10]])

    cuts = cut_sequences(items_BL, torch.tensor([1, 0, 0, 0]))

    assert cuts.history_BL.tolist() == [[0, 0, 1], [4, 5, 6], [0, 0, 8], [0, 0, 0]]
    assert cuts.label_B.tolist() == [2, 7, 9, 0]


def test_a_label_without_a_history_is_none():
    cuts = cut_sequences(torch.tensor([[1, 2, 3], [0, 4, 5]]), torch.tensor([2, 1]))

    assert cuts.label_B.tolist() == [0, 0]
    assert cut_sequences(torch.tensor([[6]]), torch.tensor([0])).label_B.tolist() == [0]


def _cuts_of(model: DiffuRec, items: list[int], draws: int) -> torch.Tensor:
    return model._cut(torch.tensor([items] * draws)).label_B.bincount(minlength=5)


def test_random_cuts_reach_every_item_with_a_history_alike():
    counts = _cuts_of(_diffurec(num_cuts=2), [0, 1, 2, 3, 4], 3000)

    assert counts[:2].tolist() == [0, 0] and counts.sum() == 6000
    deviation = 4 * math.sqrt(6000 * 1 / 3 * 2 / 3)
    assert (counts[2:] - 2000).abs().max() < deviation


def test_the_last_cut_is_always_the_last_item():
    assert _cuts_of(_diffurec(cut="last"), [0, 1, 2, 3, 4], 9).tolist() == [0, 0, 0, 0, 9]


def test_several_last_cuts_are_refused():
    with pytest.raises(ValueError, match='num_cuts=2 with cut="last"'):
        _diffurec(cut="last", num_cuts=2)


@pytest.mark.parametrize("num_negatives", [None, 4])
def test_the_label_has_one_chance_among_its_own_domain(num_negatives):
    model = _diffurec(num_negatives=num_negatives)
    torch.nn.init.zeros_(model.item.weight)

    loss = model.loss(SequenceBatch(SEQUENCES))["next_item"].item()

    # All scores are equal. Sampled negatives that hit the label take no part.
    if num_negatives is None:
        assert loss == pytest.approx(math.log(6), abs=1e-6)
    else:
        assert loss <= math.log(5) + 1e-6


def test_sequences_of_one_item_teach_nothing():
    loss = _diffurec().loss(SequenceBatch(torch.tensor([[0, 1], [2, 3]])))["next_item"]
    alone = _diffurec().loss(SequenceBatch(torch.tensor([[2, 3]])))["next_item"]

    assert loss.item() == pytest.approx(alone.item(), abs=1e-2)  # the noise differs


def test_an_estimate_is_the_encoder_over_items_and_the_weighted_noisy_vector():
    model = _diffurec(delta=0.5).eval()
    item_BLD, noisy_BD, step_B = torch.randn(2, 3, 8), torch.randn(2, 8), torch.tensor([3, 32])
    valid_BL = torch.ones(2, 3, dtype=torch.bool)

    guide_BD = noisy_BD + model.time(torch.tensor([93.75, 1000.0]))
    z_BLD = item_BLD + 0.5 * guide_BD.unsqueeze(1)
    expected = model.encoder(z_BLD / math.sqrt(8), valid_BL)[:, -1]

    torch.testing.assert_close(model.estimate(item_BLD, valid_BL, noisy_BD, step_B), expected)


def test_lambda_is_drawn_for_every_value_in_training_and_is_its_mean_in_scoring():
    model, shape = _diffurec(delta=0.25), torch.zeros(50, 20, 8)

    drawn = model.train()._uncertainty(shape)

    assert drawn.mean().item() == pytest.approx(0.25, abs=0.02)
    assert drawn.std().item() == pytest.approx(0.25, abs=0.02)
    assert (model.eval()._uncertainty(shape) == 0.25).all()


def test_without_positions_the_order_before_the_last_item_never_matters():
    swapped = QUERY._replace(history_BL=QUERY.history_BL[:, [1, 0, 2]])
    last_too = QUERY._replace(history_BL=QUERY.history_BL[:, [2, 1, 0]])
    # delta 0 leaves the sampling noise, which follows the history's order, without a say.
    without, with_positions = _diffurec(delta=0.0).eval(), _diffurec(delta=0.0, positions=True)
    torch.nn.init.normal_(with_positions.item.weight)
    with_positions.eval()

    torch.testing.assert_close(without.score(swapped), without.score(QUERY))
    assert not torch.allclose(without.score(last_too), without.score(QUERY))
    assert not torch.allclose(with_positions.score(swapped), with_positions.score(QUERY))


def test_absent_positions_stay_absent_when_training():
    model = _diffurec()
    model.loss(SequenceBatch(SEQUENCES))["next_item"].backward()

    assert (model.encoder.position == 0).all() and model.encoder.position.grad is None


def test_the_sampling_seed_matters_only_as_far_as_lambda_lets_it():
    near = [_diffurec(sampling_seed=seed).eval().score(QUERY) for seed in (0, 1)]
    far = [_diffurec(delta=1.0, sampling_seed=seed).eval().score(QUERY) for seed in (0, 1)]

    assert not torch.equal(*near)
    assert (near[0] - near[1]).abs().max() < (far[0] - far[1]).abs().max() / 10


def test_scoring_calls_the_denoiser_once_a_step():
    for num_reverse_steps, calls in ((None, 32), (8, 8)):
        model, steps = _diffurec(num_reverse_steps=num_reverse_steps).eval(), []
        model.time.register_forward_hook(lambda module, args, out, seen=steps: seen.append(args))
        model.score(QUERY)

        assert len(steps) == calls
        assert steps[0][0][0].item() == 1000 and steps[-1][0][0].item() == 1000 / 32


def test_an_empty_history_scores_every_item_the_same():
    history_BL = torch.tensor([[0, 0], [1, 2]])
    scores = _diffurec().eval().score(Query(history_BL, torch.tensor([0, 0])))

    assert (scores[0] == 0).all() and scores[1].std() > 0


@pytest.mark.parametrize("num_negatives", [None, 4])
def test_it_learns_which_item_follows_which(num_negatives):
    model = _diffurec(num_cuts=4, num_negatives=num_negatives)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(80):
        optimizer.zero_grad()
        model.loss(SequenceBatch(SEQUENCES))["next_item"].backward()
        optimizer.step()

    scores = model.eval().score(QUERY)

    assert scores[:, SPACE.columns(1)].argmax(dim=1).tolist() == [1, 3, 5]
