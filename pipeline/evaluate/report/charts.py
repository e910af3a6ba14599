"""Charts as inline SVG: colours follow the page's scheme, and each says in words what it shows.

A chart is drawn 400 units wide (200 where it is small), so that its letters can be read on a
phone. Shapes tell apart what colours do: ours are discs, the baseline to beat is a square, the
others are rings, a published value is a diamond.
"""

import html
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.evaluate.document import Chart

Kind = Literal["ours", "rival", "other"]

_WIDTH, _LABELS, _VALUES, _LINE = 400, 132, 46, 20
_SMALL = (200, 132)  # width and height
_DASHES = ("", "5 3", "2 2", "8 3 2 3", "1 3")

Scale = Callable[[float], float]
"""A value to its place."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A mean with its interval."""

    label: str
    mean: float
    low: float
    high: float
    kind: Kind = "other"
    published: float | None = None


def interval_chart(
    title: str,
    marks: Sequence[Mark],
    metric: str,
    *,
    from_zero: bool = True,
    ends: tuple[float, float] | None = None,
    reference: float | None = None,
) -> Chart:
    """A line for each mark, in their order; `reference` is drawn as an upright line.

    The axis holds all intervals, and zero with `from_zero`; `ends` are what it holds beside, so
    that several charts can share theirs.
    """
    low, high = _reach(
        marks, from_zero, (*(ends or ()), *([] if reference is None else [reference]))
    )
    left, right = _LABELS, _WIDTH - _VALUES
    height = 10 + _LINE * len(marks) + 34

    def x(value: float) -> float:
        return left + (value - low) / (high - low) * (right - left)

    drawn = _axis(x, low, high, 6, 10 + _LINE * len(marks), metric, (left + right) / 2)
    if reference is not None:
        at = f"{x(reference):.1f}"
        drawn.append(f'<path class="reference" d="M{at} 6V{10 + _LINE * len(marks)}"/>')
    for number, mark in enumerate(marks):
        drawn += _mark(mark, x, 10 + _LINE * number + _LINE / 2)
    told = "; ".join(_told(mark) for mark in marks)
    return Chart(title, _svg(title, f"{metric}. {told}.", _WIDTH, height, drawn))


def sweep_chart(
    title: str,
    marks: Sequence[Mark],
    metric: str,
    axis: str,
    *,
    from_zero: bool,
    reference: float,
) -> Chart:
    """A place for each mark, evenly apart: those whose labels are numbers first, in the numbers'
    order and joined by a line, then the others. `axis` says what the numbers are; `reference` is
    drawn as a level line.
    """
    numbered = sorted((mark for mark in marks if _is_number(mark.label)), key=_number)
    marks = [*numbered, *(mark for mark in marks if not _is_number(mark.label))]
    low, high = _reach(marks, from_zero, [reference])
    left, right, top, bottom = 52, _WIDTH - 8, 10, 150
    apart = (right - left) / len(marks)

    def y(value: float) -> float:
        return bottom - (value - low) / (high - low) * (bottom - top)

    drawn = []
    for value in _ticks(low, high):
        drawn.append(f'<path class="tick" d="M{left} {y(value):.1f}H{right}"/>')
        drawn.append(_text(f"{value:.6g}", left - 6, y(value) + 4, "end"))
    drawn.append(f'<path class="reference" d="M{left} {y(reference):.1f}H{right}"/>')
    xs = [left + (number + 0.5) * apart for number in range(len(marks))]
    line = " ".join(f"{x:.1f},{y(mark.mean):.1f}" for x, mark in zip(xs, numbered, strict=False))
    drawn.append(f'<polyline class="curve" points="{line}"/>')
    for x, mark in zip(xs, marks, strict=True):
        # In tiny samples a percentile interval can miss the mean.
        ends = y(min(mark.low, mark.mean)), y(max(mark.high, mark.mean))
        drawn += [
            f'<path class="whisker {mark.kind}" d="M{x:.1f} {ends[0]:.1f}V{ends[1]:.1f}"/>',
            f'<circle class="dot {mark.kind}" cx="{x:.1f}" cy="{y(mark.mean):.1f}" r="4.5"/>',
            _text(_cut(mark.label), x, bottom + 16, "middle", mark.kind),
        ]
    drawn.append(_text(axis, (left + right) / 2, bottom + 34, "middle"))
    told = "; ".join(_told(mark) for mark in marks)
    return Chart(title, _svg(title, f"{metric} by {axis}. {told}.", _WIDTH, bottom + 40, drawn))


def _is_number(label: str) -> bool:
    try:
        float(label)
    except ValueError:
        return False
    return True


def _number(mark: Mark) -> float:
    return float(mark.label)


