"""Which reviews become interactions, and what is said where none is left to transfer from."""

from dataclasses import replace
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from pipeline.catalog import Filters
from pipeline.columns import ITEMS, REVIEWS
from pipeline.prepare import codes
from pipeline.prepare.codes import dense_codes, id_hashes
from pipeline.prepare.interactions import build_interactions

Row = tuple[str, str, int]


def write(world: Any, food: list[Row], tools: list[Row], **columns: Any) -> None:
    for domain, reviews in (("food", food), ("tools", tools)):
        rows = [{"user_id": u, "item_id": i, "timestamp": t, **columns} for u, i, t in reviews]
        table = pa.Table.from_pylist(rows, schema=REVIEWS)
        world.store.write_table(f"reviews/{domain}", REVIEWS, table)
        items = [{"item_id": i, "categories": [], "image_urls": []} for _, i, _ in reviews]
        world.store.write_table(f"items/{domain}", ITEMS, pa.Table.from_pylist(items, ITEMS))


def built(world: Any) -> Any:
    return build_interactions(world.scenario, world.catalog, world.store)


def kept(world: Any) -> list[tuple[str, str, str]]:
    rows = world.store.read_table("interactions/little").to_pylist()
    return [(row["user_id"], row["domain"], row["item_id"]) for row in rows]


def test_the_window_takes_its_start_and_leaves_its_end(empty_world: Any) -> None:
    write(
        empty_world,
        [("u", "early", 9), ("u", "first", 10), ("u", "last", 19), ("u", "late", 20)],
        [("u", "hammer", 15)],
    )
    world = empty_world.with_scenario(filters=Filters(start=10, end=20))
    outcome = built(world)
    assert kept(world) == [("u", "food", "first"), ("u", "food", "last"), ("u", "tools", "hammer")]
    assert outcome.facts["reviews"] == 5
    assert outcome.facts["after_filters"] == 3


def test_the_window_is_cut_before_the_core_is_taken(empty_world: Any) -> None:
    both = [(user, item, 5) for user in ("u", "v") for item in ("a", "b")]
    write(empty_world, [*both, ("u", "c", 1), ("v", "c", 1)], both)
    world = empty_world.with_scenario(filters=Filters(start=5, k_core=2))
    outcome = built(world)
    assert outcome.facts["in_k_core"] == 8
    assert outcome.facts["overlap_users"] == 2
    assert outcome.facts["items_food"] == 2


def test_the_same_id_in_two_domains_is_two_items(empty_world: Any) -> None:
    write(empty_world, [("u", "a", 1)], [("u", "a", 2), ("v", "a", 3)])
    world = empty_world.with_scenario(filters=Filters(k_core=2))
    with pytest.raises(ValueError, match="no user is active in two of food, tools"):
        built(world)  # item a of food has one buyer, so user u has one item left


def test_rating_behaviour_and_part_walk_through(empty_world: Any) -> None:
    rest = {"rating": 4.5, "behaviour": "buy", "part": "test"}
    write(empty_world, [("u", "a", 1)], [("u", "x", 2)], **rest)
    built(empty_world)
    rows = empty_world.store.read_table("interactions/little").to_pylist()
    assert all(row[name] == value for row in rows for name, value in rest.items())


def test_rows_keep_the_order_of_domains_and_files(empty_world: Any) -> None:
    write(empty_world, [("v", "b", 9), ("u", "a", 3)], [("u", "x", 2)])
    built(empty_world)
    assert kept(empty_world) == [("v", "food", "b"), ("u", "food", "a"), ("u", "tools", "x")]


def test_verified_purchases_alone_are_kept_where_that_is_asked_for(empty_world: Any) -> None:
    world = empty_world.with_scenario(filters=Filters(verified=True))
    write(world, [("u", "a", 1)], [("u", "x", 2)], verified=True)
    assert built(world).facts["after_filters"] == 2
    write(world, [("u", "a", 1)], [("u", "x", 2)], verified=False)
    with pytest.raises(ValueError, match="no user is active in two"):
        built(world)
    write(world, [("u", "a", 1)], [("u", "x", 2)])
    with pytest.raises(ValueError, match="'food' do not say which purchases are verified"):
        built(world)


def test_no_shared_user_is_an_error_with_counts_ids_and_a_remedy(empty_world: Any) -> None:
    food = [("u", "a", 1), ("v", "a", 50), ("w", "a", 50), ("w", "b", 50)]
    tools = [("u", "x", 50), ("v", "x", 50), ("z", "y", 50)]
    write(empty_world, food, tools)
    world = empty_world.with_scenario(filters=Filters(start=10, k_core=3))
    with pytest.raises(ValueError, match="no user is active in two of food, tools") as refusal:
        built(world)
    said = str(refusal.value)
    assert "shared users: 1 in the time window, 0 in the 3-core" in said
    assert "food has users 'u', 'v', 'w' and items 'a', 'b'" in said
    assert "lower scenario.little.filters.k_core" in said
    assert not world.store.exists("interactions/little", ".parquet")


def test_swapped_columns_are_said_to_be_the_cause(empty_world: Any) -> None:
    write(empty_world, [("u", "a", 1), ("v", "b", 2)], [("x", "u", 1), ("x", "v", 2)])
    with pytest.raises(ValueError, match="2 user ids of 'food' are item ids of 'tools'") as refusal:
        built(empty_world)
    assert "columns of one of the two are swapped" in str(refusal.value)


def test_users_that_were_numbered_anew_get_the_usual_causes_and_examples(empty_world: Any) -> None:
    write(empty_world, [("A1", "a", 1)], [("7", "x", 1)])
    with pytest.raises(ValueError, match="users were numbered anew") as refusal:
        built(empty_world)
    assert "food has users 'A1'" in str(refusal.value)
    assert "tools has users '7'" in str(refusal.value)


def test_parts_of_one_domain_may_not_share_items(empty_world: Any) -> None:
    write(empty_world, [("u", "a", 1), ("u", "b", 1)], [("u", "a", 2), ("u", "c", 2)])
    domains = {
        name: replace(domain, within="shop") for name, domain in empty_world.catalog.domains.items()
    }
    world = replace(empty_world, catalog=replace(empty_world.catalog, domains=domains))
    with pytest.raises(ValueError, match="parts of 'shop' and share 1 items, such as 'a'") as said:
        built(world)
    assert "`without`" in str(said.value)


def test_codes_are_dense_and_equal_for_equal_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codes, "_ROWS_AT_A_TIME", 7)
    ids = pl.Series([f"id {number * number % 23}" for number in range(100)])
    found, count = dense_codes(id_hashes(ids))
    assert set(found) == set(range(count)) and count == ids.n_unique()
    by_id = pl.DataFrame({"id": ids, "code": found}).unique()
    assert by_id.height == count
