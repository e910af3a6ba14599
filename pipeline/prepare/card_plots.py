"""A dataset card's figures as PNG bytes, each well under 100 KB."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.plots import figure, literal, png

MOST_SHOWN = 12
"""Domains in one figure: of more, those with the largest sums."""

_POINTS = 300  # of a curve, spread evenly over a logarithmic axis
_BINS = 24


def sequence_lengths(lengths: Mapping[str, np.ndarray]) -> bytes:
    """How many users have each number of interactions; by domain, an array with all users'.

    On a logarithmic scale lengths share bins, so a bin's users are divided by its lengths.
    """
    shown = _largest(lengths)
    longest = max((int(values.max()) for values in shown.values()), default=1)
    edges = np.unique(np.geomspace(1, longest + 1, _BINS).round().astype(int))
    drawn, axis = _axis("interactions of a user", "users of each length", lengths)
    for color, (domain, values) in zip(_colors(len(shown)), shown.items(), strict=True):
        heights = np.histogram(values, edges)[0] / np.diff(edges)
        middles = np.sqrt(edges[:-1] * (edges[1:] - 1))
        filled = heights > 0
        axis.plot(middles[filled], heights[filled], ".-", color=color, label=literal(domain))
    return _logarithmic(drawn, axis)


def item_popularity(counts: Mapping[str, np.ndarray]) -> bytes:
    """Interactions of an item against its rank; by domain, an array with all items' numbers."""
    shown = _largest(counts)
    drawn, axis = _axis("rank of an item by its interactions", "interactions", counts)
    for color, (domain, values) in zip(_colors(len(shown)), shown.items(), strict=True):
        ranked = np.sort(values)[::-1]
        ranks = np.unique(np.geomspace(1, len(ranked), _POINTS).round().astype(int))
        axis.plot(ranks, ranked[ranks - 1], color=color, label=literal(domain))
    return _logarithmic(drawn, axis)


def over_time(days: Mapping[str, np.ndarray]) -> bytes:
    """Interactions by day, month or year, as their span has it; by domain, datetime64[D] of each.

    Nothing may be empty.
    """
    from matplotlib.ticker import FuncFormatter

    shown = _largest({domain: np.ones(len(values)) for domain, values in days.items()})
    first, last = (pick([pick(days[domain]) for domain in shown]) for pick in (np.min, np.max))
    unit = _unit(int((last - first).astype(int)))
    name = {"D": "day", "M": "month", "Y": "year"}[unit]
    periods = np.arange(first.astype(f"M8[{unit}]"), last.astype(f"M8[{unit}]") + 1)
    drawn, axis = _axis("", f"interactions by {name}", days)
    for color, domain in zip(_colors(len(shown)), shown, strict=True):
        places = (days[domain].astype(f"M8[{unit}]") - periods[0]).astype(int)
        counts = np.bincount(places, minlength=len(periods))
        style = ".-" if len(periods) <= 2 * _BINS else "-"
        axis.plot(periods.astype("M8[D]"), counts, style, color=color, label=literal(domain))
    axis.set_ylim(bottom=0)
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axis.grid(alpha=0.3)
    return _with_legend(drawn, axis)


def rating_histogram(counts: Mapping[str, Mapping[float, int]]) -> bytes:
    """Share of each rating among a domain's; by domain, how often each rating occurs."""
    shown = _largest({domain: np.array([*found.values()]) for domain, found in counts.items()})
    ratings = sorted({rating for domain in shown for rating in counts[domain]})
    drawn, axis = _axis("rating", "share of the domain's ratings", counts)
    width = 0.8 / max(len(shown), 1)
    colors = _colors(len(shown))
    for number, (color, domain) in enumerate(zip(colors, shown, strict=True)):
        found = np.array([counts[domain].get(rating, 0) for rating in ratings])
        places = np.arange(len(ratings)) + (number - (len(shown) - 1) / 2) * width
        axis.bar(places, found / found.sum(), width, color=color, label=literal(domain))
    axis.set_xticks(range(len(ratings)), [f"{rating:g}" for rating in ratings])
    axis.grid(alpha=0.3, axis="y")
    axis.set_axisbelow(True)
    return _with_legend(drawn, axis)


def _largest(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Not empty, at most MOST_SHOWN, in their given order."""
    filled = {domain: values for domain, values in arrays.items() if len(values)}
    by_size = sorted(filled, key=lambda domain: (-float(filled[domain].sum()), domain))
    chosen = set(by_size[:MOST_SHOWN])
    return {domain: values for domain, values in filled.items() if domain in chosen}


def _unit(days: int) -> str:
    if days <= 100:
        return "D"
    return "M" if days <= 366 * 20 else "Y"


def _colors(number: int) -> list[Any]:
    """Colours that differ in lightness too; of few domains the first of a good palette."""
    from matplotlib import colormaps

    palette = colormaps["tab10" if number <= 10 else "tab20"]
    return [palette(index) for index in range(number)]


def _axis(x: str, y: str, known: Mapping[str, Any]) -> tuple[Any, Any]:
    drawn = figure(3.6)
    axis = drawn.subplots()
    axis.set_xlabel(x)
    axis.set_ylabel(y)
    axis.spines[["top", "right"]].set_visible(False)
    filled = sum(len(values) > 0 for values in known.values())
    if filled > MOST_SHOWN:
        axis.set_title(f"the {MOST_SHOWN} largest of {filled} domains", loc="left", fontsize=9)
    return drawn, axis


def _logarithmic(drawn: Any, axis: Any) -> bytes:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.loglog()
    for scaled, (low, high) in ((axis.xaxis, axis.get_xlim()), (axis.yaxis, axis.get_ylim())):
        if high < 1_000 * low:  # the powers of ten alone would be two or three ticks
            scaled.set_major_locator(LogLocator(subs=(1, 2, 5)))
        scaled.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.12g}"))
        scaled.set_minor_formatter(NullFormatter())
    axis.grid(alpha=0.3)
    return _with_legend(drawn, axis)


def _with_legend(drawn: Any, axis: Any) -> bytes:
    labels = axis.get_legend_handles_labels()[1]
    if labels:
        axis.legend(fontsize=7, frameon=False, ncols=2 if len(labels) > 6 else 1)
    return png(drawn)
