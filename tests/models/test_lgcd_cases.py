"""Cases of both sorts in one batch."""

import torch

from models.batch import TransferBatch
from models.lgcd_cases import LGCDBatch, gather_cases, mean_where


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
