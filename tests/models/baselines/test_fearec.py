"""FEARec: its block against FFTs of the whole circle, its cases, its views, and that it learns."""

import math

import pytest
import torch

from models.baselines.fearec import (
    FEARec,
    FEARecConfig,
    contrast,
    draw_cases,
    frequency_gap,
    like_lengths,
    same_label,
)
from models.baselines.fearec_block import HybridBlock, HybridConfig, Packing
from models.batch import ItemSpace, Query, SequenceBatch

SPACE = ItemSpace(sizes=(6, 6))
HYBRID = HybridConfig(width=8, ffn_width=16, dropout=0.0, max_length=12)


def _fearec(**settings: object) -> FEARec:
    torch.manual_seed(0)
    return FEARec(FEARecConfig(space=SPACE, hybrid=HYBRID, num_negatives=4, **settings))


def _states_of(model: FEARec, items_BL: torch.Tensor) -> torch.Tensor:
    return model(model.item(items_BL), items_BL != 0)


def _filtered(x: torch.Tensor, band: range) -> torch.Tensor:
    """[T, ...] -> its frequencies of `band`, by way of the FFT."""
    spectrum = torch.fft.rfft(x, dim=0)
    spectrum[: band.start] = 0
    spectrum[band.stop :] = 0
    return torch.fft.irfft(spectrum, n=len(x), dim=0)


def _hybrid_attention(block: HybridBlock, x: torch.Tensor, band: range) -> torch.Tensor:
    """Equations of the paper for one unpadded history [L, D], on the whole circle of T."""
    length, total = len(x), HYBRID.max_length
    qkv = torch.cat([block.query_key_value(x), torch.zeros(total - length, 24)])
    query, key, value = qkv.chunk(3, dim=1)
    spectrum = torch.fft.rfft(query, dim=0) * torch.fft.rfft(key, dim=0).conj()
    spectrum[: band.start] = 0
    spectrum[band.stop :] = 0
    correlation = torch.fft.irfft(spectrum, n=total, dim=0).mean(dim=1)
    top, delays = correlation.topk(2)  # int(ln 12)
    aggregated = torch.zeros(total, 8)
    for weight, delay in zip(top.softmax(dim=0), delays.tolist(), strict=True):
        aggregated += weight * torch.roll(value, -delay, dims=0)
    query, key, value = _filtered(qkv, band)[:length].chunk(3, dim=1)
    attended = torch.zeros(length, 8)
    for head in (slice(0, 4), slice(4, 8)):
        logits = query[:, head] @ key[:, head].T / math.sqrt(4)
        future = torch.ones(length, length).triu(1).bool()
        attended[:, head] = logits.masked_fill(future, -torch.inf).softmax(dim=1) @ value[:, head]
    return 0.9 * aggregated[:length] + 0.1 * attended


@pytest.mark.parametrize(("index", "band"), [(0, range(2, 7)), (1, range(0, 5))])
def test_a_block_is_the_papers_equations_for_each_history_alone(index, band):
    torch.manual_seed(0)
    block = HybridBlock(HYBRID, index).eval()
    histories = [torch.randn(length, 8) for length in (5, 2, 1)]
    valid_BL = torch.tensor([[1] * 5, [0, 0, 0, 1, 1], [0, 0, 0, 0, 1]]).bool()
    packing = Packing.of(valid_BL)

    newest_BD = block(torch.cat(histories), packing, newest_only=True)
    all_ND = block(torch.cat(histories), packing, newest_only=False)

    expected = []
    for x in histories:
        mixed = block.attention_out(_hybrid_attention(block, x, band))
        attended = block.attention_norm(x + mixed)
        expected.append(block.ffn_norm(attended + block.ffn(attended)))
    torch.testing.assert_close(all_ND, torch.cat(expected))
    torch.testing.assert_close(newest_BD, torch.stack([states[-1] for states in expected]))


def test_a_long_and_a_short_history_are_answered_as_each_alone():
    torch.manual_seed(0)
    model = FEARec(FEARecConfig(space=SPACE, hybrid=HybridConfig(width=8, ffn_width=8))).eval()
    lengths = [30, 1, 0, 9, 50, 8]
    items_BL = torch.zeros(6, 50, dtype=torch.int64)
    for row, length in enumerate(lengths):
        items_BL[row, 50 - length :] = torch.randint(1, 13, (length,))

    together_BD = _states_of(model, items_BL)

    for row, length in enumerate(lengths):
        alone_1D = _states_of(model, items_BL[row : row + 1, 50 - max(length, 1) :])
        torch.testing.assert_close(together_BD[row : row + 1], alone_1D)
    assert (together_BD[2] == 0).all() and (together_BD[[0, 1, 3, 4, 5]] != 0).any(dim=1).all()


def test_groups_hold_every_row_once_and_no_longer_history_than_they_have_columns():
    length_B = torch.tensor([0, 50, 8, 9, 21, 1])

    groups = like_lengths(length_B)

    assert sorted(torch.cat([rows for rows, _ in groups]).tolist()) == list(range(6))
    assert all((length_B[rows] <= longest).all() for rows, longest in groups)
    assert [longest for _, longest in groups] == [8, 20, 50]


def test_the_last_cut_takes_the_last_item_of_each_sequence():
    items_BL = torch.tensor([[0, 0, 1, 8, 2], [3, 4, 9, 12, 5], [0, 0, 0, 0, 7]])

    history_CL, label_C = draw_cases(items_BL, "last")

    cases = sorted(zip(label_C.tolist(), history_CL.tolist(), strict=True))
    assert cases == [(2, [0, 0, 1, 8]), (5, [3, 4, 9, 12])]


