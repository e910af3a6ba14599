"""What an experiment is, and its variants as runs that can be trained and stored."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pipeline.catalog import Scenario
from pipeline.catalog.systems import EXPERIMENTS
from pipeline.store import Store
from pipeline.train.presets.runs import Run
from pipeline.train.systems import StoredRun, is_trained

REFERENCE = "full model"
"""The unchanged run, where no variant is equal to it."""

Variants = Callable[[Any, Scenario], dict[str, Run]]
"""(the system's run, the scenario) -> runs by label, made of it with `dataclasses.replace`."""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Labels are what people read. In a sweep those that are numbers are places on the axis."""

    name: str
    title: str
    variants: Variants
    axis: str | None = None  # what a sweep varies; None: an ablation, drawn as bars
    paper: str | None = None  # of published figures, see pipeline/evaluate/published_ablations.py

    @property
    def system(self) -> str:
        """The system whose run is varied."""
        return EXPERIMENTS[self.name]


@dataclass(frozen=True, kw_only=True)
class Variant:
    label: str
    reference: bool  # the unchanged run, against which the others are tested
    stored: StoredRun


def variants_of(experiment: Experiment, base: StoredRun, scenario: Scenario) -> tuple[Variant, ...]:
    """All variants, exactly one of which is the reference: the first that equals the base run.

    Where none does, the base run comes first, as REFERENCE. Weights of a variant belong below
    `weights/<scenario>/<experiment>/<slug of the label>`.

    Raises ValueError where two labels have the same slug or a label has none.
    """
    runs = experiment.variants(base.run, scenario)
    if base.run not in runs.values():
        runs = {REFERENCE: base.run, **runs}
    reference = next(label for label, run in runs.items() if run == base.run)
    folders = slugs(experiment.name, list(runs))
    folder = f"weights/{scenario.name}/{experiment.name}"
    seeds = (scenario.experiment_seeds or base.seeds)[: len(base.seeds)]  # one, where it counts
    return tuple(
        Variant(
            label=label,
            reference=label == reference,
            stored=replace(base, run=run, folder=f"{folder}/{folders[label]}", seeds=seeds),
        )
        for label, run in runs.items()
    )


def located(variant: Variant, base: StoredRun, scenario: Scenario, store: Store) -> StoredRun:
    """Where a variant's weights are: the system's own where these are of the same run."""
    own = replace(base, seeds=variant.stored.seeds)
    same = variant.stored.run == base.run and is_trained(own, scenario, store)
    return own if same else variant.stored


def slugs(experiment: str, labels: list[str]) -> dict[str, str]:
    """Names of folders for labels. ValueError where two have the same or one has none."""
    found = {label: re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-") for label in labels}
    for label, slug in found.items():
        if not slug or list(found.values()).count(slug) > 1:
            raise ValueError(
                f"experiment {experiment!r}, variant {label!r}: folders are named by letters "
                f"and digits alone, and {slug!r} is none or belongs to two; rename the variant"
            )
    return found
