"""Ranks and metrics against values worked by hand."""

import math

import pytest
import torch

from models.metrics import candidate_ranks, hit_rate, ndcg, points_against


def test_a_rank_counts_higher_negatives_and_half_of_the_ties():
    scores_BV = torch.tensor([[9.0, 5.0, 7.0, 5.0, 5.0, 1.0]])
    ranks = candidate_ranks(scores_BV, torch.tensor([1]), torch.tensor([[2, 3, 4, 5]]))

    assert ranks.tolist() == [1 + 1 + 2 / 2]


def test_id_zero_is_no_candidate():
    scores_BV = torch.tensor([[9.0, 5.0, 7.0, 1.0]])

    assert candidate_ranks(scores_BV, torch.tensor([1]), torch.tensor([[0, 3, 0]])).tolist() == [1]


def test_a_constant_scorer_ranks_in_the_middle_and_never_hits():
    scores_BV = torch.zeros(2, 1001)
    negatives_BM = torch.arange(2, 1001).expand(2, -1)

    rank_B = candidate_ranks(scores_BV, torch.tensor([1, 1]), negatives_BM)

    assert rank_B.tolist() == [500.5, 500.5]
    assert hit_rate(rank_B, 10).tolist() == [0, 0]


def test_points_are_two_for_higher_and_one_for_equal_scores():
    scores_BC = torch.tensor([[3.0, 4.0, 3.0, -1.0], [3.0, 4.0, 3.0, 9.0]])

    assert points_against(scores_BC, torch.tensor([0, 1])).tolist() == [[1, 2, 1, 0], [0, 1, 0, 2]]


def test_points_add_up_to_the_rank_among_all_items():
    scores_BC = torch.randn(8, 20, generator=torch.Generator().manual_seed(0)).round(decimals=1)
    label_B = torch.arange(8)
    others_BM = torch.stack([torch.tensor([i for i in range(20) if i != y]) for y in label_B])
    padded_BV = torch.nn.functional.pad(scores_BC, (1, 0))  # id 0 is no candidate

    torch.testing.assert_close(
        1 + (points_against(scores_BC, label_B).sum(dim=1) - 1) / 2,
        candidate_ranks(padded_BV, label_B + 1, others_BM + 1),
    )


def test_minus_infinity_outside_the_domain_is_a_score_like_any_other():
    scores_BV = torch.tensor([[-torch.inf, 2.0, 1.0, -torch.inf]])

    assert candidate_ranks(scores_BV, torch.tensor([2]), torch.tensor([[1, 3]])).tolist() == [2]


def test_hits_and_gains_of_each_user():
    rank_N = torch.tensor([1.0, 2.5, 10.0, 10.5])

    assert hit_rate(rank_N, 10).tolist() == [1, 1, 1, 0]
    expected = [1.0, 1 / math.log2(3.5), 1 / math.log2(11), 0.0]
    assert ndcg(rank_N, 10).tolist() == pytest.approx(expected)


def test_nan_scores_are_refused_with_their_number():
    scores_BV = torch.zeros(3, 4)
    scores_BV[1, 2] = torch.nan

    with pytest.raises(ValueError, match="scores of 1 of 3 users hold NaN"):
        candidate_ranks(scores_BV, torch.ones(3).long(), torch.tensor([[2, 3]] * 3))
