"""Every run, complete: what is built, how it is trained. One function a system.

A preset is Python and frozen; an ablation is a small change of a preset under its own name.
"""

from dataclasses import dataclass, replace

from models.baselines.cooccurrence import CooccurrenceConfig
from models.baselines.popularity import PopularityConfig, RecentPopularityConfig
from models.baselines.sasrec import SASRecConfig
from models.batch import ItemSpace
from models.blocks.transformer import EncoderConfig
from models.lgcd import LGCDConfig
from models.lgcd_encoders import DomainEncodersConfig
from pipeline.catalog import Scenario
from pipeline.train.batches import TransferConfig
from pipeline.train.loop import LoopConfig

_MANY_ITEMS = 4096
"""Catalogues above this size train with a sampled softmax; a full one would cost most of the
time of a step on a CPU."""
_NUM_NEGATIVES = 1024


@dataclass(frozen=True, kw_only=True)
class CountingRun:
    model: PopularityConfig | RecentPopularityConfig | CooccurrenceConfig


@dataclass(frozen=True, kw_only=True)
class SequentialRun:
    model: SASRecConfig
    loop: LoopConfig
    batch_size: int = 128
    max_length: int = 50


@dataclass(frozen=True, kw_only=True)
class EncodersRun:
    """LGCD's stage 1; validated on single-domain sequences that it does not train on."""

    model: DomainEncodersConfig
    loop: LoopConfig
    batch_size: int = 128
    max_length: int = 50
    held_out: float = 0.05  # share of single-domain sequences


@dataclass(frozen=True, kw_only=True)
class TransferRun:
    model: LGCDConfig
    loop: LoopConfig
    cases: TransferConfig


Run = CountingRun | SequentialRun | TransferRun


def preset(system: str, scenario: Scenario, space: ItemSpace, text_width: int) -> Run:
    """The complete run of a system in a scenario. ValueError names the known systems."""
    runs: dict[str, Run] = {
        "popularity": CountingRun(model=PopularityConfig(space=space)),
        "recent_popularity": CountingRun(model=RecentPopularityConfig(space=space)),
        "cooccurrence": CountingRun(model=CooccurrenceConfig(space=space)),
        "sasrec": sasrec(scenario, space),
        "lgcd": lgcd(scenario, space, text_width),
        "lgcd_blind": lgcd_blind(scenario, space, text_width),
    }
    if system not in runs:
        raise ValueError(f"unknown system {system!r}; known systems: {', '.join(runs)}")
    return runs[system]


def sasrec(scenario: Scenario, space: ItemSpace) -> SequentialRun:
    """All training sequences mixed in one table; sampled softmax within the label's domain."""
    return SequentialRun(
        model=SASRecConfig(space=space, encoder=_encoder(scenario)),
        loop=_loop(scenario),
        max_length=scenario.training.max_length,
    )


def encoders_run(scenario: Scenario, space: ItemSpace, text_width: int) -> EncodersRun:
    """LGCD's stage 1: next item within a domain, by ids and by texts."""
    return EncodersRun(
        model=DomainEncodersConfig(
            space=space,
            text_width=text_width,
            encoder=_encoder(scenario),
            pretrain_negatives=_negatives(space),
        ),
        loop=_loop(scenario),
        max_length=scenario.training.max_length,
    )


def lgcd(scenario: Scenario, space: ItemSpace, text_width: int) -> TransferRun:
    """LGCD with the paper's hyperparameters where it states them (its section 4.1.3)."""
    return TransferRun(
        model=LGCDConfig(
            encoders=encoders_run(scenario, space, text_width).model,
            num_negatives=_negatives(space),
            freeze_encoders=scenario.training.freeze_encoders,
        ),
        loop=replace(_loop(scenario), min_steps=scenario.training.transfer_steps),
        cases=TransferConfig(max_length=scenario.training.max_length),
    )


def lgcd_blind(scenario: Scenario, space: ItemSpace, text_width: int) -> TransferRun:
    """The ablation that must fall to the prior: a constant stands where the condition was."""
    run = lgcd(scenario, space, text_width)
    return replace(run, model=replace(run.model, cond="none"))


def _encoder(scenario: Scenario) -> EncoderConfig:
    return EncoderConfig(max_length=scenario.training.max_length)


def _loop(scenario: Scenario) -> LoopConfig:
    training = scenario.training
    return LoopConfig(max_epochs=training.max_epochs, patience=training.patience)


def _negatives(space: ItemSpace) -> int | None:
    return _NUM_NEGATIVES if max(space.sizes) > _MANY_ITEMS else None
