"""How many reverse steps are enough: told by how far vectors still move, beside a grid's choice.

`MuSiC.converged_steps` looks at generated vectors alone. The grid asks validation users with 1,
2, 4, ... reverse steps of the same trained network; nothing is trained again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from models.music import MuSiC
from models.ratings import Ratings
from pipeline.catalog import Scenario
from pipeline.evaluate.document import Block, Cell, Grid, Heading, Paragraph
from pipeline.evaluate.ratings.predictions import predict_pairs
from pipeline.store import Store
from pipeline.train.ratings.cases import load_rating_cases
from pipeline.train.ratings.systems import load_rating_system, stored_rating_system

_TOLERANCE = 0.01  # mean squared change of a vector, relative to its mean square


@dataclass(frozen=True, kw_only=True)
class Converged:
    """RMSE by number of reverse steps, of one cold ratio and training seed."""

    cold_ratio: float
    seed: int
    chosen: int  # by convergence
    valid: dict[int, float]
    test: dict[int, float]

    @property
    def of_grid(self) -> int:
        """The number of least error on validation users; of equals, the smaller."""
        return min(self.valid, key=lambda count: (self.valid[count], count))


def converged(system: str, scenario: Scenario, store: Store) -> tuple[Converged, ...]:
    """Of every cold ratio and training seed of a MuSiC."""
    return tuple(
        _converged(system, scenario, store, ratio, seed)
        for ratio in sorted(scenario.split.cold_ratios)
        for seed in stored_rating_system(system, scenario).seeds
    )


def convergence_blocks(runs: Sequence[Converged]) -> list[Block]:
    if not runs:
        return []
    told = (
        "A trained MuSiC asked with fewer reverse steps than it was trained with. Chosen by"
        " convergence: the smallest number whose generated vectors differ from those of twice as"
        f" many by less than {_TOLERANCE:g} of their mean square; no rating is looked at. Chosen by"
        " the grid: the number of least RMSE on validation users. In parentheses the test users'"
        " RMSE, which chooses nothing."
    )
    lines = tuple(
        (
            Cell(f"{run.cold_ratio:g}"),
            Cell(str(run.seed)),
            Cell(str(run.chosen)),
            _figure(run, run.chosen),
            Cell(str(run.of_grid)),
            _figure(run, run.of_grid),
            _figure(run, max(run.valid)),
        )
        for run in runs
    )
    header = ("Cold ratio", "Seed", "Steps by convergence", "RMSE", "Steps by the grid", "RMSE")
    grid = Grid((*header, f"RMSE at all {max(runs[0].valid)} steps"), lines)
    return [Heading("Reverse steps by convergence"), Paragraph(told), grid]


def _converged(system: str, scenario: Scenario, store: Store, ratio: float, seed: int) -> Converged:
    model = load_rating_system(system, scenario, store, ratio, seed)
    assert isinstance(model, MuSiC)
    cases = load_rating_cases(store, scenario, ratio)
    cold_N = torch.from_numpy(np.flatnonzero(cases.is_cold()))
    chosen, own = model.converged_steps(cold_N, _TOLERANCE), model.config
    errors: dict[str, dict[int, float]] = {"valid": {}, "test": {}}
    for count in _counts(own.diffusion.num_steps):
        model.config = replace(own, num_reverse_steps=count)
        for part, ratings in (("valid", cases.valid), ("test", cases.test)):
            errors[part][count] = _rmse(model, ratings, cases.rating_range)
    return Converged(cold_ratio=ratio, seed=seed, chosen=chosen, **errors)


def _counts(full: int) -> list[int]:
    """1, 2, 4, ... and all: those that `converged_steps` may answer."""
    counts = [1]
    while counts[-1] < full:
        counts.append(min(2 * counts[-1], full))
    return counts


def _rmse(model: MuSiC, ratings: Ratings, limits: tuple[float, float]) -> float:
    error_N = predict_pairs(model, ratings.pairs).clamp(*limits) - ratings.rating_N
    return float(error_N.double().square().mean().sqrt())


def _figure(run: Converged, count: int) -> Cell:
    return Cell(f"{run.valid[count]:.4f}", f"({run.test[count]:.4f})")
