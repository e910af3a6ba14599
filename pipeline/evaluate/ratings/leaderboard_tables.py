"""The tables of the rating report. Lower is better: the lowest error of a column is bold."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.catalog.rating_systems import RATING_OURS
from pipeline.catalog.system_names import about, shown
from pipeline.evaluate.document import Cell, Grid
from pipeline.evaluate.leaderboard_tables import p_text
from pipeline.evaluate.ratings.background import RatingCost, RatioSize
from pipeline.evaluate.ratings.errors import METRICS
from pipeline.evaluate.ratings.plots import RatingCurves
from pipeline.evaluate.ratings.published import DIFFCDR_CELLS, DIFFCDR_METHODS
from pipeline.outcome import Fact

Row = dict[str, Any]
Rows = dict[str, dict[str, Row]]
"""Leaderboard rows of one cold ratio, by system and metric, in the order of printing."""


def overview_grid(places: dict[float, Rows]) -> Grid:
    """One line for each system, lowest mean RMSE over cold ratios first."""
    systems = next(iter(places.values())).keys()

    def mean_error(system: str) -> float:
        return sum(rows[system]["RMSE"]["mean"] for rows in places.values()) / len(places)

    cells = [(ratio, metric) for metric in METRICS for ratio in places]
    best = {cell: _best(places[cell[0]], cell[1]) for cell in cells}
    lines = []
    for system in sorted(systems, key=mean_error):
        means = {cell: places[cell[0]][system][cell[1]]["mean"] for cell in cells}
        figures = [Cell(f"{means[cell]:.4f}", strong=means[cell] == best[cell]) for cell in cells]
        lines.append((name_cell(system), *figures))
    return Grid(("System", *(f"{metric} at {ratio:g}" for ratio, metric in cells)), tuple(lines))


def errors_grid(rows: Rows) -> Grid:
    """Every metric with its interval and its spread over training seeds."""
    best = {metric: _best(rows, metric) for metric in METRICS}
    lines = []
    for system, own in rows.items():
        figures = []
        for metric in METRICS:
            row = own[metric]
            mean = Cell(f"{row['mean']:.4f}", strong=row["mean"] == best[metric])
            spread = "" if row["seed_std"] is None else f"{row['seed_std']:.4f}"
            figures += [mean, Cell(f"{row['low']:.3f} to {row['high']:.3f}"), Cell(spread)]
        lines.append((name_cell(system), *figures))
    header = [name for metric in METRICS for name in (metric, "95 % interval", "\u00b1 seeds")]
    return Grid(("System", *header), tuple(lines))


def rival_grid(rows: Rows) -> Grid:
    """Every system's difference to the baseline to beat; below zero is better."""
    lines = []
    for system, own in rows.items():
        figures = []
        for metric in METRICS:
            row = own[metric]
            if row["versus"] is None:
                figures += [Cell("to beat"), Cell(""), Cell("")]
                continue
            reach = f"{row['delta_low']:+.3f} to {row['delta_high']:+.3f}"
            figures += [Cell(f"{row['delta']:+.4f}"), Cell(reach), Cell(p_text(row["p_value"]))]
        lines.append((name_cell(system), *figures))
    header = [name for metric in METRICS for name in (f"{metric} less", "95 % interval", "p")]
    return Grid(("System", *header), tuple(lines))


def cost_grid(costs: Sequence[RatingCost]) -> Grid:
    lines = []
    for cost in costs:
        scoring = cost.scoring
        per_user = 1000 * scoring.seconds / scoring.num_users
        seconds = "" if cost.train_seconds is None else f"{cost.train_seconds:.1f}"
        trained = f"{scoring.num_trained:,}" if scoring.num_trained else "none"
        figures = (trained, f"{scoring.num_stored:,}", seconds, f"{per_user:.3f}")
        lines.append((name_cell(cost.system), *map(Cell, figures)))
    header = ("Parameters", "Stored numbers", "Training, s", "Predicting, ms a user")
    return Grid(("System", *header), tuple(lines))


def sizes_grid(sizes: Sequence[RatioSize], places: dict[float, Rows]) -> Grid:
    """Who trains, validates and tests at each cold ratio."""
    lines = []
    for size, rows in zip(sizes, places.values(), strict=True):
        tested = next(iter(rows.values()))["RMSE"]
        valid = (size.overlap, size.valid_users, size.valid_ratings)
        figures = (*valid, tested["num_users"], tested["num_ratings"])
        lines.append((Cell(f"{size.cold_ratio:g}"), *(Cell(f"{count:,}") for count in figures)))
    header = ("Training overlap users", "Validation users", "ratings", "Test users", "ratings")
    return Grid(("Cold ratio", *header), tuple(lines))


def fallbacks_grid(fallbacks: Mapping[str, Fact]) -> Grid:
    lines = tuple((Cell(name), Cell(f"{count:,}")) for name, count in fallbacks.items())
    header = ("At the smallest cold ratio", "How many")
    return Grid(header, lines, caption="Items and users without anything to read")


def curves_grid(curves: RatingCurves) -> Grid:
    """Where each stage stopped, over its runs; a best last epoch says that it wanted more."""
    runs: dict[tuple[str, str], list[list[float]]] = {}
    for (system, stage, _, _), errors in curves.items():
        runs.setdefault((system, stage), []).append(errors)
    lines = []
    for (system, stage), all_errors in runs.items():
        best = [errors.index(min(errors)) + 1 for errors in all_errors]
        at_end = sum(one == len(errors) for one, errors in zip(best, all_errors, strict=True))
        epochs = [len(errors) for errors in all_errors]
        figures = (stage, str(len(all_errors)), _range(epochs), _range(best), str(at_end))
        lines.append((Cell(shown(system)), *map(Cell, figures)))
    header = ("Stage", "Runs", "Epochs", "Best epoch", "Runs best at their end")
    return Grid(("System", *header), tuple(lines), words=2)


def diffcdr_grid() -> Grid:
    """DiffCDR's published table, MAE / RMSE."""
    lines = []
    for (task, percent), cells in DIFFCDR_CELLS.items():
        figures = [Cell(cell.replace("/", " / ")) for cell in cells.split()]
        lines.append((Cell(task), Cell(f"{percent / 100:g}"), *figures))
    return Grid(("Task", "Cold ratio", *DIFFCDR_METHODS), tuple(lines))


def systems_grid(systems: Sequence[str]) -> Grid:
    lines = [(name_cell(name), Cell(name), Cell(about(name))) for name in systems]
    return Grid(("System", "In the catalog", "What it is"), tuple(lines), words=3)


def name_cell(system: str) -> Cell:
    return Cell(shown(system), "(ours)" if system in RATING_OURS else "")


def _best(rows: Rows, metric: str) -> float:
    return min(row[metric]["mean"] for row in rows.values())


def _range(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return f"{low}" if low == high else f"{low} to {high}"
