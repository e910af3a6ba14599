"""Which reviews become interactions, and what is said where none is left to transfer from."""

from typing import Any

import pyarrow as pa
import pytest

from pipeline.catalog import Filters
from pipeline.columns import REVIEWS
from pipeline.prepare.interactions import build_interactions


def write(world: Any, food: list[tuple[str, str, int]], tools: list[tuple[str, str, int]]) -> None:
    for domain, reviews in (("food", food), ("tools", tools)):
        rows = [{"user_id": u, "item_id": i, "timestamp": t} for u, i, t in reviews]
        table = pa.Table.from_pylist(rows, schema=REVIEWS)
        world.store.write_table(f"reviews/{domain}", REVIEWS, table)


def test_the_window_takes_its_start_and_leaves_its_end(empty_world: Any) -> None:
    write(
        empty_world,
        [("u", "early", 9), ("u", "first", 10), ("u", "last", 19), ("u", "late", 20)],
        [("u", "hammer", 15)],
    )
    world = empty_world.with_scenario(filters=Filters(start=10, end=20))
    outcome = build_interactions(world.scenario, world.catalog, world.store)
    kept = world.store.read_table("interactions/little").to_pylist()
    assert [(row["domain"], row["item_id"]) for row in kept] == [
        ("food", "first"),
        ("tools", "hammer"),
        ("food", "last"),
    ]
    assert outcome.facts["reviews"] == 5
    assert outcome.facts["in_time_window"] == 3


def test_the_window_is_cut_before_the_core_is_taken(empty_world: Any) -> None:
    both = [(user, item, 5) for user in ("u", "v") for item in ("a", "b")]
    write(empty_world, [*both, ("u", "c", 1), ("v", "c", 1)], both)
    world = empty_world.with_scenario(filters=Filters(start=5, k_core=2))
    outcome = build_interactions(world.scenario, world.catalog, world.store)
    assert outcome.facts["in_k_core"] == 8
    assert outcome.facts["overlap_users"] == 2
    assert outcome.facts["items_food"] == 2


def test_rows_are_sorted_so_that_the_order_of_reviews_changes_nothing(empty_world: Any) -> None:
    food, tools = [("u", "a", 3), ("u", "b", 1), ("v", "a", 2)], [("u", "x", 2), ("v", "x", 2)]
    digests = set()
    for step in (1, -1):
        write(empty_world, food[::step], tools[::step])
        digests.add(build_interactions(empty_world.scenario, empty_world.catalog, empty_world.store).artifact.digest)
    assert len(digests) == 1


def test_no_shared_user_is_an_error_with_counts_and_a_remedy(empty_world: Any) -> None:
    food = [("u", "a", 1), ("v", "a", 50), ("w", "a", 50), ("w", "b", 50)]
    tools = [("u", "x", 50), ("v", "x", 50), ("z", "y", 50)]
    write(empty_world, food, tools)
    world = empty_world.with_scenario(filters=Filters(start=10, k_core=3))
    with pytest.raises(ValueError, match="no user is active in both food and tools") as refusal:
        build_interactions(world.scenario, world.catalog, world.store)
    said = str(refusal.value)
    assert "shared users: 2 in the reviews, 1 in the time window, 0 in the 3-core" in said
    assert "scenario 'little'" in said and "widen scenario.little.filters" in said
    assert not world.store.exists("interactions/little", ".parquet")
