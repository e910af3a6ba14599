"""Train a rating model in its stages, each from the best epoch of the one before.

What chooses an epoch are known users' held-out ratings, the model's own loss on held-out units,
or the ratings of cold validation users. Test ratings are never read here.

A run that was killed goes on in the stage that it was in: every stage has a checkpoint of its
own, kept until the whole run is saved, and a finished stage's is only read again.
"""

import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from models.ratings import Pairs, RatingModel, Ratings, Users
from pipeline.train.batches import epoch_generator
from pipeline.train.checkpoint import Checkpoint
from pipeline.train.device import best_device
from pipeline.train.loop import FitReport, fit, to_device
from pipeline.train.ratings.cases import RatingCases, take
from pipeline.train.ratings.runs import RatingRun, StageRun
from pipeline.train.ratings.shared_stage import SharedStages

log = logging.getLogger(__name__)

_HELD_OUT = {"known": 20, "loss": 10, "cold": None}  # one of so many units; None: no unit at all
_PREDICT_AT_ONCE = 4096  # pairs
_LOSS_DRAWS = 8  # passes over the held-out units, each with noise of its own
_NO_EPOCH = -1  # as the best epoch of a stage that made nothing better


def fit_rating_run(
    run: RatingRun,
    model: nn.Module,
    cases: RatingCases,
    seed: int,
    checkpoint_of: Callable[[str], Checkpoint],
    shared: SharedStages | None = None,
) -> dict[str, FitReport]:
    """Train `model` in place; how each stage went, by its name.

    Scores are negative: of the RMSE, or of the loss. `checkpoint_of` gives each stage, by its
    name, a checkpoint; the caller deletes them once the weights are saved. `shared` keeps a first
    stage for other runs. ValueError where a stage has fewer than two units.
    """
    device = best_device()
    model.to(device)
    reports: dict[str, FitReport] = {}
    for stage in run.stages:
        of_first = shared if stage == run.stages[0] else None
        report = of_first.load(stage, model, seed) if of_first else None
        if report is None:
            report = _fit_stage(stage, model, cases, seed, checkpoint_of(stage.name), device)
            if of_first:
                of_first.save(stage, model, seed, report)
        reports[stage.name] = report
    return reports


def _fit_stage(
    stage: StageRun,
    model: nn.Module,
    cases: RatingCases,
    seed: int,
    checkpoint: Checkpoint,
    device: torch.device,
) -> FitReport:
    assert isinstance(model, RatingModel)
    units = _units(stage, cases)
    train, held_out = _parted(stage, len(units[0]), seed)
    torch.manual_seed(seed)  # a stage begins alike whether the one before ran or was read
    model.begin(stage.name)
    # What an earlier stage left would count when the gradient of all parameters is clipped.
    model.zero_grad(set_to_none=True)
    log.info("%s: %d %s", checkpoint.name, len(train), stage.units)
    validate = _validator(stage, model, cases, _take(units, held_out), seed, device)
    start = _start(model, validate) if stage.keep_start else None
    report = fit(
        model=model,
        epoch_batches=lambda epoch: _batches(units, train, stage, epoch_generator(seed, epoch)),
        validate=validate,
        config=stage.loop,
        seed=seed,
        checkpoint=checkpoint,
        loss=partial(model.loss, stage.name),
        device=device,
    )
    if start is not None and start.score >= report.best_score:
        log.info("%s: no epoch is better than the start, which is kept", checkpoint.name)
        model.load_state_dict(start.state)
        return replace(report, best_epoch=_NO_EPOCH, best_score=start.score)
    return report


@dataclass(frozen=True, kw_only=True)
class _Start:
    """What a stage starts from."""

    score: float
    state: dict[str, Tensor]


def _start(model: nn.Module, validate: Callable[[], float]) -> _Start:
    model.eval()
    with torch.no_grad():
        score = validate()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    return _Start(score=score, state=state)


def _units(stage: StageRun, cases: RatingCases) -> Ratings | Users:
    units: Ratings | Users
    match stage.units:
        case "side_users" | "overlap_users" | "target_users":
            units = Users(torch.from_numpy(cases.training_users(stage.units)))
        case _:
            units = cases.training_ratings(stage.units)
    if len(units[0]) < 2:
        raise ValueError(
            f"stage {stage.name!r} learns from {stage.units}, of which there are {len(units[0])}; "
            "at least 2 are needed: keep more users by scenario.filters, or leave the system out "
            "of scenario.systems"
        )
    return units


def _parted(stage: StageRun, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows that train and rows that are held out, drawn by the seed."""
    share = _HELD_OUT[stage.select_by]
    num_held_out = max(round(count / share), 1) if share else 0
    order = np.random.default_rng(seed).permutation(count)
    return np.sort(order[num_held_out:]), np.sort(order[:num_held_out])


def _batches(
    units: Ratings | Users, rows: np.ndarray, stage: StageRun, generator: np.random.Generator
) -> Iterator[Ratings | Users]:
    for part in _parts(generator.permutation(rows), stage.batch_size):
        yield _take(units, part)


def _parts(rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for first in range(0, len(rows), size):
        yield rows[first : first + size]


def _take(units: Ratings | Users, rows: np.ndarray) -> Ratings | Users:
    if isinstance(units, Ratings):
        return take(units, rows)
    return Users(units.user_N[torch.from_numpy(rows)])


def _validator(
    stage: StageRun,
    model: RatingModel,
    cases: RatingCases,
    held_out: Ratings | Users,
    seed: int,
    device: torch.device,
) -> Callable[[], float]:
    if stage.select_by == "cold":
        return lambda: -_rmse(model.predict, cases.valid, cases.rating_range, device)
    if stage.select_by == "loss":
        return lambda: -_held_out_loss(stage, model, held_out, seed, device)
    assert isinstance(held_out, Ratings), "only ratings tell how well known users are known"
    given = cases.train.rating_N
    limits = float(given.min()), float(given.max())
    return lambda: -_rmse(model.predict_known, held_out, limits, device)


def _rmse(
    predict: Callable[[Pairs], Tensor],
    ratings: Ratings,
    limits: tuple[float, float],
    device: torch.device,
) -> float:
    """Root of the mean squared error over ratings, predictions clamped to `limits`."""
    total = 0.0
    for rows in _parts(np.arange(len(ratings.user_N)), _PREDICT_AT_ONCE):
        part = to_device(take(ratings, rows), device)
        error_N = predict(part.pairs).clamp(*limits) - part.rating_N
        total += float(error_N.double().square().sum())
    return math.sqrt(total / len(ratings.user_N))


def _held_out_loss(
    stage: StageRun,
    model: RatingModel,
    held_out: Ratings | Users,
    seed: int,
    device: torch.device,
) -> float:
    """The mean loss of the held-out units, under the same noise after every epoch.

    The noise is drawn apart from the generator that training draws from.
    """
    total, count = 0.0, len(held_out[0])
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for _ in range(_LOSS_DRAWS):
            for rows in _parts(np.arange(count), stage.batch_size):
                terms = model.loss(stage.name, to_device(_take(held_out, rows), device))
                total += len(rows) * sum(float(term) for term in terms.values())
    return total / (count * _LOSS_DRAWS)
