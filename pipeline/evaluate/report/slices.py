"""Where a system is good and where it is not: figures of parts of the test users or ratings.

Bins hold about equally many cases; cases of one value share a bin. Intervals are those of the
leaderboard (95 % bootstrap over users), of the bin's users alone.

Letters: N cases (users where items are ranked, ratings where ratings are predicted).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.catalog.system_names import shown
from pipeline.evaluate.document import Block, Cell, Charts, Fold, Grid, Heading, Paragraph
from pipeline.evaluate.report.charts import Kind, Mark, interval_chart

_MOST = 4  # bins


@dataclass(frozen=True, kw_only=True)
class Figure:
    mean: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Bin:
    label: str  # the values it holds
    num_cases: int
    figures: Mapping[str, Figure]  # by system
    difference: Figure | None  # of the first system less the second, over pairs


@dataclass(frozen=True, kw_only=True)
class Slices:
    title: str
    values: str  # what the bins are of, with its unit
    metric: str
    cases: str  # "users" or "ratings"
    bins: tuple[Bin, ...]


Measured = tuple[Mapping[str, Figure], Figure | None]
Measure = Callable[[np.ndarray], Measured]
"""Figures of the cases of a mask [N]."""


def slices(
    value_N: np.ndarray, measure: Measure, *, title: str, values: str, metric: str, cases: str
) -> Slices:
    """Measure bins of the whole numbers `value_N`."""
    bins = []
    for label, mask_N in even_bins(value_N):
        figures, difference = measure(mask_N)
        count = int(mask_N.sum())
        bins.append(Bin(label=label, num_cases=count, figures=figures, difference=difference))
    return Slices(title=title, values=values, metric=metric, cases=cases, bins=tuple(bins))


def even_bins(value_N: np.ndarray, most: int = _MOST) -> list[tuple[str, np.ndarray]]:
    """Masks [N] with their labels, lowest values first; each value lies in one bin.

    A bin is closed where it holds its share of the cases that are left.
    """
    values, counts = np.unique(value_N, return_counts=True)
    bins: list[tuple[str, np.ndarray]] = []
    first, held, left = 0, 0, len(value_N)
    for number, count in enumerate(counts):
        held += count
        is_last = number == len(values) - 1
        share = left / max(most - len(bins), 1)
        if is_last or (len(bins) < most - 1 and held >= share):
            low, high = int(values[first]), int(values[number])
            label = f"{low:,}" if low == high else f"{low:,} to {high:,}"
            bins.append((label, (value_N >= low) & (value_N <= high)))
            first, left, held = number + 1, left - held, 0
    return bins


def slice_blocks(found: Slices, kinds: Mapping[str, Kind], place: str) -> list[Block]:
    """A chart for each system, and the table; `kinds` are the systems' shapes."""
    found = replace(found, metric=f"{found.metric} {place}")
    charts = tuple(
        interval_chart(
            f"{shown(system)}: {found.metric} by {found.values}",
            [_mark(one, system, kinds[system]) for one in found.bins],
            found.metric,
            ends=_ends(found),
        )
        for system in kinds
    )
    return [
        Heading(found.title, 4),
        Charts(charts),
        Fold(f"{found.metric} by {found.values}", (_grid(found, tuple(kinds)),)),
    ]


def _ends(found: Slices) -> tuple[float, float]:
    figures = [figure for one in found.bins for figure in one.figures.values()]
    return min(figure.low for figure in figures), max(figure.high for figure in figures)


def _mark(one: Bin, system: str, kind: Kind) -> Mark:
    figure = one.figures[system]
    label = f"{one.label} (n = {one.num_cases:,})"
    return Mark(label=label, mean=figure.mean, low=figure.low, high=figure.high, kind=kind)


def _grid(found: Slices, systems: Sequence[str]) -> Grid:
    lines = []
    for one in found.bins:
        cells = [_cell(one.figures[system], "") for system in systems]
        if len(systems) > 1:
            cells.append(_cell(one.difference, "+") if one.difference else Cell(""))
        lines.append((Cell(one.label), Cell(f"{one.num_cases:,}"), *cells))
    header = [found.values.capitalize(), found.cases.capitalize(), *map(shown, systems)]
    if len(systems) > 1:
        header.append("Difference")
    return Grid(tuple(header), tuple(lines), caption=f"{found.metric} by {found.values}")


def _cell(figure: Figure, sign: str) -> Cell:
    detail = f"({figure.low:{sign}.3f} to {figure.high:{sign}.3f})"
    return Cell(f"{figure.mean:{sign}.4f}", detail)


def slices_told(metric: str) -> Paragraph:
    return Paragraph(
        f"{metric} in bins of about equally many cases; n is how many. Whiskers and parentheses:"
        " 95 % bootstrap interval over the users of the bin. Small bins are uncertain, and with"
        " several of them one or another will look odd by chance."
    )
