"""The leaderboard of rating systems: errors by cold ratio, how sure they are, whom to beat.

The baseline to beat is chosen at each cold ratio by RMSE on the validation ratings. The test
users choose nothing. Lower is better everywhere: a difference below zero is an improvement.

Letters: K systems.
"""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog import Scenario
from pipeline.catalog.rating_systems import RATING_OURS
from pipeline.columns import RATING_LEADERBOARD
from pipeline.evaluate.ratings.comparable import Predicted, cold_ratios, read_predicted
from pipeline.evaluate.ratings.errors import (
    METRICS,
    Resampled,
    intervals,
    p_values,
    resampled_errors,
    seed_errors,
)
from pipeline.evaluate.ratings.gather import RatingBackground, gather_rating_background
from pipeline.evaluate.ratings.leaderboard_report import (
    RatingReport,
    headline_tables,
    markdown_report,
)
from pipeline.evaluate.ratings.plots import error_lines
from pipeline.evaluate.significance import Bootstrap
from pipeline.outcome import Fact, Outcome
from pipeline.store import Store

_CHOICE = "RMSE"  # what the baseline to beat is chosen by, on validation ratings


def compare_rating_systems(scenario: Scenario, store: Store) -> Outcome:
    """The leaderboard of all systems, with what they cost and what they were made from."""
    background = gather_rating_background(scenario, store)
    return write_rating_leaderboard(store, scenario, background=background)


def write_rating_leaderboard(
    store: Store,
    scenario: Scenario,
    *,
    background: RatingBackground | None = None,
    bootstrap: Bootstrap | None = None,
) -> Outcome:
    """Compare the scenario's systems from their saved predictions; write table and Markdown.

    Writes `rating_leaderboard/<scenario>`. `background` goes into the Markdown alone: the table
    depends on the predictions and nothing else.
    """
    predictions = pa.concat_tables(
        store.read_table(f"predictions/{scenario.name}/{system}") for system in scenario.systems
    )
    table = build_rating_leaderboard(predictions, bootstrap=bootstrap or Bootstrap())
    report = RatingReport(
        scenario=scenario,
        leaderboard=table,
        predictions=predictions,
        background=background or RatingBackground(),
    )
    key = f"rating_leaderboard/{scenario.name}"
    store.write_text(key, ".md", markdown_report(report))
    return Outcome(
        artifact=store.write_table(key, RATING_LEADERBOARD, table),
        facts=_facts(table),
        preview=_headline(table),
        tables=headline_tables(report),
        plots={"error by cold ratio": error_lines(table)},
    )


def build_rating_leaderboard(
    predictions: pa.Table,
    *,
    ours: Sequence[str] = RATING_OURS,
    bootstrap: Bootstrap | None = None,
) -> pa.Table:
    """Cold ratios x systems x metrics, schema RATING_LEADERBOARD; input RATING_PREDICTIONS.

    Differences and p-values are against the best baseline of the cold ratio: of all systems that
    are not `ours`. ValueError where systems predicted different ratings, where a system lacks a
    cold ratio or a part, and where a prediction is not finite.
    """
    bootstrap = bootstrap or Bootstrap()
    rows: list[dict[str, Any]] = []
    for ratio in cold_ratios(predictions):
        valid = read_predicted(predictions, ratio, "valid")
        rival = best_baseline([one for one in valid if one.system not in ours])
        systems = read_predicted(predictions, ratio, "test")
        for metric in METRICS:
            rows += [
                {"cold_ratio": ratio} | row for row in _rows(systems, metric, rival, bootstrap)
            ]
    names = pc.unique(predictions["system"]).to_pylist()
    rows.sort(key=lambda row: (row["cold_ratio"], names.index(row["system"])))
    return pa.Table.from_pylist(rows, schema=RATING_LEADERBOARD)


def best_baseline(valid: Sequence[Predicted]) -> str | None:
    """The system with the lowest RMSE on the validation ratings; None without any."""
    if not valid:
        return None
    return min(valid, key=lambda predicted: seed_errors(predicted, _CHOICE).mean()).system


def _rows(
    systems: Sequence[Predicted], metric: str, rival: str | None, bootstrap: Bootstrap
) -> list[dict[str, Any]]:
    """The rows of one cold ratio and metric, one for each system."""
    resampled = resampled_errors(systems, metric, bootstrap)
    low_K, high_K = intervals(resampled, bootstrap)
    names = [predicted.system for predicted in systems]
    versus = _versus(resampled, names, rival, bootstrap)
    rows = []
    for k, predicted in enumerate(systems):
        error_S = seed_errors(predicted, metric)
        rows.append(
            {
                "system": predicted.system,
                "metric": metric,
                "mean": float(resampled.error_K[k]),
                "seed_std": float(error_S.std(ddof=1)) if len(error_S) > 1 else None,
                "low": float(low_K[k]),
                "high": float(high_K[k]),
                "num_users": len(set(predicted.user_N.tolist())),
                "num_ratings": len(predicted.rating_N),
                "num_seeds": len(error_S),
                **versus[k],
            }
        )
    return rows


def _versus(
    resampled: Resampled, names: Sequence[str], rival: str | None, bootstrap: Bootstrap
) -> list[dict[str, Any]]:
    """For each system, how it stands to the baseline to beat; nulls for that one itself."""
    nothing = dict.fromkeys(("versus", "delta", "delta_low", "delta_high", "p_value"))
    if rival is None:
        return [nothing for _ in names]
    difference = resampled.less(names.index(rival))
    low_K, high_K = intervals(difference, bootstrap)
    p_K = p_values(difference)
    return [
        nothing
        if name == rival
        else {
            "versus": rival,
            "delta": float(difference.error_K[k]),
            "delta_low": float(low_K[k]),
            "delta_high": float(high_K[k]),
            "p_value": float(p_K[k]),
        }
        for k, name in enumerate(names)
    ]


def _headline(table: pa.Table) -> pa.Table:
    """RMSE, lowest first at each cold ratio."""
    wanted = pc.equal(table["metric"], "RMSE")
    return table.filter(wanted).sort_by([("cold_ratio", "ascending"), ("mean", "ascending")])


def _facts(table: pa.Table) -> dict[str, Fact]:
    facts: dict[str, Fact] = {}
    for row in _headline(table).to_pylist():
        name = f"cold ratio {row['cold_ratio']:g}"
        if f"{name}: best system" not in facts:
            facts[f"{name}: best system"] = row["system"]
            facts[f"{name}: best RMSE"] = round(row["mean"], 4)
            facts[f"{name}: test ratings"] = row["num_ratings"]
        if row["versus"]:
            facts[f"{name}: baseline to beat"] = row["versus"]
    return facts
