"""Cases of both sorts in one batch, and noise that belongs to its case."""

import torch

from models.batch import TransferBatch
from models.lgcd_cases import LGCDBatch, case_noise, gather_cases, mean_where


def _transfer(source: list[list[int]], mixed: list[list[int]]) -> TransferBatch:
    label_B = torch.arange(len(source))
    source_BL, mixed_BL = torch.tensor(source), torch.tensor(mixed)
    return TransferBatch(source_BL, source_BL, mixed_BL, label_B, label_B % 2)


def test_both_sorts_of_users_are_padded_on_the_left_and_told_apart():
    overlap, pseudo = _transfer([[1, 2]], [[1, 9, 2]]), _transfer([[3], [4]], [[3], [4]])

    cases = gather_cases(LGCDBatch(overlap, pseudo), mixed_ids=True)

    assert cases.id_BL.tolist() == [[1, 9, 2], [0, 0, 3], [0, 0, 4]]
    assert cases.source_BL.tolist() == [[1, 2], [0, 3], [0, 4]]
    assert cases.pseudo_B.tolist() == [False, True, True]
    assert cases.of(cases.pseudo_B).label_B.tolist() == [0, 1]


def test_a_pseudo_users_id_history_is_the_source_alone():
    overlap, pseudo = _transfer([[1, 2]], [[1, 9]]), _transfer([[3, 4]], [[8, 4]])

    for mixed_ids, expected in ((True, [[1, 9], [3, 4]]), (False, [[1, 2], [3, 4]])):
        cases = gather_cases(LGCDBatch(overlap, pseudo), mixed_ids=mixed_ids)
        assert cases.id_BL.tolist() == expected


def test_pseudo_users_may_be_missing():
    cases = gather_cases(LGCDBatch(_transfer([[1]], [[1]]), None), mixed_ids=False)

    assert cases.pseudo_B.tolist() == [False]


def test_a_mean_is_over_the_chosen_and_zero_without_any():
    value_B = torch.tensor([1.0, 2.0, 6.0], requires_grad=True)

    assert mean_where(value_B, torch.tensor([True, False, True])).item() == 3.5
    nothing = mean_where(value_B, torch.zeros(3).bool())
    nothing.backward()
    assert nothing.item() == 0 and value_B.grad.tolist() == [0, 0, 0]


def test_noise_belongs_to_its_history_and_its_seed():
    noise = case_noise(torch.tensor([[1, 2], [2, 1], [1, 2]]), 3, 4, seed=0)

    assert noise.shape == (3, 3, 4)
    assert torch.equal(noise[:, 0], noise[:, 2])
    assert not torch.equal(noise[:, 0], noise[:, 1])
    assert torch.equal(noise[:, :1], case_noise(torch.tensor([[0, 0, 1, 2]]), 3, 4, seed=0))
    assert not torch.equal(noise[:, :1], case_noise(torch.tensor([[1, 2]]), 3, 4, seed=1))


def test_noise_over_many_histories_is_standard_normal():
    histories_BL = torch.arange(1, 2001).unsqueeze(1)

    noise = case_noise(histories_BL, 1, 8, seed=3)

    assert abs(noise.mean().item()) < 0.03 and abs(noise.std().item() - 1) < 0.03
    # Neighbouring ids must not have neighbouring noise.
    correlation = torch.corrcoef(torch.stack([noise[0, :-1, 0], noise[0, 1:, 0]]))[0, 1]
    assert abs(correlation.item()) < 0.1
