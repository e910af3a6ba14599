"""Checks of prepared tables: they pass what the stage writes, and each breakage by hand fails."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from pipeline.catalog import Filters
from pipeline.columns import CANDIDATES, INTERACTIONS, SEQUENCES
from pipeline.prepare.candidate_check import candidates_are_unique
from pipeline.prepare.core_check import core_holds
from pipeline.prepare.interactions import build_interactions
from pipeline.prepare.leak_check import no_leak
from pipeline.prepare.leaks import check_stored_sequences

Rows = list[dict[str, Any]]


def rewrite(world: Any, asset: str, schema: pa.Schema, change: Callable[[Rows], object]) -> None:
    """Change the rows of a stored table in place."""
    key = f"{asset}/little"
    rows = world.store.read_table(key).to_pylist()
    change(rows)
    world.store.write_table(key, schema, pa.Table.from_pylist(rows, schema=schema))


def cored(world: Any, **filters: Any) -> Any:
    """The little world with a k-core, of which something is left."""
    world = world.with_scenario(filters=Filters(**filters))
    build_interactions(world.scenario, world.catalog, world.store)
    return world


@pytest.mark.parametrize("rule", ["union", "per-domain", "overlap-kept", "min-per-domain"])
def test_a_core_holds_under_its_rule(world: Any, rule: str) -> None:
    world = cored(world, k_core=3, k_core_rule=rule)
    found = core_holds(world.scenario, world.store)
    assert found.passed
    assert found.figures["interactions"] == world.store.num_rows("interactions/little")
    assert found.figures["interactions outside the core"] == 0
    assert found.figures["fewest of an item"] == 3


def test_one_item_too_few_breaks_the_core_and_what_hangs_on_it(world: Any) -> None:
    world = cored(world, k_core=3)
    rows = world.store.read_table("interactions/little").to_pylist()
    counts = [sum(other["item_id"] == row["item_id"] for other in rows) for row in rows]
    rewrite(world, "interactions", INTERACTIONS, lambda rows: rows.pop(counts.index(3)))
    found = core_holds(world.scenario, world.store)
    assert not found.passed
    assert found.figures["fewest of an item"] == 2
    assert found.figures["interactions outside the core"] >= 2


def test_an_id_that_two_domains_share_is_two_items(world: Any) -> None:
    world = cored(world, k_core=3)

    def same_ids(rows: Rows) -> None:
        for row in rows:
            row["item_id"] = row["item_id"].replace("food", "tools")
        lone = min(rows, key=lambda row: row["domain"])
        lone["item_id"] = "only once"

    rewrite(world, "interactions", INTERACTIONS, same_ids)
    assert core_holds(world.scenario, world.store).figures["fewest of an item"] == 1


def test_an_empty_table_is_no_core(world: Any) -> None:
    rewrite(world, "interactions", INTERACTIONS, lambda rows: rows.clear())
    assert not core_holds(world.scenario, world.store).passed


def test_a_leak_is_told_with_its_user_and_without_one_the_parts_are_counted(world: Any) -> None:
    found = no_leak("sequences", check_stored_sequences, world.scenario, world.store)
    parts = world.store.read_table("sequences/little")["part"].to_pylist()
    assert found.passed
    assert found.figures == {
        "breaches": 0,
        **{f"rows of part {part}": parts.count(part) for part in sorted(set(parts))},
    }

    def train_on_a_test_user(rows: Rows) -> None:
        test = next(row for row in rows if row["part"] == "test")
        next(row for row in rows if row["part"] == "overlap")["user_id"] = test["user_id"]

    rewrite(world, "sequences", SEQUENCES, train_on_a_test_user)
    found = no_leak("sequences", check_stored_sequences, world.scenario, world.store)
    assert not found.passed and "user-" in found.says and found.figures["breaches"] == 1


def test_candidates_as_drawn_are_unique(world: Any) -> None:
    found = candidates_are_unique(world.scenario, world.store)
    rows = world.store.read_table("candidates/little").to_pylist()
    assert found.passed
    assert found.figures == {
        "lists": len(rows),
        "negatives": sum(len(row["negatives"]) for row in rows),
        "repeated": 0,
        "label among them": 0,
        "outside the pool": 0,
        "shortest list": 5,
    }


def _label(world: Any, row: dict[str, Any]) -> int:
    sequences = world.store.read_table("sequences/little").to_pylist()
    return next(
        s["label"] for s in sequences if (s["user"], s["part"]) == (row["user"], row["part"])
    )


@pytest.mark.parametrize(
    ("figure", "place"),
    [("repeated", 0), ("label among them", 1), ("outside the pool", 2), ("shortest list", 3)],
)
def test_each_fault_of_candidates_is_counted(world: Any, figure: str, place: int) -> None:
    def spoil(rows: Rows) -> None:
        row = rows[place]
        assert row["pool"] == "target"
        if figure == "repeated":
            row["negatives"][1] = row["negatives"][0]
        elif figure == "label among them":
            row["negatives"][1] = _label(world, row)
        elif figure == "outside the pool":
            row["negatives"][1] = (_label(world, row) - 1 + 12) % 24 + 1  # of the other domain
        else:
            row["negatives"].clear()

    rewrite(world, "candidates", CANDIDATES, spoil)
    found = candidates_are_unique(world.scenario, world.store)
    assert not found.passed
    wrong = {"repeated": 0, "label among them": 0, "outside the pool": 0}
    expected = wrong | {"shortest list": 0} if figure == "shortest list" else wrong | {figure: 1}
    assert {name: found.figures[name] for name in expected} == expected


def test_candidates_of_nobody_are_outside_every_pool(world: Any) -> None:
    def stranger(rows: Rows) -> None:
        for row in rows:
            row["user"] += 1000

    rewrite(world, "candidates", CANDIDATES, stranger)
    found = candidates_are_unique(world.scenario, world.store)
    assert found.figures["outside the pool"] == found.figures["negatives"]
