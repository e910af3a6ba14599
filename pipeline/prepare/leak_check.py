"""A task's leak check as a finding, with how many rows each part has."""

from collections import Counter
from collections.abc import Callable

import pyarrow.compute as pc

from pipeline.catalog import Scenario
from pipeline.finding import Finding
from pipeline.outcome import Fact
from pipeline.store import Store


def no_leak(
    asset: str, check: Callable[[Scenario, Store], None], scenario: Scenario, store: Store
) -> Finding:
    """`check` is the asset's `check_stored_*`, which raises ValueError where an answer leaks."""
    try:
        check(scenario, store)
    except ValueError as breach:
        return Finding(passed=False, says=str(breach), figures={"breaches": 1})
    figures: dict[str, Fact] = {"breaches": 0}
    return Finding(
        passed=True,
        says="no answer of an evaluation case is seen in training or in a history",
        figures=figures | _rows_by_part(f"{asset}/{scenario.name}", store),
    )


def _rows_by_part(key: str, store: Store) -> dict[str, Fact]:
    counts: Counter[str] = Counter()
    for batch in store.read_batches(key, ["part"]):
        for entry in pc.value_counts(batch.column("part")).to_pylist():
            counts[entry["values"]] += entry["counts"]
    return {f"rows of part {part}": count for part, count in sorted(counts.items())}
