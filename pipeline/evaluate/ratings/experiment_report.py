"""The report of a rating scenario's experiments: a chart and tables for each."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog import Scenario
from pipeline.catalog.rating_systems import FEATURE_EXPERIMENTS
from pipeline.columns import RATING_EXPERIMENT
from pipeline.evaluate.document import (
    Block,
    Bullets,
    Cell,
    Grid,
    Heading,
    Paragraph,
    to_markdown,
)
from pipeline.evaluate.leaderboard_tables import p_text
from pipeline.evaluate.ratings.experiment_plots import experiment_chart
from pipeline.evaluate.ratings.source_costs import load_source_costs, source_blocks
from pipeline.evaluate.verdict import verdict
from pipeline.outcome import Outcome
from pipeline.store import Store
from pipeline.train.ratings.experiments import RatingExperiment, rating_experiment

Row = dict[str, Any]

_CHOICE = "RMSE"  # of validation users: what variants are chosen by

HOW_TO_READ = (
    "Choices are made by validation users alone, by RMSE, in the column next to each variant. The"
    " columns of the test users are for information; a variant that is picked by them has been"
    " fitted to them, and its test figure promises too much.",
    "Lower is better. Every variant is the unchanged run but for what its label says, from the"
    " same ratings and features, with the same training seeds.",
    "In parentheses: 95 % bootstrap interval, users resampled. After the sign \u00b1: sample"
    " standard deviation over training seeds.",
    "p: two-sided paired bootstrap over users against the reference, not corrected for the number"
    " of variants. It knows nothing of the spread over training seeds.",
)


def write_rating_ablations(scenario: Scenario, store: Store) -> Outcome:
    """All experiments: `rating_ablation_report/<scenario>` as Parquet and Markdown."""
    tables = {
        name: store.read_table(f"experiments/{scenario.name}/{name}")
        for name in scenario.experiments
    }
    title = f"Experiments: {scenario.name}"
    blocks: list[Block] = [Heading(title, 1), Bullets(HOW_TO_READ)]
    for name, table in tables.items():
        blocks += experiment_summary(rating_experiment(name), table) + experiment_figures(table)
        if name in FEATURE_EXPERIMENTS:
            costs = load_source_costs(f"experiments/{scenario.name}/{name}", store)
            blocks += source_blocks(costs)
    key = f"rating_ablation_report/{scenario.name}"
    store.write_text(key, ".md", to_markdown(blocks))
    return Outcome(
        artifact=store.write_table(key, RATING_EXPERIMENT, pa.concat_tables(tables.values())),
        facts={"experiments": len(tables)},
        tables={name: to_markdown([_verdict(table)]) for name, table in tables.items()},
        plots={
            rating_experiment(name).title: experiment_chart(
                table, rating_experiment(name).axis, ("valid",)
            )
            for name, table in tables.items()
        },
    )


def experiment_summary(chosen: RatingExperiment, table: pa.Table) -> list[Block]:
    """What is varied, and what came of it."""
    rows = table.to_pylist()
    reference = next(row["variant"] for row in rows if row["reference"])
    sentence = f"Varies {chosen.system}. Reference: {reference}. Seeds: {rows[0]['num_seeds']}."
    return [Heading(chosen.title), Paragraph(sentence), _verdict(table)]


def experiment_figures(table: pa.Table) -> list[Block]:
    """All figures of an experiment, and what it costs."""
    rows = table.to_pylist()
    blocks: list[Block] = []
    for ratio in pc.unique(table["cold_ratio"]).to_pylist():
        own = [row for row in rows if row["cold_ratio"] == ratio]
        counts = {row["part"]: (row["num_users"], row["num_ratings"]) for row in own}
        told = "; ".join(f"{part}: {u} users, {n} ratings" for part, (u, n) in counts.items())
        blocks += [Heading(f"Cold ratio {ratio:g}", 3), Paragraph(f"{told}."), _grid(own)]
    return [*blocks, Heading("Cost", 3), _costs(rows)]


def _verdict(table: pa.Table) -> Bullets:
    """For each cold ratio, in words: which variant validation prefers, and how surely."""
    chosen = [
        row for row in table.to_pylist() if (row["part"], row["metric"]) == ("valid", _CHOICE)
    ]
    ratios = dict.fromkeys(row["cold_ratio"] for row in chosen)
    return Bullets(
        tuple(
            verdict(
                [row for row in chosen if row["cold_ratio"] == ratio],
                f"Cold ratio {ratio:g}",
                lower_is_better=True,
            )
            for ratio in ratios
        )
    )


def _grid(rows: list[Row]) -> Grid:
    """Variants in their order: validation figures, then those of the test users."""
    cells: dict[str, dict[tuple[str, str], Row]] = {}
    for row in rows:
        cells.setdefault(row["variant"], {})[row["part"], row["metric"]] = row
    best = min(own["valid", _CHOICE]["mean"] for own in cells.values())
    columns = [(part, metric) for part in ("valid", "test") for metric in ("RMSE", "MAE")]
    lines = []
    for variant, own in cells.items():
        figures = {place: _figure(own[place], best) for place in columns}
        p = {part: _p(own[part, _CHOICE]) for part in ("valid", "test")}
        lines.append(
            (
                Cell(variant, "reference" if own["valid", _CHOICE]["reference"] else ""),
                *(figures[place] for place in columns[:2]),
                p["valid"],
                *(figures[place] for place in columns[2:]),
                p["test"],
            )
        )
    header = (
        *("Variant", "validation RMSE", "validation MAE", "p"),
        *("test RMSE", "test MAE", "p (test)"),
    )
    return Grid(header, tuple(lines))


def _figure(row: Row, best: float) -> Cell:
    """A figure with its interval and spread; strong where it is the best of the choice."""
    spread = "" if row["seed_std"] is None else f" \u00b1 {row['seed_std']:.3f}"
    detail = f"({row['low']:.3f} to {row['high']:.3f}){spread}"
    is_best = (row["part"], row["metric"], row["mean"]) == ("valid", _CHOICE, best)
    return Cell(f"{row['mean']:.4f}", detail, is_best)


def _p(row: Row) -> Cell:
    return Cell("" if row["p_value"] is None else p_text(row["p_value"]))


def _costs(rows: list[Row]) -> Grid:
    lines = tuple(
        (Cell(variant), Cell(f"{row['num_parameters']:,}"), Cell(f"{row['train_seconds']:.1f}"))
        for variant, row in {row["variant"]: row for row in rows}.items()
    )
    return Grid(("Variant", "Parameters", "Training seconds, one seed and cold ratio"), lines)
