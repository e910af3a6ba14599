"""What the presets of all systems have in common."""

from models.batch import ItemSpace
from models.blocks.transformer import EncoderConfig
from pipeline.catalog import Scenario
from pipeline.train.loop import LoopConfig

_MANY_ITEMS = 4096
"""Catalogues above this size train with a sampled softmax; a full one would cost most of the
time of a step on a CPU."""
_NUM_NEGATIVES = 1024


def encoder_of(scenario: Scenario) -> EncoderConfig:
    return EncoderConfig(max_length=scenario.training.max_length)


def loop_of(scenario: Scenario) -> LoopConfig:
    training = scenario.training
    return LoopConfig(max_epochs=training.max_epochs, patience=training.patience)


def negatives_of(space: ItemSpace) -> int | None:
    """Of a sampled softmax; None: rank against the whole domain."""
    return _NUM_NEGATIVES if max(space.sizes) > _MANY_ITEMS else None
