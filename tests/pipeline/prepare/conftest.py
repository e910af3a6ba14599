"""Worlds of a few interactions, written as the stages before would have left them."""

from collections.abc import Callable, Sequence

import pyarrow as pa
import pytest

from pipeline.catalog import Scenario
from pipeline.columns import INTERACTIONS, VOCABULARY
from pipeline.store import Store

Event = tuple[str, str, str, int]  # user, domain, item, timestamp
Write = Callable[[Store, Scenario, Sequence[Event], dict[str, Sequence[str]]], dict[int, str]]


@pytest.fixture(scope="session")
def write_events() -> Write:
    """Writes the interactions, and a vocabulary of each domain's items.

    Returns the domain of each item, 1..num_items, in the order they were named.
    """

    def write(
        store: Store,
        scenario: Scenario,
        events: Sequence[Event],
        items: dict[str, Sequence[str]],
    ) -> dict[int, str]:
        columns = ("user_id", "domain", "item_id", "timestamp")
        rows = [dict(zip(columns, event, strict=True)) for event in events]
        table = pa.Table.from_pylist(rows, schema=INTERACTIONS)
        store.write_table(f"interactions/{scenario.name}", INTERACTIONS, table)
        names = [(domain, name) for domain, own in items.items() for name in own]
        entries = [
            {"item": i, "domain": domain, "item_id": name, "title": "", "text": ""}
            for i, (domain, name) in enumerate(names, start=1)
        ]
        vocabulary = pa.Table.from_pylist(
            [entry | {"has_title": True} for entry in entries], schema=VOCABULARY
        )
        store.write_table(f"vocabulary/{scenario.name}", VOCABULARY, vocabulary)
        return {i: domain for i, (domain, _) in enumerate(names, start=1)}

    return write
