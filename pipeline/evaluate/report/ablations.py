"""The part of a scenario's experiments: what came of each, its charts, all its figures."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from pipeline.catalog import Scenario
from pipeline.evaluate.document import Block, Bullets, Chart, Charts, Fold
from pipeline.evaluate.report.charts import Mark, interval_chart, sweep_chart
from pipeline.evaluate.report.markup import Part
from pipeline.store import Store

Row = dict[str, Any]

Tell = Callable[[str, pa.Table], list[Block]]
"""An experiment's blocks, from its name and its table."""

Compare = Callable[[Mapping[str, pa.Table]], list[Block]]
"""What is said of all experiments together, from their tables by name."""

_PARTS = {"valid": "validation", "test": "test"}


def experiments_part(
    scenario: Scenario,
    store: Store,
    how_to_read: tuple[str, ...],
    tell: Tell,
    left_out: list[str],
    compare: Compare = lambda tables: [],
) -> list[Part]:
    """Those that were carried out; what is missing is added to `left_out`."""
    if not scenario.experiments:
        left_out.append("Experiments: the scenario names none.")
    tables: dict[str, pa.Table] = {}
    for name in scenario.experiments:
        key = f"experiments/{scenario.name}/{name}"
        if store.exists(key, ".parquet"):
            tables[name] = store.read_table(key)
        else:
            left_out.append(f"Experiment {name}: it was not carried out yet.")
    if not tables:
        return []
    blocks = compare(tables)
    for name, table in tables.items():
        blocks += tell(name, table)
    blocks = [Fold("How to read the experiments", (Bullets(how_to_read),)), *blocks]
    return [Part(anchor="experiments", title="Experiments", blocks=tuple(blocks))]


def experiment_charts(
    table: pa.Table,
    metric: str,
    place_of: Callable[[Row], str],
    axis: str | None = None,
    *,
    from_zero: bool,
) -> Charts:
    """Of a table of schema EXPERIMENT or RATING_EXPERIMENT, two charts for each place.

    `axis` is what a sweep varies.
    """
    rows = [row for row in table.to_pylist() if row["metric"] == metric]
    places = dict.fromkeys(place_of(row) for row in rows)
    return Charts(
        tuple(
            _chart(
                [row for row in rows if (place_of(row), row["part"]) == (place, part)],
                f"{metric} {place}, {title} users",
                metric,
                axis,
                from_zero,
            )
            for place in places
            for part, title in _PARTS.items()
        )
    )


def _chart(
    rows: Sequence[Row], title: str, metric: str, axis: str | None, from_zero: bool
) -> Chart:
    """The reference is drawn as ours are, and its mean as a line across."""
    marks = [
        Mark(
            label=row["variant"],
            mean=row["mean"],
            low=row["low"],
            high=row["high"],
            kind="ours" if row["reference"] else "other",
        )
        for row in rows
    ]
    reference = next(row["mean"] for row in rows if row["reference"])
    if axis is not None:
        return sweep_chart(title, marks, metric, axis, from_zero=from_zero, reference=reference)
    return interval_chart(title, marks, metric, from_zero=from_zero, reference=reference)
