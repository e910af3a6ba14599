"""lgcd_plus's ablation: each departure from LGCD taken back, and its diffusion put back."""

from dataclasses import replace
from typing import Any

from models.blocks.denoisers import DenoiserConfig
from models.lgcd_plus_generator import GeneratorConfig
from pipeline.catalog import Scenario
from pipeline.train.experiments.definition import Experiment
from pipeline.train.presets.runs import PlusRun, Run


def _model(run: PlusRun, **changes: Any) -> PlusRun:
    return replace(run, model=replace(run.model, **changes))


def ablations(run: PlusRun, scenario: Scenario) -> dict[str, Run]:
    """Every switch alone; the others stay as they are."""
    denoiser = DenoiserConfig(width=run.model.encoder.width)
    return {
        "lgcd_plus": run,
        "w/o cold-start views": _model(run, views=0.0),
        "last item as the only label of a view": _model(run, view_labels="last"),
        "newest labels weigh most": _model(run, label_decay=0.8),
        "w/o items left out of views": _model(run, view_item_drop=0.0),
        "w/o next-item loss": _model(run, next_item=0.0),
        "w/o pseudo-interactions": _model(run, pseudo=0.0),
        "w/o votes in the score": _model(run, votes=0.0),
        "w/o pseudo-interactions and votes": _model(run, pseudo=0.0, votes=0.0),
        "w/o texts": _model(run, text_axes=None),
        "w/o averaged weights": replace(run, loop=replace(run.loop, average_decay=0.0)),
        "with LGCD's diffusion": _model(run, generator=GeneratorConfig(denoiser=denoiser)),
    }


LGCD_PLUS_EXPERIMENTS = (
    Experiment(
        name="lgcd_plus_ablations",
        title="lgcd_plus: what each departure from LGCD contributes",
        variants=ablations,
    ),
)
