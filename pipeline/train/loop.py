"""The one training loop: seeds, early stopping on validation, checkpoints, honest failure.

A run that was killed goes on from its last whole epoch and ends with the same weights as one
that was not: data and dropout of an epoch depend on the seed and the epoch alone.
"""

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import torch
from torch import nn

from models.recommender import Losses
from pipeline.outcome import Fact
from pipeline.report import PROGRESS
from pipeline.train.average import WeightAverage
from pipeline.train.checkpoint import Checkpoint, Progress

log = logging.getLogger(__name__)

_TURN = 1_000_000  # keeps the data order of repeated passes apart from that of other epochs


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.98)  # of Adam; as in LLMCDSR's released code
    weight_decay: float = 0.0
    clip_norm: float = 5.0  # of the gradient of all parameters together
    max_epochs: int = 30
    patience: int = 5  # epochs without a better validation score before stopping
    min_steps: int = 50  # an epoch of a small set is repeated until it has so many
    average_decay: float = 0.0  # of the moving average of weights that is kept; 0: none


@dataclass(frozen=True, kw_only=True)
class FitReport:
    """What a training run did; `curve` has one entry an epoch."""

    best_epoch: int
    best_score: float
    curve: list[dict[str, float]]
    seconds: float


def fit(
    model: nn.Module,
    epoch_batches: Callable[[int], Iterable[Any]],
    validate: Callable[[], float],
    config: LoopConfig,
    seed: int,
    checkpoint: Checkpoint,
    loss: Callable[[Any], Losses],
    device: torch.device,
) -> FitReport:
    """Train `model` in place and leave it at its best validation epoch.

    `validate` returns a score, higher is better. Raises FloatingPointError with step and term
    where a loss is not finite, and where a score is not.
    """
    model.to(device)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(
        parameters,
        lr=config.learning_rate,
        betas=config.betas,
        weight_decay=config.weight_decay,
        fused=True,  # one pass over an item table instead of ten
    )
    average = WeightAverage(model, config.average_decay)
    progress = _resumed(checkpoint, model, optimizer, average) or Progress.start(model)
    while not _finished(progress, config):
        started = time.perf_counter()
        _seed_epoch(seed, progress.epoch)
        batches = _long_enough(epoch_batches, progress.epoch, config.min_steps)
        terms = _train_epoch(model, optimizer, average, batches, loss, config, device)
        with average.in_place():
            score = _validated(model, validate)
            seconds = time.perf_counter() - started
            progress = progress.after(model, score, {**terms, "valid": score, "seconds": seconds})
        checkpoint.save(model, optimizer, average, progress)
        _tell_epoch(checkpoint, progress, config)
    model.load_state_dict(progress.best_weights)
    model.eval()
    return FitReport(
        best_epoch=progress.best_epoch,
        best_score=progress.best_score,
        curve=progress.curve,
        seconds=sum(entry["seconds"] for entry in progress.curve),
    )


def _resumed(
    checkpoint: Checkpoint,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: WeightAverage,
) -> Progress | None:
    progress = checkpoint.load(model, optimizer, average)
    if progress:
        log.info("%s: goes on after epoch %d", checkpoint.name, progress.epoch)
        checkpoint.report("resumed", {"run": checkpoint.name, "epochs_done": progress.epoch})
    return progress


def _finished(progress: Progress, config: LoopConfig) -> bool:
    stale = progress.epoch - progress.best_epoch - 1
    return progress.epoch >= config.max_epochs or stale >= config.patience


def _long_enough(
    epoch_batches: Callable[[int], Iterable[Any]], epoch: int, min_steps: int
) -> Iterator[Any]:
    """Whole passes, each in an order of its own, until there were enough steps.

    Validating after every few steps would stop a small set's training by chance.
    """
    steps = 0
    for turn in count():
        for batch in epoch_batches(epoch + turn * _TURN):
            steps += 1
            yield batch
        if steps >= min_steps or steps == 0:
            return


def _seed_epoch(seed: int, epoch: int) -> None:
    """Dropout and noise of an epoch; numbers of the global generator decide nothing else."""
    torch.manual_seed(seed * 1_000_003 + epoch)


def _train_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: WeightAverage,
    batches: Iterable[Any],
    loss: Callable[[Any], Losses],
    config: LoopConfig,
    device: torch.device,
) -> dict[str, float]:
    """One pass; returns the mean of each loss term."""
    model.train()
    sums: dict[str, float] = {}
    step = 0
    for step, batch in enumerate(batches, start=1):
        terms = loss(to_device(batch, device))
        term_T = torch.stack(list(terms.values()))
        values = dict(zip(terms, term_T.tolist(), strict=True))  # a GPU is waited for but once
        _check_finite(values, step)
        optimizer.zero_grad(set_to_none=True)
        term_T.sum().backward()
        nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
        optimizer.step()
        average.update()
        for name, value in values.items():
            sums[name] = sums.get(name, 0.0) + value
    if step == 0:
        raise ValueError("an epoch has no batch: the training set is empty")
    return {name: total / step for name, total in sums.items()}


def _check_finite(values: dict[str, float], step: int) -> None:
    for name, value in values.items():
        if not math.isfinite(value):
            raise FloatingPointError(
                f"loss term {name!r} is {value} at step {step}: lower the learning rate or look "
                "for broken inputs"
            )


def _validated(model: nn.Module, validate: Callable[[], float]) -> float:
    model.eval()
    with torch.no_grad():
        score = validate()
    if not math.isfinite(score):
        raise FloatingPointError(f"the validation score is {score}: look for broken inputs")
    return score


def to_device(batch: Any, device: torch.device) -> Any:
    """A (nested) NamedTuple of tensors on `device`; None stays None."""
    if batch is None or isinstance(batch, torch.Tensor):
        return batch if batch is None else batch.to(device, non_blocking=True)
    return type(batch)(*(to_device(entry, device) for entry in batch))


def _tell_epoch(checkpoint: Checkpoint, progress: Progress, config: LoopConfig) -> None:
    """To go is at most so long: training stops earlier where validation says so."""
    last = progress.curve[-1]
    terms = ", ".join(f"{term} {value:.4f}" for term, value in last.items() if term != "seconds")
    seconds = sum(entry["seconds"] for entry in progress.curve) / progress.epoch
    left = (config.max_epochs - progress.epoch) * seconds
    log.info(
        "%s: epoch %d of at most %d in %.1f s (at most %.0f s to go): %s",
        checkpoint.name,
        progress.epoch,
        config.max_epochs,
        last["seconds"],
        left,
        terms,
    )
    figures: dict[str, Fact] = {
        "run": checkpoint.name,
        "epoch": progress.epoch,
        "epochs_at_most": config.max_epochs,
        "seconds_an_epoch": round(seconds, 2),
        "validation_score": round(last["valid"], 5),
        "best_validation_score": round(progress.best_score, 5),
        "best_epoch": progress.best_epoch + 1,
        "seconds_to_go_at_most": round(left, 1),
    }
    checkpoint.report(PROGRESS, figures)
