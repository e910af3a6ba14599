"""What the rating report tells beside the figures. None of it changes the leaderboard's table."""

from dataclasses import dataclass, field

from pipeline.evaluate.background import Provenance
from pipeline.evaluate.cost import Scoring
from pipeline.evaluate.ratings.convergence import Converged
from pipeline.evaluate.ratings.plots import FeatureMap, RatingCurves
from pipeline.evaluate.ratings.silent_users import Silent
from pipeline.outcome import Fact


@dataclass(frozen=True, kw_only=True)
class RatingCost:
    system: str
    scoring: Scoring  # of the last cold ratio's test ratings
    # All stages of one seed at one cold ratio, in the mean; None: it counts.
    train_seconds: float | None


@dataclass(frozen=True, kw_only=True)
class RatioSize:
    """How many users of each kind a cold ratio has."""

    cold_ratio: float
    overlap: int  # training users of both domains
    valid_users: int
    valid_ratings: int


@dataclass(frozen=True, kw_only=True)
class RatingBackground:
    notes: tuple[str, ...] = ()
    sizes: tuple[RatioSize, ...] = ()
    # Of the smallest cold ratio: who has nothing to read. Empty: no system reads features.
    fallbacks: dict[str, Fact] = field(default_factory=dict)
    silent: Silent = ()  # empty: no system reads features
    convergence: tuple[Converged, ...] = ()
    curves: RatingCurves = field(default_factory=dict)
    features: FeatureMap | None = None
    costs: tuple[RatingCost, ...] = ()
    provenance: Provenance | None = None
