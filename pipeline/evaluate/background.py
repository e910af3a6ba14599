"""What a report tells beside the figures. None of it changes the leaderboard's table."""

from dataclasses import dataclass, field

from pipeline.evaluate.cost import SystemCost
from pipeline.evaluate.plots import Curves


@dataclass(frozen=True, kw_only=True)
class Provenance:
    artifacts: tuple[tuple[str, str], ...]  # name and digest, 16 hex characters
    split_seed: int
    candidate_seeds: tuple[int, ...]
    train_seeds: tuple[int, ...]
    versions: tuple[tuple[str, str], ...]  # of the program that compared


@dataclass(frozen=True, kw_only=True)
class Background:
    notes: tuple[str, ...] = ()
    curves: Curves = field(default_factory=dict)
    costs: tuple[SystemCost, ...] = ()
    provenance: Provenance | None = None
