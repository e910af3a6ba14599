"""The searches of settings in one table: what each system was tried with, and which was best."""

from collections.abc import Mapping

import pyarrow as pa

from pipeline.catalog.system_names import shown
from pipeline.catalog.systems import EXPERIMENTS, TUNED, tuning_of
from pipeline.evaluate.document import Block, Cell, Grid, Heading, Paragraph

_CHOICE = "NDCG@10"  # of validation users: what training selects by


def tuning_blocks(tables: Mapping[str, pa.Table]) -> list[Block]:
    """One row a search; `tables` of schema EXPERIMENT by the name of the experiment.

    Nothing where none of them is a search of settings.
    """
    searches = {tuning_of(system) for system in TUNED}
    means = {name: _means(table) for name, table in tables.items() if name in searches}
    if not means:
        return []
    labels = tuple(dict.fromkeys(label for found in means.values() for label in found))
    rows = tuple(
        (Cell(shown(EXPERIMENTS[name])), *_cells(found, labels, _reference(tables[name])))
        for name, found in means.items()
    )
    sentence = (
        f"Validation {_CHOICE}, the mean over target domains. The best of a system is bold; the"
        " preset's is marked."
    )
    return [
        Heading("Settings tried, the same for every system"),
        Paragraph(sentence),
        Grid(("System", *labels), rows),
    ]


def _means(table: pa.Table) -> dict[str, float]:
    """By variant, each target domain counting alike."""
    found: dict[str, list[float]] = {}
    for row in table.to_pylist():
        if (row["part"], row["metric"]) == ("valid", _CHOICE):
            found.setdefault(row["variant"], []).append(row["mean"])
    return {variant: sum(values) / len(values) for variant, values in found.items()}


def _reference(table: pa.Table) -> str:
    return next(row["variant"] for row in table.to_pylist() if row["reference"])


def _cells(found: dict[str, float], labels: tuple[str, ...], reference: str) -> list[Cell]:
    best = max(found.values())
    return [
        Cell(f"{found[label]:.4f}", "preset" if label == reference else "", found[label] == best)
        if label in found
        else Cell("")
        for label in labels
    ]
