"""What the presets of all systems have in common."""

from dataclasses import replace

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


def fast_loop_of(scenario: Scenario) -> LoopConfig:
    """Three times the learning rate, and averaged weights to make up for its noise: of the four
    settings of experiments/tuning.py the best for most systems, on food-kitchen's validation users.
    """
    return replace(loop_of(scenario), learning_rate=3e-3, average_decay=0.999)


def negatives_of(space: ItemSpace) -> int | None:
    """Of a sampled softmax; None: rank against the whole domain."""
    return _NUM_NEGATIVES if max(space.sizes) > _MANY_ITEMS else None
