"""The report's figures as PNG bytes, each well under 100 KB."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.plots import figure, literal, png

Curves = dict[str, list[float]]
"""A validation score for each epoch, by the name of the run."""

_BAR, _ACCENT = "#4c78a8", "#e45756"


def hit_rate_bars(leaderboard: pa.Table) -> bytes:
    """HR@10 in the pool "target": one panel for each domain, best on top, with intervals.

    The baseline to beat is red. A diamond marks the published value.
    """
    wanted = pc.and_(
        pc.equal(leaderboard["pool"], "target"), pc.equal(leaderboard["metric"], "HR@10")
    )
    rows = leaderboard.filter(wanted).sort_by([("mean", "ascending")]).to_pylist()
    domains = sorted({row["target_domain"] for row in rows})
    panels = [[row for row in rows if row["target_domain"] == domain] for domain in domains]
    height = 0.8 + sum(0.7 + 0.32 * len(panel) for panel in panels)
    drawn = figure(height)
    axes = drawn.subplots(
        len(panels),
        1,
        squeeze=False,
        sharex=True,
        height_ratios=[1.5 + len(panel) for panel in panels],
    )
    for axis, domain, panel in zip(axes[:, 0], domains, panels, strict=True):
        _bars(axis, panel)
        axis.set_title(literal(domain), loc="left", fontsize=10)
    axes[-1, 0].set_xlabel("HR@10, with 95 % interval over users")
    return png(drawn)


def training_curves(curves: Curves) -> bytes:
    """Validation score by epoch, one line for each run."""
    from matplotlib.ticker import MaxNLocator

    drawn = figure(3.6)
    axis = drawn.subplots()
    for name, scores in sorted(curves.items()):
        axis.plot(range(1, len(scores) + 1), scores, marker=".", label=literal(name))
    axis.set_xlabel("epoch")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_ylabel("validation score")
    axis.grid(alpha=0.3)
    if curves:
        axis.legend(fontsize=7, ncols=2, frameon=False)
    return png(drawn)


def _bars(axis: Any, panel: list[dict[str, Any]]) -> None:
    rivals = {row["versus"] for row in panel}
    for y, row in enumerate(panel):
        # In tiny samples a percentile interval can miss the mean; a length cannot be negative.
        reach = ([max(row["mean"] - row["low"], 0.0)], [max(row["high"] - row["mean"], 0.0)])
        rival = row["system"] in rivals
        axis.barh(
            y,
            row["mean"],
            xerr=reach,
            color=_ACCENT if rival else _BAR,
            label="baseline to beat" if rival else None,
            ecolor="#333",
            capsize=2,
        )
    quoted = [(row["published"], y) for y, row in enumerate(panel) if row["published"] is not None]
    if quoted:
        xs, ys = zip(*quoted, strict=True)
        axis.scatter(
            xs, ys, marker="D", s=30, color="black", edgecolor="white", zorder=3, label="published"
        )
    if axis.get_legend_handles_labels()[1]:
        axis.legend(fontsize=7, frameon=False, loc="lower right")
    axis.set_yticks(range(len(panel)), [literal(row["system"]) for row in panel], fontsize=8)
    axis.set_xlim(left=0)
    axis.spines[["top", "right"]].set_visible(False)
