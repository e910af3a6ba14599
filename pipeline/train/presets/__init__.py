"""Every run, complete: what is built, how it is trained. One function a system.

A preset is Python and frozen; an ablation is a small change of a preset under its own name.
"""

from collections.abc import Callable

from models.batch import ItemSpace
from pipeline.catalog import Scenario
from pipeline.train.presets import baselines
from pipeline.train.presets.lgcd import lgcd, lgcd_blind
from pipeline.train.presets.runs import Run

_PRESETS: dict[str, Callable[[Scenario, ItemSpace, int], Run]] = {
    "popularity": baselines.popularity,
    "recent_popularity": baselines.recent_popularity,
    "cooccurrence": baselines.cooccurrence,
    "sasrec": baselines.sasrec,
    "lgcd": lgcd,
    "lgcd_blind": lgcd_blind,
}


def preset(system: str, scenario: Scenario, space: ItemSpace, text_width: int) -> Run:
    """The complete run of a system in a scenario. ValueError names the known systems.

    `text_width` is that of the text vectors; systems that read none do not ask for it.
    """
    if system not in _PRESETS:
        raise ValueError(f"unknown system {system!r}; known systems: {', '.join(_PRESETS)}")
    return _PRESETS[system](scenario, space, text_width)
