"""Drawings show the figures that they were given."""

import re

import pytest

from pipeline.evaluate.report.charts import Mark, curves_chart, interval_chart, sweep_chart


def places(svg: str, pattern: str) -> list[float]:
    return [float(found) for found in re.findall(pattern, svg)]


def mark(label: str, mean: float, **more: object) -> Mark:
    return Mark(label=label, mean=mean, low=mean - 0.1, high=mean + 0.1, **more)  # type: ignore[arg-type]


def test_places_on_the_axis_are_proportional_and_within_the_drawing() -> None:
    svg = interval_chart("t", [mark("a", 0.2), mark("b", 0.4), mark("c", 0.8)], "HR@10").svg
    first, second, third = places(svg, r'cx="([\d.]+)"')
    assert third - second == pytest.approx(2 * (second - first), abs=0.3)
    for low, high in re.findall(r'class="whisker \w+" d="M([\d.]+) \d+H([\d.]+)"', svg):
        assert 132 <= float(low) < float(high) <= 354
    ticks = places(svg, r'text-anchor="middle">([\d.]+)<')
    assert ticks[0] == 0 and ticks == sorted(ticks) and 3 <= len(ticks) <= 7


def test_without_zero_the_axis_is_near_the_figures() -> None:
    svg = interval_chart("t", [mark("a", 1.2), mark("b", 1.3)], "RMSE", from_zero=False).svg
    ticks = places(svg, r'text-anchor="middle">([\d.]+)<')
    assert min(ticks) >= 1.0 and max(ticks) <= 1.45


def test_charts_with_the_same_ends_have_the_same_axis() -> None:
    one = interval_chart("t", [mark("a", 0.2)], "m", ends=(0.0, 0.9)).svg
    other = interval_chart("t", [mark("a", 0.8)], "m", ends=(0.0, 0.9)).svg
    ticks = [re.findall(r'class="tick" d="M([\d.]+)', svg) for svg in (one, other)]
    assert ticks[0] == ticks[1]


def test_kinds_differ_in_shape_and_not_in_colour_alone() -> None:
    marks = [
        mark("a", 0.2, kind="ours", published=0.5),
        mark("b", 0.3, kind="rival"),
        mark("c", 0.1),
    ]
    svg = interval_chart("t", marks, "m").svg
    assert svg.count('<rect class="dot rival"') == 1
    assert svg.count('<circle class="dot ours"') == svg.count('<circle class="dot other"') == 1
    assert svg.count('class="published"') == 1


def test_a_sweep_is_drawn_in_the_order_of_its_numbers_and_others_come_after() -> None:
    marks = [mark("20", 0.4), mark("none", 0.5), mark("5", 0.2, kind="ours")]
    svg = sweep_chart("t", marks, "HR@10", "steps", from_zero=True, reference=0.2).svg
    labels = re.findall(r'y="166\.0" text-anchor="middle">(\w+)<', svg)
    assert labels == ["5", "20", "none"]
    xs, ys = places(svg, r'cx="([\d.]+)"'), places(svg, r'cy="([\d.]+)"')
    assert xs == sorted(xs) and xs[1] - xs[0] == pytest.approx(xs[2] - xs[1], abs=0.2)
    assert ys[0] - ys[1] == pytest.approx(2 * (ys[1] - ys[2]), abs=0.3)  # upwards is more
    (line,) = re.findall(r'<polyline class="curve" points="([^"]+)"', svg)
    assert line == f"{xs[0]},{ys[0]} {xs[1]},{ys[1]}"  # it joins the numbers alone
    (level,) = places(svg, r'class="reference" d="M[\d.]+ ([\d.]+)H')
    assert level == ys[0]
    assert "<desc>HR@10 by steps. 5 0.2000, from 0.100 to 0.300; 20" in svg


def test_a_chart_says_in_words_what_it_shows() -> None:
    chart = interval_chart("Hits", [mark("a", 0.25, published=0.5)], "HR@10")
    assert 'aria-label="Hits"' in chart.svg
    assert "<desc>HR@10. a 0.2500, from 0.150 to 0.350, published 0.5000.</desc>" in chart.svg
    curves = curves_chart("Runs", {"seed 0": [0.1, 0.3]}, (0.1, 0.3))
    assert "<desc>seed 0: 2 epochs, from 0.1000 to 0.3000.</desc>" in curves.svg


def test_one_equal_figure_and_one_epoch_can_be_drawn() -> None:
    assert "nan" not in interval_chart("t", [Mark(label="a", mean=0, low=0, high=0)], "m").svg
    assert "nan" not in curves_chart("t", {"a": [0.5]}, (0.5, 0.5)).svg


def test_a_reference_of_zero_is_drawn_too() -> None:
    assert 'class="reference"' in interval_chart("t", [mark("a", 0.2)], "m", reference=0.0).svg


def test_lines_of_runs_differ_in_their_dashes() -> None:
    svg = curves_chart("t", {"seed 0": [0, 1], "seed 1": [1, 0]}, (0, 1)).svg
    assert [("dash" in line) for line in re.findall(r"<polyline[^>]*>", svg)] == [False, True]
