"""The same search for every system that learns, ours and those to beat: one budget for all.

Two learning rates, each with averaged weights and without; a preset that is none of the four comes
first. Everything else is as the preset has it. Presets take the setting that is best on validation
users; those of C2DSR, GRU4Rec, SSCDR and UniSRec depart from it and say why.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pipeline.catalog import Scenario
from pipeline.catalog.system_names import shown
from pipeline.catalog.systems import TUNED, tuning_of
from pipeline.train.experiments.definition import Experiment
from pipeline.train.presets.runs import Run

_RATES = (1e-3, 3e-3)
_AVERAGES = {"": 0.0, ", averaged weights": 0.999}


def settings(run: Any, scenario: Scenario) -> dict[str, Run]:
    """The four settings of any run that is trained in epochs."""
    return settings_at(_RATES, run)


def settings_at(rates: Sequence[float], run: Any) -> dict[str, Run]:
    """By label, each learning rate with averaged weights and without."""
    return {
        f"learning rate {rate:g}{averaged}": replace(
            run, loop=replace(run.loop, learning_rate=rate, average_decay=decay)
        )
        for rate in rates
        for averaged, decay in _AVERAGES.items()
    }


TUNING_EXPERIMENTS = tuple(
    Experiment(
        name=tuning_of(system), title=f"{shown(system)}: the settings tried", variants=settings
    )
    for system in TUNED
)
