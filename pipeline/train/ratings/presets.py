"""Every rating system's run, complete: what is built, and the stages that it is trained in.

A preset is Python and frozen; an ablation is a small change of a preset under its own name.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from models.music_config import MuSiCConfig
from models.rating_baselines.biased_mf import BiasedMFConfig
from models.rating_baselines.cmf import CMFConfig
from models.rating_baselines.diffcdr import DiffCDRConfig
from models.rating_baselines.emcdr import EMCDRConfig
from models.rating_baselines.means import (
    BiasesConfig,
    GlobalMeanConfig,
    ItemMeanConfig,
    UserMeanConfig,
)
from models.rating_baselines.ptupcdr import PTUPCDRConfig
from models.rating_baselines.ridge import RidgeConfig
from models.rating_baselines.sscdr import SSCDRRatingsConfig
from pipeline.catalog import Scenario
from pipeline.train.loop import LoopConfig
from pipeline.train.ratings.runs import FeatureUse, RatingRun, SelectBy, StageRun, Units


def rating_preset(system: str, scenario: Scenario) -> RatingRun:
    """The complete run of a rating system. ValueError names the known systems."""
    if system not in _PRESETS:
        raise ValueError(f"unknown system {system!r}; known systems: {', '.join(_PRESETS)}")
    return _PRESETS[system](scenario)


def rating_stage(name: str, units: Units, select_by: SelectBy, scenario: Scenario) -> StageRun:
    """A stage as all systems have it: Adam 1e-3 with its usual betas, batches of 512.

    An epoch of a few hundred rows is one step or two: it is repeated until there were fifty, so
    that `training.patience` epochs are time enough to get better.
    """
    training = scenario.training
    loop = LoopConfig(
        betas=(0.9, 0.999), max_epochs=training.max_epochs, patience=training.patience
    )
    return StageRun(name=name, units=units, select_by=select_by, loop=loop)


def _counting(config: Any, features: FeatureUse | None = None) -> Callable[[Scenario], RatingRun]:
    return lambda scenario: RatingRun(model=config, features=features)


def _factorised(config: Any, *later: tuple[str, Units]) -> Callable[[Scenario], RatingRun]:
    """Factors on all ratings first; what carries users over is then chosen on cold users."""

    def run(scenario: Scenario) -> RatingRun:
        first = rating_stage("ratings", "ratings", "known", scenario)
        rest = (rating_stage(name, units, "cold", scenario) for name, units in later)
        return RatingRun(model=config, stages=(first, *rest))

    return run


def diffcdr(scenario: Scenario) -> RatingRun:
    """Clipped at 1, as in its authors' code: an untrained way back magnifies its start."""
    run = _factorised(DiffCDRConfig(), ("diffusion", "overlap_ratings"))(scenario)
    first, last = run.stages
    return replace(run, stages=(first, replace(last, loop=replace(last.loop, clip_norm=1.0))))


def music(scenario: Scenario) -> RatingRun:
    """The paper's two stages of diffusion, before them the ratings, and after them the head's."""
    return RatingRun(
        model=MuSiCConfig(),
        stages=(
            rating_stage("ratings", "ratings", "known", scenario),
            rating_stage("side_users", "side_users", "loss", scenario),
            rating_stage("overlap_users", "overlap_users", "cold", scenario),
            replace(rating_stage("refit", "overlap_ratings", "cold", scenario), keep_start=True),
        ),
        features=FeatureUse(),
    )


def music_blind(scenario: Scenario) -> RatingRun:
    """MuSiC without a condition: every cold user gets a vector of the same distribution."""
    run = music(scenario)
    return replace(run, model=replace(run.model, cond="none"))


_PRESETS: dict[str, Callable[[Scenario], RatingRun]] = {
    "global_mean": _counting(GlobalMeanConfig()),
    "user_mean": _counting(UserMeanConfig()),
    "item_mean": _counting(ItemMeanConfig()),
    "biases": _counting(BiasesConfig()),
    "biased_mf": _factorised(BiasedMFConfig()),
    "cmf": _factorised(CMFConfig()),
    "emcdr": _factorised(EMCDRConfig(), ("mapping", "overlap_users")),
    "sscdr_ratings": _factorised(SSCDRRatingsConfig(), ("mapping", "overlap_users")),
    "ptupcdr": _factorised(PTUPCDRConfig(), ("bridge", "overlap_ratings")),
    "diffcdr": diffcdr,
    "ridge": _counting(RidgeConfig(), FeatureUse()),
    "music": music,
    "music_blind": music_blind,
}
