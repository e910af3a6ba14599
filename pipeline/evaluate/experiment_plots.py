"""Charts of an experiment: bars of an ablation, lines of a sweep; NDCG@10 with intervals."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.plots import figure, literal, png

_COLORS = {"valid": "#4c78a8", "test": "#bab0ac"}
_ACCENT = "#e45756"  # the reference
_TITLES = {"valid": "validation", "test": "test"}
_METRIC = "NDCG@10"


def chart(table: pa.Table, axis_title: str | None, parts: Sequence[str]) -> bytes:
    """PNG of a table of schema EXPERIMENT: bars without `axis_title`, else lines over it.

    One row of panels for each target domain. `parts` are "valid", "test" or both: two columns
    of bars, or two lines of one panel.
    """
    rows = table.filter(pc.equal(table["metric"], _METRIC)).to_pylist()
    domains = sorted({row["target_domain"] for row in rows})
    if axis_title is None:
        return _ablation(rows, domains, parts)
    return _sweep(rows, domains, parts, axis_title)


def place(label: str) -> float | None:
    """Where a variant of a sweep stands on the axis; None for one that is no number."""
    try:
        return float(label)
    except ValueError:
        return None


def _ablation(rows: list[dict[str, Any]], domains: list[str], parts: Sequence[str]) -> bytes:
    labels = list(dict.fromkeys(row["variant"] for row in rows))
    drawn = figure(0.9 + len(domains) * (0.6 + 0.28 * len(labels)))
    axes = drawn.subplots(len(domains), len(parts), squeeze=False, sharey=True, sharex="row")
    for line, domain in zip(axes, domains, strict=True):
        for axis, part in zip(line, parts, strict=True):
            _bars(axis, _own(rows, domain, part))
            axis.set_title(literal(f"{domain}, {_TITLES[part]}"), loc="left", fontsize=10)
        line[0].set_xlim(left=0)  # once all bars are drawn: it also keeps the right end
    for axis in axes[-1]:
        axis.set_xlabel(_METRIC)
    axes[0, 0].invert_yaxis()  # the first variant on top; the panels share the axis
    return png(drawn)


def _bars(axis: Any, rows: list[dict[str, Any]]) -> None:
    for y, row in enumerate(rows):
        color = _ACCENT if row["reference"] else _COLORS[row["part"]]
        axis.barh(y, row["mean"], xerr=_reach([row]), color=color, ecolor="#333", capsize=2)
        if row["reference"]:
            axis.axvline(row["mean"], color=_ACCENT, linewidth=0.8, linestyle="--")
    axis.set_yticks(range(len(rows)), [literal(row["variant"]) for row in rows], fontsize=8)
    axis.spines[["top", "right"]].set_visible(False)


def _sweep(
    rows: list[dict[str, Any]], domains: list[str], parts: Sequence[str], axis_title: str
) -> bytes:
    drawn = figure(0.5 + 2.6 * len(domains))
    axes = drawn.subplots(len(domains), 1, squeeze=False, sharex=True)[:, 0]
    for axis, domain in zip(axes, domains, strict=True):
        for part in parts:
            _line(axis, _own(rows, domain, part), part)
        axis.set_title(literal(domain), loc="left", fontsize=10)
        axis.set_ylabel(_METRIC)
        axis.grid(alpha=0.3)
        # Above the panel: intervals fill all of it.
        axis.legend(
            fontsize=7,
            frameon=False,
            loc="lower right",
            bbox_to_anchor=(1, 1),
            ncols=len(parts) * 2,
        )
    axes[-1].set_xlabel(literal(axis_title))
    return png(drawn)


def _line(axis: Any, rows: list[dict[str, Any]], part: str) -> None:
    """A point with its interval for each number; a level for what is none; the reference ringed."""
    color, title = _COLORS[part], _TITLES[part]
    placed = [(x, row) for row in rows if (x := place(row["variant"])) is not None]
    placed.sort(key=lambda pair: pair[0])
    xs, points = [x for x, _ in placed], [row for _, row in placed]
    means = [row["mean"] for row in points]
    axis.errorbar(xs, means, _reach(points), color=color, marker="o", capsize=2, label=title)
    axis.set_xticks(xs, [literal(row["variant"]) for row in points])
    for x, row in placed:
        if row["reference"]:
            axis.plot(x, row["mean"], "o", markersize=11, fillstyle="none", color=_ACCENT)
    for row in rows:
        if place(row["variant"]) is None:
            label = literal(f"{row['variant']}, {title}")
            axis.axhline(row["mean"], color=color, linestyle="--", linewidth=1, label=label)


def _own(rows: list[dict[str, Any]], domain: str, part: str) -> list[dict[str, Any]]:
    return [row for row in rows if row["target_domain"] == domain and row["part"] == part]


def _reach(rows: list[dict[str, Any]]) -> tuple[list[float], list[float]]:
    """How far the intervals reach below and above; in tiny samples one can miss the mean."""
    below = [max(row["mean"] - row["low"], 0.0) for row in rows]
    return below, [max(row["high"] - row["mean"], 0.0) for row in rows]
