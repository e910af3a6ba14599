"""Charts of a rating experiment: bars of an ablation, lines of a sweep; RMSE with intervals."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.plots import figure, literal, png

_COLORS = {"valid": "#4c78a8", "test": "#bab0ac"}
_ACCENT = "#e45756"  # the reference
_TITLES = {"valid": "validation", "test": "test"}
_METRIC = "RMSE"


def experiment_chart(table: pa.Table, axis_title: str | None, parts: Sequence[str]) -> bytes:
    """PNG of a table of schema RATING_EXPERIMENT: bars without `axis_title`, else lines over it.

    A row of panels for each cold ratio, a column for each of `parts`.
    """
    rows = table.filter(pc.equal(table["metric"], _METRIC)).to_pylist()
    ratios = sorted({row["cold_ratio"] for row in rows})
    labels = list(dict.fromkeys(row["variant"] for row in rows))
    high = 0.6 + 0.22 * len(labels) if axis_title is None else 2.2
    drawn = figure(0.6 + high * len(ratios))
    panels = drawn.subplots(len(ratios), len(parts), squeeze=False, sharey="row", sharex=True)
    for line, ratio in zip(panels, ratios, strict=True):
        for axis, part in zip(line, parts, strict=True):
            own = [row for row in rows if (row["cold_ratio"], row["part"]) == (ratio, part)]
            if axis_title is None:
                _dots(axis, own)
            else:
                _line(axis, own)
            title = f"cold ratio {ratio:g}, {_TITLES[part]}"
            axis.set_title(title, loc="left", fontsize=9)
            axis.tick_params(labelsize=7)
            axis.grid(alpha=0.3)
        if axis_title is None:
            line[0].invert_yaxis()  # the first variant on top; the panels of a row share the axis
    label = "RMSE, lower is better" if axis_title is None else literal(axis_title)
    drawn.supxlabel(label, fontsize=8)
    return png(drawn)


def _dots(axis: Any, rows: list[dict[str, Any]]) -> None:
    """Points, not bars: errors are far from zero, and bars that start there look all alike."""
    for y, row in enumerate(rows):
        color = _ACCENT if row["reference"] else _COLORS[row["part"]]
        axis.errorbar(row["mean"], y, xerr=_reach([row]), fmt="o", color=color, capsize=2)
        if row["reference"]:
            axis.axvline(row["mean"], color=_ACCENT, linewidth=0.8, linestyle="--")
    axis.set_yticks(range(len(rows)), [literal(row["variant"]) for row in rows])


def _line(axis: Any, rows: list[dict[str, Any]]) -> None:
    """A point with its interval for each place; the reference ringed."""
    xs = [float(row["variant"]) for row in rows]
    color = _COLORS[rows[0]["part"]]
    means = [row["mean"] for row in rows]
    axis.errorbar(xs, means, _reach(rows), color=color, marker="o", capsize=2)
    axis.set_xscale("log")
    axis.set_xticks(xs, [literal(row["variant"]) for row in rows])
    axis.minorticks_off()
    axis.set_ylabel(_METRIC, fontsize=8)
    for x, row in zip(xs, rows, strict=True):
        if row["reference"]:
            axis.plot(x, row["mean"], "o", markersize=11, fillstyle="none", color=_ACCENT)


def _reach(rows: list[dict[str, Any]]) -> tuple[list[float], list[float]]:
    """How far the intervals reach below and above; in tiny samples one can miss the mean."""
    below = [max(row["mean"] - row["low"], 0.0) for row in rows]
    return below, [max(row["high"] - row["mean"], 0.0) for row in rows]
