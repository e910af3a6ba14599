"""LGCD's two stages: encoders from single-domain users, then transfer from overlap users."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from models.batch import SequenceBatch
from models.lgcd import LGCD
from models.lgcd_encoders import DomainEncoders
from pipeline.catalog import Scenario
from pipeline.store import Store
from pipeline.train.batches import (
    epoch_generator,
    load_training_sequences,
    sequence_batches,
)
from pipeline.train.cases import item_space
from pipeline.train.checkpoint import Checkpoint
from pipeline.train.device import best_device
from pipeline.train.loop import FitReport, fit, to_device
from pipeline.train.presets.runs import EncodersRun, TransferRun
from pipeline.train.ragged import Ragged
from pipeline.train.selected import fit_selected
from pipeline.train.transfer_batches import load_transfer_cases, transfer_batches

_HELD_OUT_SEED = 20_000  # apart from the streams of the epochs


def load_item_text(store: Store, scenario: Scenario) -> Tensor:
    """Frozen text vectors, float32 [num_items + 1, width]; row 0 is padding."""
    return store.read_tensors(f"item_text/{scenario.name}")["vectors"]


def train_encoders(
    run: EncodersRun,
    model: DomainEncoders,
    scenario: Scenario,
    store: Store,
    seed: int,
    checkpoint: Checkpoint,
) -> FitReport:
    """Stage 1: fit `model` in place; selected by the loss on held-out single-domain sequences."""
    sequences = load_training_sequences(store, scenario, ("single",))
    order = epoch_generator(seed, _HELD_OUT_SEED).permutation(len(sequences))
    num_held_out = max(round(run.held_out * len(order)), 1)
    held_out, rows = order[:num_held_out], order[num_held_out:]
    device = best_device()

    def batches(epoch: int) -> Iterator[SequenceBatch]:
        generator = epoch_generator(seed, epoch)
        return sequence_batches(sequences, rows, run.batch_size, run.max_length, generator)

    return fit(
        model=model,
        epoch_batches=batches,
        validate=_held_out_score(model, sequences, held_out, run, device),
        config=run.loop,
        seed=seed,
        checkpoint=checkpoint,
        loss=model.loss,
        device=device,
    )


def _held_out_score(
    model: DomainEncoders,
    sequences: Ragged,
    rows: np.ndarray,
    run: EncodersRun,
    device: torch.device,
) -> Callable[[], float]:
    """Minus the mean loss on sequences that are not trained on, under the same sampled items."""

    def score() -> float:
        torch.manual_seed(_HELD_OUT_SEED)  # the same negatives after every epoch
        generator = np.random.default_rng(_HELD_OUT_SEED)
        losses = [
            float(torch.stack(list(model.loss(to_device(batch, device)).values())).sum())
            for batch in sequence_batches(
                sequences, rows, run.batch_size, run.max_length, generator
            )
        ]
        return -sum(losses) / len(losses)

    return score


def train_transfer(
    run: TransferRun,
    model: LGCD,
    scenario: Scenario,
    store: Store,
    seed: int,
    checkpoint: Checkpoint,
) -> FitReport:
    """Stage 2: fit `model`, which starts from stage 1, in place; selected on validation users."""
    cases = load_transfer_cases(store, scenario, item_space(store, scenario), run.cases)
    return fit_selected(
        model,
        lambda generator: transfer_batches(cases, run.cases, generator),
        run.loop,
        scenario,
        store,
        seed,
        checkpoint,
    )