def test_random_cuts_are_prefixes_and_all_of_them_come_up_alike():
    torch.manual_seed(0)
    items_BL = torch.tensor([[0, 0, 1, 8, 2], [3, 4, 9, 12, 5], [0, 0, 0, 0, 7]])
    prefixes = {8: [0, 0, 0, 1], 2: [0, 0, 1, 8], 4: [0, 0, 0, 3], 9: [0, 0, 3, 4]}
    prefixes |= {12: [0, 3, 4, 9], 5: [3, 4, 9, 12]}
    seen = dict.fromkeys(prefixes, 0)

    for _ in range(600):
        history_CL, label_C = draw_cases(items_BL, "random")
        assert len(label_C) == 2  # two sequences have labels
        for history, label in zip(history_CL.tolist(), label_C.tolist(), strict=True):
            assert history == prefixes[label]
            seen[label] += 1

    assert all(160 < count < 240 for count in seen.values())  # 200 each, sd 11.5


def test_a_label_is_not_part_of_what_predicts_it():
    model = _fearec(cut="last", objective="full_softmax", contrast_weight=0.0, frequency_weight=0.0)
    model.eval()
    sequence = [1, 8, 2, 9]

    loss = model.loss(SequenceBatch(torch.tensor([[0, *sequence]])))["next_item"]

    state_D = _states_of(model, torch.tensor([sequence[:-1]]))[0]
    log_chance = (model.item.weight[7:] @ state_D).log_softmax(dim=0)
    torch.testing.assert_close(loss, -log_chance[2])


def test_partners_share_a_label_and_a_case_without_any_is_its_own():
    partner = same_label(torch.tensor([5, 3, 5, 7, 5, 3]))

    assert partner.tolist() == [2, 5, 4, 3, 0, 1]


def test_contrast_is_info_nce_over_all_other_views():
    torch.manual_seed(0)
    one, other = torch.randn(3, 4), torch.randn(3, 4)
    views = [*one, *other]

    total = 0.0
    for row in range(6):
        partner = (row + 3) % 6
        chances = [math.exp(float(views[row] @ views[k]) / 2) for k in range(6) if k != row]
        total -= math.log(math.exp(float(views[row] @ views[partner]) / 2) / sum(chances))

    assert contrast(one, other, temperature=2.0).item() == pytest.approx(total / 6, rel=1e-5)


def test_the_frequency_gap_of_a_constant_shift_lies_in_one_frequency():
    one = torch.randn(2, 8)

    # A shift by 3 is 3 * sqrt(8) at frequency zero, out of 5 frequencies.
    assert frequency_gap(one + 3, one).item() == pytest.approx(3 * math.sqrt(8) / 5, rel=1e-5)
    assert frequency_gap(one, one) == 0


def test_equal_views_have_no_gap_and_weights_scale_their_terms():
    batch = SequenceBatch(torch.tensor([[1, 8, 2], [3, 9, 4]]))

    once = _fearec(cut="last", contrast_weight=0.1).loss(batch)
    twice = _fearec(cut="last", contrast_weight=0.2).loss(batch)

    assert once["frequency"] == 0  # no dropout: both passes are the same
    assert once["contrast"] > 0
    torch.testing.assert_close(twice["contrast"], 2 * once["contrast"])


def test_a_term_of_no_weight_is_left_out():
    batch = SequenceBatch(torch.tensor([[1, 8, 2], [3, 9, 4]]))

    assert set(_fearec(contrast_weight=0.0).loss(batch)) == {"next_item", "frequency"}
    assert set(_fearec(contrast_weight=0.0, frequency_weight=0.0).loss(batch)) == {"next_item"}


def test_dropout_makes_the_two_views_differ():
    torch.manual_seed(0)
    hybrid = HybridConfig(width=8, ffn_width=16, dropout=0.5, max_length=12)
    model = FEARec(FEARecConfig(space=SPACE, hybrid=hybrid, num_negatives=4)).train()

    assert model.loss(SequenceBatch(torch.tensor([[1, 8, 2], [3, 9, 4]])))["frequency"] > 0


def test_sequences_without_a_label_give_no_loss_but_a_gradient():
    losses = _fearec().loss(SequenceBatch(torch.tensor([[0, 1], [0, 7]])))
    torch.stack(list(losses.values())).sum().backward()

    assert all(term == 0 for term in losses.values())


def test_more_delays_than_the_history_has_positions_are_refused():
    with pytest.raises(ValueError, match="delay_factor"):
        HybridConfig(max_length=4, delay_factor=4.0)
    with pytest.raises(ValueError, match="num_heads"):
        HybridConfig(width=8, num_heads=3)


@pytest.mark.parametrize("objective", ["sampled_softmax", "full_softmax"])
@pytest.mark.parametrize("cut", ["last", "random"])
def test_fearec_learns_which_item_comes_last(objective, cut):
    model = _fearec(objective=objective, cut=cut)
    batch = SequenceBatch(torch.tensor([[1, 7, 2, 8], [3, 9, 4, 10], [5, 11, 6, 12]]))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(120):
        optimizer.zero_grad()
        torch.stack(list(model.loss(batch).values())).sum().backward()
        optimizer.step()

    scores = model.eval().score(Query(batch.items_BL[:, :-1], torch.ones(3).long()))

    assert scores[:, SPACE.columns(1)].argmax(dim=1).tolist() == [1, 3, 5]
