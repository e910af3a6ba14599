"""A cold ratio in one sentence: who leads, whom to beat, how ours stand."""

from pipeline.catalog.rating_systems import RATING_OURS
from pipeline.catalog.system_names import shown
from pipeline.evaluate.leaderboard_tables import interval_text, p_text
from pipeline.evaluate.ratings.leaderboard_tables import Row, Rows
from pipeline.evaluate.ratings.plots import FLOOR


def sentence(ratio: float, rows: Rows) -> str:
    """Who leads at a cold ratio, and how ours stand to the baseline to beat."""
    best, row = next((system, own["RMSE"]) for system, own in rows.items())
    told = [f"Cold ratio {ratio:g}: {shown(best)} leads with RMSE {_figure(row)}"]
    rival = rival_of(rows)
    if rival is not None:
        told.append(
            f"the baseline to beat, chosen on validation users, is {shown(rival)} with"
            f" {rows[rival]['RMSE']['mean']:.4f}"
        )
    for system in rows:
        if system in RATING_OURS and rows[system]["RMSE"]["versus"]:
            told.append(_standing(system, rows))
    if FLOOR in rows:
        told.append(f"item means alone reach {rows[FLOOR]['RMSE']['mean']:.4f}")
    return f"{'; '.join(told)}."


def _standing(system: str, rows: Rows) -> str:
    row = rows[system]["RMSE"]
    side = "better" if row["delta"] < 0 else "worse" if row["delta"] > 0 else "apart"
    p = p_text(row["p_value"])
    relation = p if p.startswith("<") else f"= {p}"
    return (
        f"{shown(system)} has {row['mean']:.4f}, {abs(row['delta']):.4f} {side}"
        f" (difference {row['delta_low']:+.3f} to {row['delta_high']:+.3f}, p {relation})"
    )


def _figure(row: Row) -> str:
    return f"{row['mean']:.4f} {interval_text(row)}"


def rival_of(rows: Rows) -> str | None:
    """The baseline to beat, as the other systems' rows name it."""
    named = {own["RMSE"]["versus"] for own in rows.values()} - {None}
    return named.pop() if named else None
