"""Systems that count: one pass over all training sequences, no seed, no epochs."""

from collections.abc import Iterator

from models.batch import SequenceBatch
from models.recommender import Counter
from pipeline.catalog import Scenario
from pipeline.store import Store
from pipeline.train.batches import load_training_sequences, whole_sequences

_BATCH = 4096


def count(model: Counter, scenario: Scenario, store: Store) -> None:
    """Count whole sequences of single-domain and overlap users, in batches of like length."""
    sequences = load_training_sequences(store, scenario, ("single", "overlap"))
    batches: Iterator[SequenceBatch] = whole_sequences(sequences, _BATCH)
    model.count(batches)
