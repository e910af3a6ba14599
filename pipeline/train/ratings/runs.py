"""What a complete run of a rating system consists of: which model, trained in which stages."""

from dataclasses import dataclass
from typing import Any, Literal

from pipeline.train.loop import LoopConfig

RatingUnits = Literal["ratings", "auxiliary_ratings", "target_ratings", "overlap_ratings"]
"""All training ratings, those of one domain, or the target ratings of training overlap users."""

UserUnits = Literal["side_users", "overlap_users", "target_users"]
"""Users of the target domain alone, training users of both, or all who train with the target."""

Units = RatingUnits | UserUnits
"""What a stage learns from."""

SelectBy = Literal["known", "cold", "loss"]
"""What stops a stage and chooses its epoch: the RMSE of known users on a twentieth of the stage's
ratings, held out; the RMSE of cold validation users; the stage's own loss on a tenth of its
units, held out."""


FeatureForm = Literal["extracted", "rated_items", "item_ids", "shuffled"]
"""What a run makes of extracted features. "extracted": they are read as they are. "rated_items":
what users wrote is not read; they are known by the items that they rated. "item_ids": nothing
extracted is read; a random vector says which item it is, and users are known by the items that
they rated. "shuffled": what users wrote and rated in the auxiliary domain is dealt out among
them anew, ratings and all, which must destroy what it tells."""


@dataclass(frozen=True, kw_only=True)
class FeatureUse:
    form: FeatureForm = "extracted"
    # Of the tables; other ones hold what other models make of the same items and users.
    domains: tuple[str, ...] | None = None  # None: the scenario's own


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
    features: FeatureUse | None = None  # None: it reads none
