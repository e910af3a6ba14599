"""Padding on the left, by hand."""

import numpy as np
import pyarrow as pa
import pytest
import torch

from pipeline.train.ragged import Ragged, ragged

LISTS = [[1, 2, 3], [], [4], [5, 6]]


@pytest.fixture(params=["lists", "arrow", "chunks", "slice"])
def lists(request: pytest.FixtureRequest) -> Ragged:
    """The same four lists, however they came."""
    kind = pa.list_(pa.int32())
    if request.param == "lists":
        return ragged([np.array(entry, dtype=np.int32) for entry in LISTS])
    if request.param == "arrow":
        return Ragged.of(pa.chunked_array([pa.array(LISTS, kind)]))
    if request.param == "chunks":
        return Ragged.of(pa.chunked_array([pa.array(LISTS[:1], kind), pa.array(LISTS[1:], kind)]))
    return Ragged.of(pa.chunked_array([pa.array([[9, 9], *LISTS, [9]], kind)]).slice(1, 4))


def test_lists_are_told_apart(lists: Ragged) -> None:
    assert len(lists) == 4
    assert [lists[row].tolist() for row in range(4)] == LISTS
    assert lists.longest == 3


def test_short_lists_are_padded_on_the_left(lists: Ragged) -> None:
    padded = lists.padded(np.arange(4), 5)
    assert padded.dtype == torch.int64
    assert padded.tolist() == [[1, 2, 3], [0, 0, 0], [0, 0, 4], [0, 5, 6]]


def test_long_lists_keep_their_newest_entries(lists: Ragged) -> None:
    assert lists.padded(np.array([3, 0]), 2).tolist() == [[5, 6], [2, 3]]


def test_lists_of_one_length_need_no_padding() -> None:
    pairs = ragged([np.array([1, 2]), np.array([3, 4]), np.array([5, 6])])
    for most in (2, 9):
        assert pairs.padded(np.array([2, 0, 2]), most).tolist() == [[5, 6], [1, 2], [5, 6]]
    assert pairs.padded(np.array([1]), 1).tolist() == [[4]]
    assert pairs.padded(np.array([], dtype=np.int64), 2).shape == (0, 1)


def test_lists_that_are_of_one_length_in_the_mean_alone_are_told_apart() -> None:
    lists = ragged([np.array([1]), np.array([2, 3, 4]), np.array([5, 6])])
    assert lists.padded(np.array([2]), 2).tolist() == [[5, 6]]
    assert lists.padded(np.array([0, 2]), 2).tolist() == [[0, 1], [5, 6]]


def test_a_batch_is_no_wider_than_its_longest_list(lists: Ragged) -> None:
    assert lists.padded(np.array([2, 3]), 50).tolist() == [[0, 4], [5, 6]]


def test_at_least_one_column_stays(lists: Ragged) -> None:
    assert lists.padded(np.array([1, 1]), 50).tolist() == [[0], [0]]
    assert lists.padded(np.array([], dtype=np.int64), 50).shape == (0, 1)


def test_nothing_is_ragged_too() -> None:
    for nothing in (ragged([]), Ragged.of(pa.chunked_array([], pa.list_(pa.int32())))):
        assert (len(nothing), nothing.longest) == (0, 0)
    empty = ragged([np.array([], dtype=np.int64)])
    assert empty.padded(np.array([0]), 3).tolist() == [[0]]
