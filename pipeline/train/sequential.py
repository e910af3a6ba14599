"""Systems that learn the next item of whole sequences, of all training users mixed."""

import numpy as np
from torch import nn

from models.recommender import Prepared, Recommender
from pipeline.catalog import Scenario
from pipeline.store import Store
from pipeline.train.batches import load_training_sequences, sequence_batches
from pipeline.train.checkpoint import Checkpoint
from pipeline.train.counts import count
from pipeline.train.loop import FitReport
from pipeline.train.presets.runs import SequentialRun
from pipeline.train.selected import fit_selected


def train_sequential(
    run: SequentialRun,
    model: nn.Module,
    scenario: Scenario,
    store: Store,
    seed: int,
    checkpoint: Checkpoint,
) -> FitReport:
    """Fit `model` in place, selected on validation users."""
    assert isinstance(model, Recommender)
    if isinstance(model, Prepared):
        count(model, scenario, store)
    sequences = load_training_sequences(store, scenario, ("single", "overlap"))
    rows = np.arange(len(sequences))
    return fit_selected(
        model,
        lambda generator: sequence_batches(
            sequences, rows, run.batch_size, run.max_length, generator
        ),
        run.loop,
        scenario,
        store,
        seed,
        checkpoint,
    )