def curves_chart(
    title: str, curves: Mapping[str, Sequence[float]], y_range: Sequence[float]
) -> Chart:
    """A score for each epoch, a line for each name; `y_range` is shared with other charts."""
    width, height = _SMALL
    left, right, top, bottom = 40, width - 8, 8, height - 30
    longest = max(len(scores) for scores in curves.values())
    low, high = y_range
    span = (high - low) or 1.0

    def x(epoch: float) -> float:
        return left + (epoch - 1) / max(longest - 1, 1) * (right - left)

    def y(score: float) -> float:
        return bottom - (score - low) / span * (bottom - top)

    drawn = [f'<path class="axis" d="M{left} {top}V{bottom}H{right}"/>']
    for value in (low, high):
        drawn.append(_text(f"{value:.2f}", left - 4, y(value) + 4, "end"))
    for epoch in sorted({1, longest}):
        drawn.append(_text(str(epoch), x(epoch), bottom + 13, "middle"))
    drawn.append(_text("epoch", (left + right) / 2, bottom + 26, "middle"))
    for scores, dash in zip(curves.values(), itertools.cycle(_DASHES), strict=False):
        points = " ".join(f"{x(n):.1f},{y(score):.1f}" for n, score in enumerate(scores, 1))
        style = f' stroke-dasharray="{dash}"' if dash else ""
        drawn.append(f'<polyline class="curve"{style} points="{points}"/>')
    told = "; ".join(
        f"{name}: {len(scores)} epochs, from {scores[0]:.4f} to {scores[-1]:.4f}"
        for name, scores in curves.items()
    )
    return Chart(title, _svg(title, f"{told}.", width, height, drawn))


def _reach(marks: Sequence[Mark], from_zero: bool, others: Sequence[float]) -> tuple[float, float]:
    """The ends of the axis, with some room."""
    values = [value for mark in marks for value in (mark.mean, mark.low, mark.high)]
    values += [mark.published for mark in marks if mark.published is not None]
    values += others
    low, high = min(values), max(values)
    if from_zero:
        low, high = min(low, 0.0), max(high, 0.0)
    room = 0.04 * (high - low) or 0.05
    return low - (0 if from_zero and low == 0 else room), high + room


def _axis(
    x: Scale, low: float, high: float, top: float, bottom: float, metric: str, middle: float
) -> list[str]:
    drawn = []
    for value in _ticks(low, high):
        drawn.append(f'<path class="tick" d="M{x(value):.1f} {top}V{bottom}"/>')
        drawn.append(_text(f"{value:.6g}", x(value), bottom + 14, "middle"))
    drawn.append(_text(metric, middle, bottom + 29, "middle"))
    return drawn


def _ticks(low: float, high: float) -> list[float]:
    """At most six round numbers."""
    rough = (high - low) / 5
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first = int(np.ceil(low / step - 1e-9))
    last = int(np.floor(high / step + 1e-9))
    return [round(number * step, 10) for number in range(first, last + 1)]


def _mark(mark: Mark, x: Scale, y: float) -> list[str]:
    # In tiny samples a percentile interval can miss the mean.
    low, high = min(mark.low, mark.mean), max(mark.high, mark.mean)
    drawn = [
        _text(_cut(mark.label), _LABELS - 8, y + 4, "end", mark.kind),
        f'<path class="whisker {mark.kind}" d="M{x(low):.1f} {y:g}H{x(high):.1f}"/>',
    ]
    if mark.published is not None:
        at = x(mark.published)
        drawn.append(f'<path class="published" d="M{at - 5:.1f} {y:g}l5 -5l5 5l-5 5z"/>')
    at = x(mark.mean)
    if mark.kind == "rival":
        shape = f'<rect class="dot rival" x="{at - 4.5:.1f}" y="{y - 4.5:g}" width="9" height="9"/>'
    else:
        shape = f'<circle class="dot {mark.kind}" cx="{at:.1f}" cy="{y:g}" r="4.5"/>'
    return [*drawn, shape, _text(f"{mark.mean:.3f}", _WIDTH - 2, y + 4, "end", mark.kind)]


def _told(mark: Mark) -> str:
    said = f"{mark.label} {mark.mean:.4f}, from {mark.low:.3f} to {mark.high:.3f}"
    return said if mark.published is None else f"{said}, published {mark.published:.4f}"


def _cut(label: str) -> str:
    return label if len(label) <= 21 else f"{label[:20]}\u2026"


def _text(text: str, x: float, y: float, anchor: str, kind: str = "") -> str:
    name = f' class="{kind}"' if kind else ""
    return f'<text{name} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(text)}</text>'


def _svg(title: str, told: str, width: float, height: float, drawn: Sequence[str]) -> str:
    return (
        f'<svg role="img" aria-label="{html.escape(title)}" viewBox="0 0 {width} {height}">'
        f"<desc>{html.escape(told)}</desc>"
        f"{''.join(drawn)}</svg>"
    )
