"""The tables of the leaderboard's report."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.catalog.system_names import about, shown
from pipeline.catalog.systems import OURS
from pipeline.evaluate.background import Curves, Provenance
from pipeline.evaluate.cost import SystemCost
from pipeline.evaluate.document import Cell, Grid
from pipeline.evaluate.published import PublishedTable
from pipeline.evaluate.ranking import METRICS

Row = dict[str, Any]
Rows = dict[str, dict[str, Row]]
"""Leaderboard rows of one domain and pool, by system and metric, in the order of printing."""

_HEADLINE = ("HR@10", "NDCG@10")
"""The metrics of the overview, and those whose p-values and differences are printed."""


def overview_grid(places: dict[str, Rows]) -> Grid:
    """One line for each system, `places` by domain, best mean HR@10 over domains first."""
    systems = next(iter(places.values())).keys()

    def mean_hits(system: str) -> float:
        return float(np.mean([rows[system]["HR@10"]["mean"] for rows in places.values()]))

    cells = [(domain, metric) for domain in places for metric in _HEADLINE]
    best = {cell: _best(places[cell[0]], cell[1]) for cell in cells}
    lines = []
    for system in sorted(systems, key=mean_hits, reverse=True):
        means = {cell: places[cell[0]][system][cell[1]]["mean"] for cell in cells}
        figures = [Cell(f"{means[cell]:.4f}", strong=means[cell] == best[cell]) for cell in cells]
        lines.append((name_cell(system), *figures))
    return Grid(("System", *(f"{domain} {metric}" for domain, metric in cells)), tuple(lines))


def figures_grid(rows: Rows, rival: str | None, expected: dict[str, float]) -> Grid:
    """Means of all metrics, p-values of two; `expected` is what random order would reach."""
    lines = []
    for system, row in rows.items():
        means = {name: row[name]["mean"] for name in METRICS}
        figures = [Cell(f"{means[m]:.4f}", strong=means[m] == _best(rows, m)) for m in METRICS]
        tests = [_test_cell(row[name], rival) for name in _HEADLINE]
        lines.append((name_cell(system), *figures, *tests))
    shuffled = [Cell(f"{expected[name]:.4f}") for name in METRICS]
    lines.append((Cell("random order, expected"), *shuffled, *(Cell("") for _ in _HEADLINE)))
    return Grid(("System", *METRICS, *(f"p ({name})" for name in _HEADLINE)), tuple(lines))


def intervals_grid(rows: Rows) -> Grid:
    """95 % intervals over users, and the spread over training seeds."""
    lines = [
        (name_cell(system), *(Cell(_interval(row[name])) for name in METRICS))
        for system, row in rows.items()
    ]
    return Grid(("System", *METRICS), tuple(lines), caption="Intervals and spread")


def rival_grid(rows: Rows) -> Grid:
    """Our systems less the baseline to beat, over the same users."""
    lines = []
    for system in _ours(rows):
        for metric in _HEADLINE:
            row = rows[system][metric]
            reach = f"{row['delta_low']:+.4f} to {row['delta_high']:+.4f}"
            figures = (metric, f"{row['mean']:.4f}", f"{row['delta']:+.4f}", reach)
            lines.append((name_cell(system), *map(Cell, (*figures, p_text(row["p_value"])))))
    header = ("System", "Metric", "Mean", "Difference", "95 % interval", "p")
    return Grid(header, tuple(lines), words=2)


def published_grid(published: PublishedTable, domain: str, rows: Rows) -> Grid:
    """Published rows and ours in one order; ours are strong."""
    entries = []
    for quoted in published.of_domain(domain):
        doubted = (quoted.method, domain) in published.doubted
        origin = "published, doubtful: see the remarks" if doubted else "published"
        entries.append((quoted.method, origin, quoted.values))
    for system, row in rows.items():
        means = {name: row[name]["mean"] for name in METRICS}
        entries.append((shown(system), "our run", means))
    entries.sort(key=lambda entry: -entry[2]["HR@10"])
    lines = []
    for method, origin, values in entries:
        own = origin == "our run"
        figures = [Cell(f"{values[name]:.4f}", strong=own) for name in METRICS]
        lines.append((Cell(method, strong=own), Cell(origin), *figures))
    return Grid(("Method", "From", *METRICS), tuple(lines), words=2)


def against_published_grid(published: PublishedTable, places: dict[str, Rows]) -> Grid:
    """Every cell of our systems against the compared method's, taken as a fixed number."""
    lines = []
    for domain, rows in places.items():
        for system in _ours(rows):
            for metric in METRICS:
                row = rows[system][metric]
                quoted = published.cell(published.compared, domain, metric)
                if quoted is not None:
                    lines.append((name_cell(system), *_against(row, domain, quoted)))
    header = ("Metric", "Mean", "Published", "Ours is", "Difference", "In standard errors")
    return Grid(("System", "Domain", *header), tuple(lines), words=3)


