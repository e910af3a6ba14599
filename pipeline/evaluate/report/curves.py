"""The part of training: a small chart for each system or stage, a line for each run."""

from collections.abc import Mapping, Sequence

from pipeline.evaluate.document import Charts, Fold, Grid, Paragraph
from pipeline.evaluate.report.charts import curves_chart
from pipeline.evaluate.report.markup import Part

Panels = Mapping[str, Mapping[str, Sequence[float]]]
"""A score for each epoch, by title and by the name of the run."""


def training_part(
    panels: Panels, told: str, best: Grid, left_out: list[str], *, shared: bool
) -> list[Part]:
    """Charts of all runs, and the table of where each was `best`."""
    if not panels:
        left_out.append("Training curves: no system of the scenario is trained by epochs.")
        return []
    blocks = (
        Paragraph(f"{told} The first line is solid, the others are dashed."),
        curve_charts(panels, shared=shared),
        Fold("Where each run was best", (best,)),
    )
    return [Part(anchor="training", title="Training", blocks=blocks)]


def curve_charts(panels: Panels, *, shared: bool) -> Charts:
    """With `shared` all charts have one range: where they show the same figure."""
    ranges = {title: _range([runs]) for title, runs in panels.items()}
    if shared:
        ranges = dict.fromkeys(panels, _range(list(panels.values())))
    return Charts(
        tuple(curves_chart(title, runs, ranges[title]) for title, runs in panels.items()),
        small=True,
    )


def _range(panels: Sequence[Mapping[str, Sequence[float]]]) -> tuple[float, float]:
    scores = [score for runs in panels for curve in runs.values() for score in curve]
    return min(scores), max(scores)
