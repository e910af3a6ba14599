"""Ranks of a world of ten items, worked by hand."""

import dataclasses

import pytest
import torch

from pipeline.columns import RANKS
from pipeline.evaluate.ranking import METRICS, rank_cases

NEGATIVES = {
    # User 7: rivals .1 and .5 (a tie); user 8: .2; user 9: .3 (a tie) and .8.
    ("target", 0): torch.tensor([[7, 8], [6, 0], [1, 4]]),
    # Items of the other domain score 99 or 9 and do not compete.
    ("all", 3): torch.tensor([[1, 2, 6], [1, 2, 3], [5, 6, 4]]),
}
NAMES = ("food", "kitchen")


def rank(model, cases, space, **changes):
    options = {"system": "fixed", "train_seed": 4, "domains": NAMES, "batch_size": 2} | changes
    return rank_cases(model, cases, options.pop("negatives", NEGATIVES), space, **options)


def by_pool(table, column):
    rows = table.to_pylist()
    pools = dict.fromkeys(row["pool"] for row in rows)
    return {pool: [row[column] for row in rows if row["pool"] == pool] for pool in pools}


def test_ranks_count_better_items_and_half_the_ties(model, cases, space):
    table = rank(model, cases, space)
    assert table.schema == RANKS
    assert by_pool(table, "rank") == {
        "target": [1.5, 1.0, 2.5],
        "all": [2.0, 1.0, 2.0],
        # Of all items: user 7 has .9 and .7 above and one tie; user 9 has .8 above and two ties.
        "full": [3.5, 1.0, 3.0],
    }


def test_only_candidates_of_the_target_domain_are_counted(model, cases, space):
    counts = by_pool(rank(model, cases, space), "num_candidates")
    assert counts == {"target": [3, 2, 3], "all": [2, 1, 2], "full": [6, 6, 4]}


def test_rows_say_who_was_ranked_where(model, cases, space):
    rows = rank(model, cases, space).to_pylist()
    assert [row["user"] for row in rows[:3]] == [7, 8, 9]
    assert [row["target_domain"] for row in rows[:3]] == ["kitchen", "kitchen", "food"]
    assert {row["candidate_seed"] for row in rows if row["pool"] == "all"} == {3}
    assert {(row["system"], row["train_seed"], row["part"]) for row in rows} == {
        ("fixed", 4, "test")
    }


def test_every_user_is_scored_once(model, cases, space):
    rank(model, cases, space)
    assert model.num_scored == 3


def test_batches_do_not_change_ranks(model, cases, space):
    assert rank(model, cases, space, batch_size=1).equals(rank(model, cases, space, batch_size=9))


def test_a_constant_scorer_hits_nothing(model, cases, space):
    model.score_UV.fill_(1.0)
    label_first = {("target", 0): torch.tensor([[6, 7, 9, 10], [5, 6, 7, 9], [1, 2, 4, 0]])}
    ranks = by_pool(rank(model, cases, space, negatives=label_first), "rank")
    assert ranks == {"target": [3.0, 3.0, 2.5], "full": [3.5, 3.5, 2.5]}


def test_metrics_of_one_relevant_item():
    ranks = torch.tensor([1.0, 3.0, 5.5, 10.0, 10.5])
    assert METRICS["HR@5"](ranks).tolist() == [1, 1, 0, 0, 0]
    assert METRICS["HR@10"](ranks).tolist() == [1, 1, 1, 1, 0]
    assert METRICS["NDCG@5"](ranks).tolist() == pytest.approx([1, 0.5, 0, 0, 0])
    # 1 / log2(6.5) and 1 / log2(11)
    assert METRICS["NDCG@10"](ranks).tolist() == pytest.approx([1, 0.5, 0.370310, 0.289065, 0])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_broken_score_of_the_target_domain_is_an_error(model, cases, space, value):
    model.score_UV[2, 9] = value
    with pytest.raises(ValueError, match="test user 8: FixedScores gives scores that are not fin"):
        rank(model, cases, space)


def test_what_a_system_says_of_other_domains_is_ignored(model, cases, space):
    expected = rank(model, cases, space)
    model.score_UV[1, :5] = float("nan")
    assert rank(model, cases, space).equals(expected)


def test_a_label_among_its_own_negatives_is_an_error(model, cases, space):
    negatives = {("target", 2): torch.tensor([[7, 6], [6, 8], [1, 4]])}
    with pytest.raises(ValueError, match="'target', seed 2, test user 8: the label is among"):
        rank(model, cases, space, negatives=negatives)


def test_a_label_of_another_domain_is_an_error(model, cases, space):
    strange = dataclasses.replace(cases, label_N=torch.tensor([5, 2, 3]))
    with pytest.raises(ValueError, match="user 8: the label is no item of the target domain"):
        rank(model, strange, space, negatives={})


def test_negatives_of_other_users_are_an_error(model, cases, space):
    with pytest.raises(ValueError, match=r"shape \(2, 2\) for 3 test users"):
        rank(model, cases, space, negatives={("target", 0): torch.tensor([[7, 6], [6, 7]])})
