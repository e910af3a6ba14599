"""Whole sequences as training batches, in an order that a seed and an epoch decide."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.batch import SequenceBatch
from pipeline.catalog import Scenario
from pipeline.store import Store
from pipeline.train.ragged import Ragged


def epoch_generator(seed: int, epoch: int) -> np.random.Generator:
    """The only source of randomness of an epoch's data, so that a resumed run sees the same."""
    return np.random.default_rng([seed, epoch])


def load_training_sequences(store: Store, scenario: Scenario, parts: tuple[str, ...]) -> Ragged:
    """Whole sequences of the training users of the given parts."""
    table = store.read_table(f"sequences/{scenario.name}", ["part", "items"])
    return Ragged.of(table.filter(pc.is_in(table["part"], pa.array(parts)))["items"])


def sequence_batches(
    sequences: Ragged, rows: np.ndarray, size: int, max_length: int, generator: np.random.Generator
) -> Iterator[SequenceBatch]:
    """All `rows` once, shuffled; one entry more than `max_length`, since the first is no label."""
    order = generator.permutation(rows)
    for first in range(0, len(order), size):
        yield SequenceBatch(sequences.padded(order[first : first + size], max_length + 1))


def whole_sequences(sequences: Ragged, size: int) -> Iterator[SequenceBatch]:
    """Every sequence once, uncut; sorted by length, so that little is padding."""
    order = np.argsort(np.diff(sequences.bounds), kind="stable")
    for first in range(0, len(order), size):
        rows = order[first : first + size]
        yield SequenceBatch(sequences.padded(rows, sequences.longest))
