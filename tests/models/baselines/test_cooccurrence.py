"""Votes against sums worked by hand: direction, distance, recency and the hop."""

import pytest
import torch

from models.baselines.cooccurrence import Cooccurrence, CooccurrenceConfig
from models.batch import ItemSpace, Query, SequenceBatch

SPACE = ItemSpace(sizes=(3, 4))  # items 1..3 and 4..7


def _counted(sequences: list[list[int]], **settings: float) -> Cooccurrence:
    model = Cooccurrence(CooccurrenceConfig(space=SPACE, **settings))
    model.count([SequenceBatch(torch.tensor(sequences))])
    return model


def _votes(model: Cooccurrence, history: list[int]) -> list[float]:
    return model.score(Query(torch.tensor([history]), torch.tensor([1])))[0].tolist()


def test_an_earlier_item_votes_for_later_ones_of_the_other_domain_by_distance():
    model = _counted([[0, 1, 2, 4], [0, 0, 1, 4]], hop=0)

    assert _votes(model, [1]) == pytest.approx([0, 0, 0, 0, 1 / 2 + 1, 0, 0, 0])
    assert _votes(model, [2]) == pytest.approx([0, 0, 0, 0, 1, 0, 0, 0])


def test_a_later_item_does_not_vote_for_an_earlier_one():
    assert sum(_votes(_counted([[4, 1]], hop=0), [1])) == 0


def test_pairs_beyond_the_window_do_not_count():
    model = _counted([[1, 2, 3, 4]], window=2, hop=0)

    assert sum(_votes(model, [1])) == 0 and sum(_votes(model, [2])) == pytest.approx(1 / 2)


def test_newer_history_items_weigh_more():
    model = _counted([[1, 4], [2, 5]], recency=0.5, hop=0)

    assert _votes(model, [0, 1, 2])[4:6] == pytest.approx([0.5, 1])


def test_the_hop_passes_votes_to_companions_within_the_domain():
    model = _counted([[0, 0, 1, 4], [5, 6, 4, 7]], hop=3.0)

    # Companions of 4: 5 at distance 2, 6 and 7 at distance 1: shares 1/5, 2/5, 2/5.
    assert _votes(model, [1]) == pytest.approx([0, 0, 0, 0, 1, 3 / 5, 6 / 5, 6 / 5])


def test_counting_in_parts_is_counting_at_once():
    sequences = [[1, 4, 2, 5], [0, 3, 4, 7], [0, 2, 6, 4]]
    at_once, in_parts = _counted(sequences), _counted(sequences[:1])
    in_parts.count([SequenceBatch(torch.tensor(sequences[1:]))])

    for name, tensor in at_once.state_dict().items():
        torch.testing.assert_close(in_parts.state_dict()[name], tensor)


def test_sequences_without_any_pair_count_nothing():
    assert sum(_votes(_counted([[1], [4]]), [1])) == 0
