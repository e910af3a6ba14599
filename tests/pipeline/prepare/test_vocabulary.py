"""Dense ids domain by domain, and items that the metadata does not know."""

from typing import Any

import pyarrow as pa

from pipeline.columns import INTERACTIONS, ITEMS
from pipeline.prepare.vocabulary import UNTITLED, build_vocabulary


def write(world: Any, used: list[tuple[str, str]], items: dict[str, list[dict[str, Any]]]) -> None:
    rows = [
        {"user_id": "u", "domain": domain, "item_id": item, "timestamp": 0} for domain, item in used
    ]
    table = pa.Table.from_pylist(rows, schema=INTERACTIONS)
    world.store.write_table("interactions/little", INTERACTIONS, table)
    for domain in world.scenario.domains:
        known = [item | {"categories": [], "image_urls": []} for item in items.get(domain, [])]
        table = pa.Table.from_pylist(known, schema=ITEMS)
        world.store.write_table(f"items/{domain}", ITEMS, table)


def test_ids_are_dense_and_follow_domain_then_name(empty_world: Any) -> None:
    used = [("tools", "a"), ("food", "z"), ("food", "b"), ("tools", "a"), ("food", "b")]
    write(empty_world, used, {"food": [{"item_id": "never bought", "title": "x"}]})
    outcome = build_vocabulary(empty_world.scenario, empty_world.store)
    rows = empty_world.store.read_table("vocabulary/little").to_pylist()
    assert [(row["item"], row["domain"], row["item_id"]) for row in rows] == [
        (1, "food", "b"),
        (2, "food", "z"),
        (3, "tools", "a"),
    ]
    assert outcome.facts == {"items": 3, "without_title": 3}


def test_one_name_in_two_domains_is_two_items(empty_world: Any) -> None:
    write(
        empty_world,
        [("food", "a"), ("tools", "a")],
        {domain: [{"item_id": "a", "title": f"A {domain}"}] for domain in ("food", "tools")},
    )
    build_vocabulary(empty_world.scenario, empty_world.store)
    rows = empty_world.store.read_table("vocabulary/little").to_pylist()
    assert [row["title"] for row in rows] == ["A food", "A tools"]


def test_the_text_joins_what_is_known_and_says_what_is_not(empty_world: Any) -> None:
    items = [
        {"item_id": "a", "title": "Tea", "category": "Drinks > Tea", "brand": "Leaf"},
        {"item_id": "b", "title": "Rice"},
        {"item_id": "c", "brand": "Leaf"},
    ]
    used = [("food", "a"), ("food", "b"), ("food", "c"), ("food", "d")]
    write(empty_world, used, {"food": items})
    build_vocabulary(empty_world.scenario, empty_world.store)
    rows = empty_world.store.read_table("vocabulary/little").to_pylist()
    assert [row["text"] for row in rows] == [
        "Tea. Drinks > Tea. Leaf",
        "Rice",
        f"{UNTITLED}. Leaf",
        UNTITLED,
    ]
    assert [row["title"] for row in rows] == ["Tea", "Rice", "c", "d"]
    assert [row["has_title"] for row in rows] == [True, True, False, False]
