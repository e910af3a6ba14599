"""What an experiment says of a place, in a sentence, by the place's validation users alone."""

from collections.abc import Sequence
from typing import Any

from pipeline.evaluate.leaderboard_tables import p_text

Row = dict[str, Any]


def verdict(rows: Sequence[Row], place: str, *, lower_is_better: bool) -> str:
    """Which variant validation prefers in a place, how surely, and which are worse.

    `rows` are of schema EXPERIMENT or RATING_EXPERIMENT: one for each variant, of one metric of the
    validation users there.
    """
    sign = -1 if lower_is_better else 1
    best = max(rows, key=lambda row: sign * row["mean"])
    told = f"{place}: on validation users {best['variant']} is best, {best['metric']}"
    told += f" {best['mean']:.4f}"
    if best["reference"]:
        told += "; it is the reference"
    else:
        told += f", {best['delta']:+.4f} to the reference (p {p_text(best['p_value'])})"
    lost = [row["variant"] for row in rows if _is_worse(row, sign)]
    if lost:
        told += f". Worse than the reference at p < 0.05: {', '.join(lost)}"
    return f"{told}."


def _is_worse(row: Row, sign: int) -> bool:
    return not row["reference"] and sign * row["delta"] < 0 and row["p_value"] < 0.05