def cost_grid(costs: Sequence[SystemCost]) -> Grid:
    lines = []
    for cost in costs:
        scoring = cost.scoring
        trained = f"{scoring.num_trained:,}" if scoring.num_trained else "none"
        figures = (
            trained,
            f"{scoring.num_stored:,}",
            _seconds(cost.train_seconds),
            _seconds(cost.encoder_seconds),
            ", ".join(str(count) for count in cost.epochs),
            f"{scoring.seconds:.2f}",
        )
        lines.append((name_cell(cost.system), *map(Cell, figures)))
    header = ("Trained numbers", "Stored numbers", "Training, s", "Encoders before it, s")
    return Grid(("System", *header, "Epochs by seed", "Scoring, s"), tuple(lines))


def curves_grid(curves: Curves) -> Grid:
    """Where each run was best on validation; a best last epoch says that it wanted more."""
    lines = []
    for (system, seed), scores in sorted(curves.items()):
        best = int(np.argmax(scores))
        figures = (str(seed), str(len(scores)), f"{scores[best]:.4f}", str(best + 1))
        lines.append((Cell(shown(system)), *map(Cell, figures)))
    return Grid(("System", "Seed", "Epochs", "Best validation score", "At epoch"), tuple(lines))


def systems_grid(systems: Sequence[str]) -> Grid:
    lines = [(name_cell(name), Cell(name), Cell(about(name))) for name in systems]
    return Grid(("System", "In the catalog", "What it is"), tuple(lines), words=3)


def digests_grid(made: Provenance) -> Grid:
    lines = tuple(
        (Cell(one.name), Cell(one.digest), Cell(" ".join(map(str, one.seeds))))
        for one in made.artifacts
    )
    return Grid(("Artifact", "Digest", "Training seeds"), lines, words=2)


def name_cell(system: str) -> Cell:
    return Cell(shown(system), "(ours)" if system in OURS else "")


def interval_text(row: Row) -> str:
    return f"({row['low']:.3f} to {row['high']:.3f})"


def p_text(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _ours(rows: Rows) -> list[str]:
    return [system for system in rows if system in OURS]


def _best(rows: Rows, metric: str) -> float:
    return max(row[metric]["mean"] for row in rows.values())


def _against(row: Row, domain: str, quoted: float) -> tuple[Cell, ...]:
    delta = row["mean"] - quoted
    side = "above" if delta > 0 else "below" if delta < 0 else "equal"
    steps = f"{delta / row['std_error']:+.1f}" if row["std_error"] else ""
    figures = (f"{row['mean']:.4f}", f"{quoted:.4f}", side, f"{delta:+.4f}", steps)
    return tuple(map(Cell, (domain, row["metric"], *figures)))


def _interval(row: Row) -> str:
    spread = "" if row["seed_std"] is None else f" \u00b1 {row['seed_std']:.3f}"
    return f"{row['low']:.3f} to {row['high']:.3f}{spread}"


def _test_cell(row: Row, rival: str | None) -> Cell:
    if row["p_value"] is None:
        return Cell("to beat" if row["system"] == rival else "")
    return Cell(p_text(row["p_value"]))


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
