"""Every run, complete: what is built, how it is trained. One function a system.

A preset is Python and frozen; an ablation is a small change of a preset under its own name.
"""

from collections.abc import Callable

from models.batch import ItemSpace
from pipeline.catalog import Scenario
from pipeline.train.presets import baselines
from pipeline.train.presets.lgcd import lgcd, lgcd_blind
from pipeline.train.presets.lgcd_plus import lgcd_plus
from pipeline.train.presets.runs import Run

_PRESETS: dict[str, Callable[[Scenario, ItemSpace, int], Run]] = {
    "popularity": baselines.popularity,
    "overlap_popularity": baselines.overlap_popularity,
    "recent_popularity": baselines.recent_popularity,
    "cooccurrence": baselines.cooccurrence,
    "item_knn": baselines.item_knn,
    "ease": baselines.ease,
    "sasrec": baselines.sasrec,
    "sasrec_bce": baselines.sasrec_bce,
    "gru4rec": baselines.gru4rec,
    "fearec": baselines.fearec,
    "diffurec": baselines.diffurec,
    "sscdr": baselines.sscdr,
    "unicdr": baselines.unicdr,
    "c2dsr": baselines.c2dsr,
    "tricdr": baselines.tricdr,
    "unisrec": baselines.unisrec,
    "llmcdsr": baselines.llmcdsr,
    "lgcd": lgcd,
    "lgcd_blind": lgcd_blind,
    "lgcd_plus": lgcd_plus,
}


def preset(system: str, scenario: Scenario, space: ItemSpace, text_width: int) -> Run:
    """The complete run of a system in a scenario. ValueError names the known systems.

    `text_width` is that of the text vectors; systems that read none do not ask for it.
    """
    if system not in _PRESETS:
        raise ValueError(f"unknown system {system!r}; known systems: {', '.join(_PRESETS)}")
    return _PRESETS[system](scenario, space, text_width)
