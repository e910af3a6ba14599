"""Figures of rating systems as PNG bytes, each well under 100 KB.

Letters: N ratings or users, D width of a feature.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, product
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.catalog.rating_systems import RATING_OURS
from pipeline.catalog.system_names import shown
from pipeline.evaluate.ratings.comparable import Predicted
from pipeline.evaluate.ratings.errors import METRICS
from pipeline.plots import figure, literal, png

RatingCurves = dict[tuple[str, str, float, int], list[float]]
"""A validation error for each epoch, by system, stage, cold ratio and training seed."""

FLOOR = "item_mean"
"""What a system must beat to have learned anything of users; drawn dashed."""

_BINS = 8  # of equally many predictions, in the calibration
_MOST_POINTS = 80  # users drawn in the map of features


@dataclass(frozen=True, kw_only=True)
class FeatureMap:
    """Target features of training overlap users, as trained on and as generated."""

    system: str
    cold_ratio: float
    true_ND: np.ndarray
    generated_ND: np.ndarray  # rows are the same users


def error_lines(leaderboard: pa.Table) -> bytes:
    """RMSE and MAE by cold ratio: a line for each system, with intervals for ours."""
    rows = leaderboard.to_pylist()
    systems = list(dict.fromkeys(row["system"] for row in rows))
    looks = _looks(systems)
    drawn = figure(3.4 + 0.09 * len(systems))
    panels = drawn.subplots(1, len(METRICS), squeeze=False)[0]
    for axis, metric in zip(panels, METRICS, strict=True):
        for system in systems:
            own = [row for row in rows if (row["system"], row["metric"]) == (system, metric)]
            _error_line(axis, own, looks[system])
        axis.set_xticks(sorted({row["cold_ratio"] for row in rows}))
        axis.set_xlabel("cold ratio", fontsize=8)
        axis.set_title(f"{metric}, lower is better", loc="left", fontsize=9)
        axis.tick_params(labelsize=7)
        axis.grid(alpha=0.3)
    handles, labels = panels[0].get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=7, frameon=False)
    return png(drawn)


def calibration(places: Mapping[float, Sequence[Predicted]]) -> bytes:
    """The mean rating given against the mean prediction, in bins of equally many predictions.

    One panel for each cold ratio; the ratings of all training seeds together. On the diagonal a
    prediction is right in the mean.
    """
    drawn = figure(3.2)
    panels = drawn.subplots(1, len(places), squeeze=False, sharey=True)[0]
    for axis, (ratio, systems) in zip(panels, places.items(), strict=True):
        reached = []
        for predicted in systems:
            means = binned_means(predicted)
            axis.plot(*means, marker="o", markersize=3, label=literal(shown(predicted.system)))
            reached += [value for part in means for value in part]
        ends = (min(reached), max(reached))
        axis.plot(ends, ends, color="#888", linestyle=":", linewidth=1)
        _titled(axis, f"cold ratio {ratio:g}")
        axis.legend(fontsize=6, frameon=False)
    drawn.supxlabel("mean prediction", fontsize=8)
    drawn.supylabel("mean rating given", fontsize=8)
    return png(drawn)


def binned_means(predicted: Predicted) -> tuple[list[float], list[float]]:
    """Mean prediction and mean rating of bins of equally many predictions, lowest first.

    Equal predictions share a bin: a constant has one.
    """
    predicted_N = predicted.predicted_SN.ravel()
    rating_N = np.broadcast_to(predicted.rating_N, predicted.predicted_SN.shape).ravel()
    edges = np.unique(np.quantile(predicted_N, np.linspace(0, 1, _BINS + 1)[1:-1]))
    bin_N = np.searchsorted(edges, predicted_N)
    groups = [bin_N == number for number in np.unique(bin_N)]
    return (
        [float(predicted_N[own].mean()) for own in groups],
        [float(rating_N[own].mean()) for own in groups],
    )


def prediction_histograms(
    places: Mapping[float, Sequence[Predicted]], rating_range: tuple[float, float]
) -> bytes:
    """What systems predict beside what was given, as shares of the ratings."""
    low, high = rating_range
    edges = np.linspace(low, high, 33)
    drawn = figure(2.8)
    panels = drawn.subplots(1, len(places), squeeze=False, sharey=True)[0]
    for axis, (ratio, systems) in zip(panels, places.items(), strict=True):
        given_N = systems[0].rating_N
        axis.hist(given_N, edges, weights=_shares(given_N), color="#ccc", label="given")
        for predicted in systems:
            predicted_N = predicted.predicted_SN.ravel()
            axis.hist(
                predicted_N,
                edges,
                weights=_shares(predicted_N),
                histtype="step",
                label=literal(shown(predicted.system)),
            )
        _titled(axis, f"cold ratio {ratio:g}")
        axis.legend(fontsize=6, frameon=False, loc="upper left")
    drawn.supxlabel("rating", fontsize=8)
    drawn.supylabel("share of ratings", fontsize=8)
    return png(drawn)


def feature_plane(features: FeatureMap) -> bytes:
    """True and generated features of the same users on the two main axes of both together."""
    true_N2, generated_N2, explained = two_axes(features.true_ND, features.generated_ND)
    rows = np.linspace(0, len(true_N2) - 1, min(len(true_N2), _MOST_POINTS)).astype(int)
    drawn = figure(4)
    axis = drawn.subplots()
    for true, generated in zip(true_N2[rows], generated_N2[rows], strict=True):
        axis.plot(*zip(true, generated, strict=True), color="#bbb", linewidth=0.4, zorder=1)
    for plane_N2, marker, label in (
        (true_N2, "o", "of their own target reviews"),
        (generated_N2, "^", "generated"),
    ):
        x_N, y_N = plane_N2[rows].T
        axis.scatter(x_N, y_N, s=9, marker=marker, label=label, zorder=2)
    axis.set_xlabel(f"first axis, {explained[0]:.0%} of the variance", fontsize=8)
    axis.set_ylabel(f"second axis, {explained[1]:.0%}", fontsize=8)
    _titled(axis, f"{shown(features.system)}, cold ratio {features.cold_ratio:g}, in-sample")
    axis.legend(fontsize=7, frameon=False)
    return png(drawn)


def two_axes(
    true_ND: np.ndarray, generated_ND: np.ndarray
) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """Principal components of both sets stacked: two planes [N, 2] and the shares of variance."""
    both = np.concatenate([true_ND, generated_ND]).astype(np.float64)
    centred = both - both.mean(axis=0)
    _, spread, axes = np.linalg.svd(centred, full_matrices=False)
    plane = centred @ axes[:2].T
    variance = np.square(spread) / max(np.square(spread).sum(), np.finfo(np.float64).tiny)
    return plane[: len(true_ND)], plane[len(true_ND) :], (float(variance[0]), float(variance[1]))


def _looks(systems: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Ours thick and red, the floor dashed and black, others in the other colours."""
    looks: dict[str, dict[str, Any]] = {FLOOR: {"color": "black", "linestyle": "--"}}
    ours = [system for system in systems if system in RATING_OURS]
    for system, style in zip(ours, cycle(("-", "-.")), strict=False):
        looks[system] = {"color": "C3", "linestyle": style, "linewidth": 2.2, "zorder": 3}
    others = [system for system in systems if system not in looks]
    colors = [f"C{number}" for number in range(10) if number != 3]
    for system, (style, color) in zip(others, cycle(product(("-", ":"), colors)), strict=False):
        looks[system] = {"color": color, "linestyle": style}
    return looks


def _error_line(axis: Any, rows: list[dict[str, Any]], look: dict[str, Any]) -> None:
    rows = sorted(rows, key=lambda row: row["cold_ratio"])
    xs = [row["cold_ratio"] for row in rows]
    system, means = rows[0]["system"], [row["mean"] for row in rows]
    label = literal(shown(system)) + (" (floor)" if system == FLOOR else "")
    axis.plot(xs, means, **{"linewidth": 1.1, **look}, marker="o", markersize=3, label=label)
    if system in RATING_OURS:
        lows, highs = ([row[end] for row in rows] for end in ("low", "high"))
        axis.fill_between(xs, lows, highs, color=look["color"], alpha=0.08, linewidth=0)


def _titled(axis: Any, title: str, size: int = 8) -> None:
    axis.set_title(literal(title), loc="left", fontsize=size)
    axis.tick_params(labelsize=7)
    axis.grid(alpha=0.3)


def _shares(value_N: np.ndarray) -> np.ndarray:
    return np.full(len(value_N), 1 / len(value_N))
