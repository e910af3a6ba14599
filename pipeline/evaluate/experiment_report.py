"""The report of a scenario's experiments: a chart and tables for each, and how to read them."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog import Scenario
from pipeline.columns import EXPERIMENT
from pipeline.evaluate.document import (
    Block,
    Bullets,
    Cell,
    Grid,
    Heading,
    Paragraph,
    to_markdown,
)
from pipeline.evaluate.experiment_plots import chart
from pipeline.evaluate.leaderboard_tables import p_text
from pipeline.evaluate.published_ablations import PublishedAblations, published_ablations
from pipeline.evaluate.tuning_report import tuning_blocks
from pipeline.evaluate.verdict import verdict
from pipeline.outcome import Outcome
from pipeline.store import Store
from pipeline.train.experiments.definition import Experiment
from pipeline.train.experiments.registry import experiment

Row = dict[str, Any]

_CHOICE = "NDCG@10"  # of validation users: what variants are chosen by
_VALID = (_CHOICE, "HR@10")
_TEST = ("HR@5", "HR@10", "NDCG@5", "NDCG@10")
_PUBLISHED = ("HR@5", "NDCG@5")


def write_ablation_report(scenario: Scenario, store: Store) -> Outcome:
    """All experiments of a scenario: `ablation_report/<scenario>` as Parquet and Markdown."""
    tables = {
        name: store.read_table(f"experiments/{scenario.name}/{name}")
        for name in scenario.experiments
    }
    blocks = report_blocks(scenario, tables)
    key = f"ablation_report/{scenario.name}"
    store.write_text(key, ".md", to_markdown(blocks))
    everything = pa.concat_tables(tables.values())
    return Outcome(
        artifact=store.write_table(key, EXPERIMENT, everything),
        facts={"experiments": len(tables)},
        tables={name: to_markdown([_verdict(table)]) for name, table in tables.items()},
        plots={
            experiment(name).title: chart(table, experiment(name).axis, ("valid",))
            for name, table in tables.items()
        },
    )


def report_blocks(scenario: Scenario, tables: dict[str, pa.Table]) -> list[Block]:
    """The report; `tables` of schema EXPERIMENT, by the name of the experiment."""
    blocks: list[Block] = [Heading(_title(scenario), 1), Bullets(HOW_TO_READ)]
    blocks += tuning_blocks(tables)
    for name, table in tables.items():
        chosen = experiment(name)
        blocks += experiment_summary(chosen, table) + experiment_figures(chosen, table, scenario)
    return blocks


HOW_TO_READ = (
    "Choices are made by validation users alone: by NDCG@10, in the column next to each variant."
    " The columns of the test users are for information; a variant that is picked by them has"
    " been fitted to them, and its test figure promises too much.",
    "Every variant is trained and ranked as the systems of the leaderboard are: from the same"
    " prepared data, with the same training seeds, on the same users and the same saved"
    " candidates (negatives from the target domain). It is the unchanged run but for what its"
    " label says.",
    "In parentheses: 95 % bootstrap interval over users. After the sign \u00b1: sample standard"
    " deviation over training seeds; none where there was one seed, and then a difference may be"
    " the seed's.",
    "p: two-sided paired bootstrap over users against the reference, not corrected for the number"
    " of variants. It knows nothing of the spread over training seeds.",
    "Parameters: trainable ones, those that a variant leaves idle included.",
)


def _title(scenario: Scenario) -> str:
    return f"Experiments: {scenario.name}"


def experiment_summary(chosen: Experiment, table: pa.Table) -> list[Block]:
    """What is varied, and what came of it."""
    rows = table.to_pylist()
    reference = next(row["variant"] for row in rows if row["reference"])
    sentence = f"Varies {chosen.system}. Reference: {reference}. Seeds: {rows[0]['num_seeds']}."
    return [Heading(chosen.title), Paragraph(sentence), _verdict(table)]


def experiment_figures(chosen: Experiment, table: pa.Table, scenario: Scenario) -> list[Block]:
    """All figures of an experiment and what it costs, with published ones of its setting."""
    paper = published_ablations(chosen.paper, scenario.published)
    rows = table.to_pylist()
    blocks: list[Block] = []
    for domain in pc.unique(table["target_domain"]).to_pylist():
        blocks += [Heading(f"Target domain: {domain}", 3), _grid(rows, domain, paper)]
    blocks += [Heading("Cost", 3), _costs(rows)]
    if paper is not None:
        blocks.append(Bullets((f"Published: {paper.source}.", *paper.remarks)))
    return blocks


def _verdict(table: pa.Table) -> Bullets:
    """For each domain, in words: which variant validation prefers, and how surely."""
    chosen = [
        row for row in table.to_pylist() if (row["part"], row["metric"]) == ("valid", _CHOICE)
    ]
    domains = dict.fromkeys(row["target_domain"] for row in chosen)
    return Bullets(
        tuple(
            verdict(
                [row for row in chosen if row["target_domain"] == domain],
                domain,
                lower_is_better=False,
            )
            for domain in domains
        )
    )


def _grid(rows: Sequence[Row], domain: str, paper: PublishedAblations | None) -> Grid:
    """Variants in their order: validation figures, then those of the test users."""
    cells: dict[str, dict[tuple[str, str], Row]] = {}
    for row in rows:
        if row["target_domain"] == domain:
            cells.setdefault(row["variant"], {})[row["part"], row["metric"]] = row
    best = max(own["valid", _CHOICE]["mean"] for own in cells.values())
    published = _PUBLISHED if paper and domain in paper.cells else ()
    lines = []
    for variant, own in cells.items():
        choice = own["valid", _CHOICE]
        lines.append(
            (
                Cell(variant, "reference" if choice["reference"] else ""),
                *(_figure(own["valid", name], best) for name in _VALID),
                _test(choice),
                *(_figure(own["test", name]) for name in _TEST),
                _test(own["test", _CHOICE]),
                *(_quoted(paper, variant, domain, name) for name in published),
            )
        )
    header = (
        "Variant",
        *(f"validation {name}" for name in _VALID),
        "p",
        *(f"test {name}" for name in _TEST),
        "p (test)",
        *(f"published {name}" for name in published),
    )
    return Grid(header, tuple(lines))


def _figure(row: Row, best: float | None = None) -> Cell:
    """A mean with its interval and spread; strong where it is the best of the choice."""
    spread = "" if row["seed_std"] is None else f" \u00b1 {row['seed_std']:.3f}"
    detail = f"({row['low']:.3f} to {row['high']:.3f}){spread}"
    return Cell(f"{row['mean']:.4f}", detail, row["metric"] == _CHOICE and row["mean"] == best)


def _test(row: Row) -> Cell:
    return Cell("") if row["p_value"] is None else Cell(p_text(row["p_value"]))


def _quoted(paper: PublishedAblations | None, variant: str, domain: str, metric: str) -> Cell:
    value = paper.value(variant, domain, metric) if paper else None
    return Cell("" if value is None else f"{value:.4f}")


def _costs(rows: Sequence[Row]) -> Grid:
    of_variant = {row["variant"]: row for row in rows}
    lines = []
    for variant, row in of_variant.items():
        seconds = "" if row["train_seconds"] is None else f"{row['train_seconds']:.1f}"
        lines.append((Cell(variant), Cell(f"{row['num_parameters']:,}"), Cell(seconds)))
    return Grid(("Variant", "Parameters", "Training seconds, one seed"), tuple(lines))
