"""What a complete run of a rating system consists of: which model, trained in which stages."""

from dataclasses import dataclass
from typing import Any, Literal

from pipeline.train.loop import LoopConfig

Units = Literal[
    "ratings",
    "auxiliary_ratings",
    "target_ratings",
    "overlap_ratings",
    "side_users",
    "overlap_users",
    "target_users",
]
"""What a stage learns from. Ratings: all training ratings, those of one domain, or the target
ratings of training overlap users. Users: those of the target domain alone, training users of
both, or all who train with the target domain."""

SelectBy = Literal["known", "cold", "loss"]
"""What stops a stage and chooses its epoch: the RMSE of known users on a twentieth of the stage's
ratings, held out; the RMSE of cold validation users; the stage's own loss on a tenth of its
units, held out."""


@dataclass(frozen=True, kw_only=True)
class StageRun:
    name: str  # as the model knows it
    units: Units
    select_by: SelectBy
    loop: LoopConfig
    batch_size: int = 512
    keep_start: bool = False  # whether the weights that the stage starts from may be the best


@dataclass(frozen=True, kw_only=True)
class RatingRun:
    """`stages` one after another, each from the best epoch of the one before."""

    model: Any  # a config of pipeline/train/ratings/build.py
    stages: tuple[StageRun, ...] = ()  # none: the system counts
    reads_features: bool = False
