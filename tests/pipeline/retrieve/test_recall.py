"""The recall of grounded titles, counted by hand."""

from typing import Any

import pyarrow as pa

from pipeline.columns import PSEUDO_INTERACTIONS, SEQUENCES
from pipeline.retrieve.recall import recall_of_probe


def write_sequences(world: Any, items: list[list[int]]) -> None:
    rows = [
        {"user": i, "user_id": str(i), "part": "overlap", "items": own}
        for i, own in enumerate(items)
    ]
    table = pa.Table.from_pylist(rows, schema=SEQUENCES)
    world.store.write_table("sequences/little", SEQUENCES, table)


def pseudo(*rows: tuple[int, str, str, list[int]]) -> pa.Table:
    columns = ("user", "part", "target_domain", "items")
    entries = [dict(zip(columns, row, strict=True)) | {"scores": []} for row in rows]
    return pa.Table.from_pylist(entries, schema=PSEUDO_INTERACTIONS)


def test_hits_and_chance_by_hand(world: Any) -> None:
    # Food is 1..12, tools 13..24. User 0 has three tools, one twice; user 1 has two foods.
    write_sequences(world, [[1, 13, 2, 14, 15, 13], [20, 5, 6]])
    table = pseudo(
        (0, "overlap", "tools", [13, 14, 22, 23]),
        (1, "overlap", "food", [7, 8, 9]),
        (0, "single", "tools", [13, 14, 15]),  # no probe: not counted
    )
    assert recall_of_probe(table, world.scenario, world.store) == {
        "probe_users": 2,
        "probe_users_hit": 0.5,
        "probe_recall": round(2 / 5, 4),
        # 4 of 12 drawn for 3 real tools, 3 of 12 for 2 real foods.
        "probe_recall_by_chance": round((4 / 12 * 3 + 3 / 12 * 2) / 5, 4),
    }


def test_the_source_half_is_never_a_hit(world: Any) -> None:
    write_sequences(world, [[1, 2, 13]])
    table = pseudo((0, "overlap", "tools", [14, 15]))
    assert recall_of_probe(table, world.scenario, world.store)["probe_recall"] == 0


def test_without_a_probe_nothing_is_said(world: Any) -> None:
    assert recall_of_probe(pseudo((0, "single", "food", [1])), world.scenario, world.store) == {}
