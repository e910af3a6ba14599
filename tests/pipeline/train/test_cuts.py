"""Where sequences are cut, worked by hand."""

import numpy as np
import pytest

from models.batch import ItemSpace
from pipeline.train.cuts import Cuttable, chosen, domains_of
from pipeline.train.ragged import Ragged, ragged

SPACE = ItemSpace(sizes=(5, 4))  # items 1..5 and 6..9


def cuttable(*rows: list[int]) -> Cuttable:
    return Cuttable.of(ragged([np.array(row) for row in rows]), SPACE)


@pytest.mark.parametrize(
    ("items", "num_cuts"),
    [([1, 2, 6, 3], 2), ([1, 6], 1), ([6, 1, 2], 2), ([1, 6, 7, 8], 3)],
)
def test_a_label_has_something_of_another_domain_before_it(items: list[int], num_cuts: int) -> None:
    assert cuttable(items).num_cuts.tolist() == [num_cuts]


def test_sequences_of_one_domain_cannot_be_cut() -> None:
    found = cuttable([1, 2, 3], [1, 6], [7], [8, 2])
    assert [found.sequences[i].tolist() for i in range(len(found))] == [[1, 6], [8, 2]]
    assert not len(cuttable([1, 2])) and not len(Cuttable.of(ragged([]), SPACE))


def test_the_first_are_the_first() -> None:
    found = cuttable([1, 6], [7, 2], [3, 8]).first(2)
    assert found.sequences.flat.tolist() == [1, 6, 7, 2] and found.num_cuts.tolist() == [1, 1]


def test_a_cut_shows_what_came_before_its_label_and_stops_at_the_first_possible() -> None:
    found = cuttable([1, 2, 6, 3, 7], [6, 1])
    rows = np.array([1, 0, 0, 0])
    before, label = found.cut(rows, np.array([1, 1, 2, 99]))
    assert before.tolist() == [[0, 0, 0, 6], [1, 2, 6, 3], [0, 1, 2, 6], [0, 0, 1, 2]]
    assert label.tolist() == [1, 7, 3, 6]


def test_the_newest_chosen_items_keep_their_order() -> None:
    items = np.array([[1, 2, 3, 4], [0, 0, 5, 6]])
    picked = np.array([[True, False, True, True], [False, False, True, False]])
    assert chosen(items, picked, 9).tolist() == [[1, 3, 4], [0, 0, 5]]
    assert chosen(items, picked, 2).tolist() == [[3, 4], [0, 5]]
    assert chosen(items, np.zeros((2, 4), dtype=bool), 9).tolist() == [[0], [0]]


def test_items_know_their_domain() -> None:
    assert domains_of(np.array([1, 5, 6, 9]), SPACE).tolist() == [0, 0, 1, 1]


def test_lists_are_taken_by_number_in_the_order_asked() -> None:
    lists = ragged([np.array([1, 2]), np.array([], dtype=np.int64), np.array([3])])
    taken = lists.take(np.array([2, 0, 1, 2]))
    assert [taken[i].tolist() for i in range(4)] == [[3], [1, 2], [], [3]]
    assert isinstance(taken, Ragged) and len(lists.take(np.zeros(0, dtype=np.int64))) == 0
