"""Systems that learn the next item of whole sequences, of all training users mixed."""

from collections.abc import Iterator

import numpy as np
from torch import nn

from models.batch import SequenceBatch
from models.recommender import Prepared, Recommender
from pipeline.catalog import Scenario
from pipeline.store import Store
from pipeline.train.batches import epoch_generator, load_training_sequences, sequence_batches
from pipeline.train.checkpoint import Checkpoint
from pipeline.train.counts import count
from pipeline.train.device import best_device
from pipeline.train.loop import FitReport, fit
from pipeline.train.presets.runs import SequentialRun
from pipeline.train.validation import validator


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
    device = best_device()

    def batches(epoch: int) -> Iterator[SequenceBatch]:
        return sequence_batches(
            sequences, rows, run.batch_size, run.max_length, epoch_generator(seed, epoch)
        )

    return fit(
        model=model,
        epoch_batches=batches,
        validate=validator(store, scenario, model, device),
        config=run.loop,
        seed=seed,
        checkpoint=checkpoint,
        loss=model.loss,
        device=device,
    )
