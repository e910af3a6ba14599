"""The leaderboard's figure for the UI, as PNG bytes well under 100 KB."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog.system_names import shown
from pipeline.catalog.systems import OURS
from pipeline.plots import figure, literal, png

_BAR, _RIVAL, _OURS = "#4c78a8", "#e45756", "#54a24b"


def hit_rate_bars(leaderboard: pa.Table) -> bytes:
    """HR@10 in the pool "target": one panel for each domain, best on top, with intervals.

    The baseline to beat is red, ours are green. A diamond marks the published value.
    """
    wanted = pc.and_(
        pc.equal(leaderboard["pool"], "target"), pc.equal(leaderboard["metric"], "HR@10")
    )
    rows = leaderboard.filter(wanted).sort_by([("mean", "ascending")]).to_pylist()
    domains = sorted({row["target_domain"] for row in rows})
    panels = [[row for row in rows if row["target_domain"] == domain] for domain in domains]
    height = 0.8 + sum(0.7 + 0.28 * len(panel) for panel in panels)
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


def _bars(axis: Any, panel: list[dict[str, Any]]) -> None:
    rivals = {row["versus"] for row in panel}
    labels = {_RIVAL: "baseline to beat", _OURS: "ours"}
    for y, row in enumerate(panel):
        # In tiny samples a percentile interval can miss the mean; a length cannot be negative.
        reach = ([max(row["mean"] - row["low"], 0.0)], [max(row["high"] - row["mean"], 0.0)])
        color = _OURS if row["system"] in OURS else _RIVAL if row["system"] in rivals else _BAR
        label = labels.pop(color, None)  # once in the legend
        axis.barh(y, row["mean"], xerr=reach, color=color, label=label, ecolor="#333", capsize=2)
    quoted = [(row["published"], y) for y, row in enumerate(panel) if row["published"] is not None]
    if quoted:
        xs, ys = zip(*quoted, strict=True)
        axis.scatter(
            xs, ys, marker="D", s=30, color="black", edgecolor="white", zorder=3, label="published"
        )
    if axis.get_legend_handles_labels()[1]:
        axis.legend(fontsize=7, frameon=False, loc="lower right")
    axis.set_yticks(range(len(panel)), [literal(shown(row["system"])) for row in panel], fontsize=8)
    axis.set_xlim(left=0)
    axis.spines[["top", "right"]].set_visible(False)
