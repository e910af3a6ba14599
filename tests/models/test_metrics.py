"""Ranks and metrics against values worked by hand."""

import math

import pytest
import torch

from models.metrics import candidate_ranks, full_ranks, hit_rate, ndcg


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


def test_a_full_rank_is_among_the_domains_own_items():
    scores_BV = torch.tensor([[99.0, 98.0, 3.0, 4.0, 3.0], [99.0, 98.0, 3.0, 4.0, 3.0]])

    assert full_ranks(scores_BV, torch.tensor([2, 3]), slice(2, 5)).tolist() == [2.5, 1]


def test_full_ranks_agree_with_candidate_ranks_over_all_items():
    scores_BV = torch.randn(8, 30, generator=torch.Generator().manual_seed(0))
    label_B = torch.arange(10, 18)
    others_BM = torch.stack([torch.tensor([i for i in range(10, 30) if i != y]) for y in label_B])

    torch.testing.assert_close(
        full_ranks(scores_BV, label_B, slice(10, 30)),
        candidate_ranks(scores_BV, label_B, others_BM),
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
    with pytest.raises(ValueError, match="scores of 1 of 3 users hold NaN"):
        full_ranks(scores_BV, torch.ones(3).long(), slice(1, 4))


def test_a_label_outside_the_ranked_domain_is_refused():
    with pytest.raises(ValueError, match=r"label 3 lies outside the ranked columns 1\.\.2"):
        full_ranks(torch.zeros(1, 4), torch.tensor([3]), slice(1, 3))
