"""How every system with gradients is fitted: on the best device, selected on validation users."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from torch import nn

from models.recommender import Recommender
from pipeline.catalog import Scenario
from pipeline.store import Store
from pipeline.train.batches import epoch_generator
from pipeline.train.checkpoint import Checkpoint
from pipeline.train.device import best_device
from pipeline.train.loop import FitReport, LoopConfig, fit
from pipeline.train.validation import validator


def fit_selected(
    model: nn.Module,
    batches: Callable[[np.random.Generator], Iterable[Any]],
    config: LoopConfig,
    scenario: Scenario,
    store: Store,
    seed: int,
    checkpoint: Checkpoint,
) -> FitReport:
    """Fit `model` in place; `batches` makes an epoch's of that epoch's own generator."""
    assert isinstance(model, Recommender)
    device = best_device()
    return fit(
        model=model,
        epoch_batches=lambda epoch: batches(epoch_generator(seed, epoch)),
        validate=validator(store, scenario, model, device),
        config=config,
        seed=seed,
        checkpoint=checkpoint,
        loss=model.loss,
        device=device,
    )
