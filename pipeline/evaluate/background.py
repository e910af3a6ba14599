"""What a report tells beside the figures. None of it changes the leaderboard's table."""

from dataclasses import dataclass, field

from pipeline.evaluate.cost import SystemCost
from pipeline.evaluate.plots import Curves


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """A stored artifact that the figures rest on."""

    name: str
    digest: str  # of its content, 16 hex characters
    seeds: tuple[int, ...] = ()  # that it was trained with


@dataclass(frozen=True, kw_only=True)
class Provenance:
    artifacts: tuple[Upstream, ...]
    split_seed: int
    candidate_seeds: tuple[int, ...]
    versions: tuple[tuple[str, str], ...]  # of the program that compared


@dataclass(frozen=True, kw_only=True)
class Background:
    notes: tuple[str, ...] = ()
    curves: Curves = field(default_factory=dict)
    costs: tuple[SystemCost, ...] = ()
    provenance: Provenance | None = None
