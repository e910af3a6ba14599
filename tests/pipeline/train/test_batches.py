"""Whole sequences as training batches, in an order that the seed and the epoch decide."""

from typing import Any

import numpy as np
from torch import Tensor

from pipeline.train.batches import (
    epoch_generator,
    load_training_sequences,
    sequence_batches,
    whole_sequences,
)
from pipeline.train.ragged import Ragged, ragged

OVERLAP = [[1, 2, 6, 3, 7], [6, 1], [1, 6], [2, 3, 8, 9], [7, 6, 4, 5, 8]]


def lists(rows: list[list[int]]) -> Ragged:
    return ragged([np.array(row) for row in rows])


def shown(padded: Tensor) -> list[list[int]]:
    return [[item for item in row if item] for row in padded.tolist()]


def test_training_sequences_are_those_of_the_parts_asked(world: Any) -> None:
    rows = world.store.read_table("sequences/little").to_pylist()
    for parts in (("single",), ("single", "overlap")):
        found = load_training_sequences(world.store, world.scenario, parts)
        expected = [row["items"] for row in rows if row["part"] in parts]
        assert [found[i].tolist() for i in range(len(found))] == expected


def test_every_sequence_comes_once_an_epoch_with_one_more_item_than_is_read() -> None:
    batches = list(sequence_batches(lists(OVERLAP), np.arange(5), 2, 3, epoch_generator(0, 0)))
    assert [len(batch.items_BL) for batch in batches] == [2, 2, 1]
    rows = [row for batch in batches for row in shown(batch.items_BL)]
    assert sorted(rows) == sorted(row[-4:] for row in OVERLAP)


def test_the_seed_and_the_epoch_decide_the_order() -> None:
    def order(seed: int, epoch: int) -> list[list[int]]:
        generator = epoch_generator(seed, epoch)
        batches = sequence_batches(lists(OVERLAP), np.arange(5), 2, 9, generator)
        return [row for batch in batches for row in shown(batch.items_BL)]

    assert order(0, 1) == order(0, 1)
    assert len({str(order(0, 1)), str(order(0, 2)), str(order(1, 1))}) == 3


def test_only_the_rows_asked_for_are_trained_on() -> None:
    batches = sequence_batches(lists(OVERLAP), np.array([3, 1]), 2, 9, epoch_generator(0, 0))
    assert sorted(row for b in batches for row in shown(b.items_BL)) == [[2, 3, 8, 9], [6, 1]]


def test_counting_sees_every_sequence_whole_and_the_short_ones_first() -> None:
    batches = list(whole_sequences(lists(OVERLAP), 2))
    assert shown(batches[0].items_BL) == [[6, 1], [1, 6]]
    rows = [row for batch in batches for row in shown(batch.items_BL)]
    assert sorted(rows) == sorted(OVERLAP)
