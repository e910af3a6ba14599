"""Sequences, labels and what a cold user still shows, by hand."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.catalog import Split
from pipeline.columns import INTERACTIONS, VOCABULARY
from pipeline.prepare.sequences import build_sequences

Bought = Sequence[tuple[str, str, str, int, str]]

# Items by id: food a 1, b 2, c 3; tools x 4, y 5, z 6.
NAMES = [("food", name) for name in "abc"] + [("tools", name) for name in "xyz"]

BOUGHT: Bought = [
    ("solo", "food", "b", 2, "single"),
    ("solo", "food", "a", 1, "single"),
    ("both", "tools", "x", 1, "overlap"),
    ("both", "food", "c", 2, "overlap"),
    # The last item is y of tools: x, bought before it, is hidden; a and b are shown.
    ("val", "food", "b", 5, "valid"),
    ("val", "tools", "x", 10, "valid"),
    ("val", "food", "a", 20, "valid"),
    ("val", "tools", "y", 30, "valid"),
    # The last item is c of food.
    ("test", "tools", "z", 3, "test"),
    ("test", "food", "c", 9, "test"),
    ("test", "tools", "y", 4, "test"),
    ("test", "food", "a", 1, "test"),
]


def write(world: Any, bought: Bought) -> None:
    columns = ["user_id", "domain", "item_id", "timestamp", "part"]
    rows = [dict(zip(columns, row, strict=True)) for row in bought]
    table = pa.Table.from_pylist(rows, schema=INTERACTIONS)
    world.store.write_table("interactions/little", INTERACTIONS, table)
    vocabulary = [
        {"item": i, "domain": domain, "item_id": name, "title": "", "text": "", "has_title": True}
        for i, (domain, name) in enumerate(NAMES, start=1)
    ]
    table = pa.Table.from_pylist(vocabulary, schema=VOCABULARY)
    world.store.write_table("vocabulary/little", VOCABULARY, table)


@pytest.fixture
def published(empty_world: Any) -> Any:
    return empty_world.with_scenario(split=Split(kind="published"))


def test_labels_targets_and_visible_histories_by_hand(published: Any) -> None:
    write(published, BOUGHT)
    build_sequences(published.scenario, published.store)
    rows = published.store.read_table("sequences/little").to_pylist()
    found = {
        row["user_id"]: (row["part"], row["items"], row["target_domain"], row["label"])
        for row in rows
    }
    assert found == {
        "solo": ("single", [1, 2], None, None),
        "both": ("overlap", [4, 3], None, None),
        "val": ("valid", [2, 1], "tools", 5),
        "test": ("test", [6, 5], "food", 3),
    }
    assert [row["user"] for row in rows] == [0, 1, 2, 3]


def test_a_cold_user_shows_every_domain_but_the_labels(empty_world: Any, write_events: Any) -> None:
    three = empty_world.with_scenario(
        domains=("food", "tools", "books"), split=Split(valid=0.34, test=0.34)
    )
    # Six users of the same history: whoever is drawn, the label is z of tools.
    history = (("tools", "x"), ("books", "p"), ("food", "a"), ("books", "q"), ("tools", "z"))
    done = [
        (f"user-{user}", domain, item, 100 + day)
        for user in range(6)
        for day, (domain, item) in enumerate(history)
    ]
    items = {"food": "ab", "tools": "xyz", "books": "pq"}
    write_events(three.store, three.scenario, done, items)
    build_sequences(three.scenario, three.store)
    rows = three.store.read_table("sequences/little").to_pylist()
    assert sorted(row["part"] for row in rows) == ["overlap"] * 2 + ["test"] * 2 + ["valid"] * 2
    for row in rows:
        if row["part"] == "overlap":
            assert (row["items"], row["label"]) == ([3, 6, 1, 7, 5], None)
        else:
            assert (row["items"], row["target_domain"], row["label"]) == ([6, 1, 7], "tools", 5)


def test_an_evaluation_user_of_one_domain_is_named(published: Any) -> None:
    write(published, [*BOUGHT, ("odd", "food", "a", 1, "test"), ("odd", "food", "b", 2, "test")])
    with pytest.raises(ValueError, match="'odd' shows nothing outside the label's domain"):
        build_sequences(published.scenario, published.store)


def test_the_order_of_interactions_changes_nothing(published: Any) -> None:
    generator = np.random.default_rng(0)
    digests = set()
    for _ in range(4):
        write(published, [BOUGHT[i] for i in generator.permutation(len(BOUGHT))])
        digests.add(build_sequences(published.scenario, published.store).artifact.digest)
    assert len(digests) == 1


def test_rows_are_shuffled_by_the_splits_seed(world: Any) -> None:
    def users(seed: int) -> list[str]:
        seeded = world.with_scenario(split=Split(valid=0.2, test=0.2, seed=seed))
        build_sequences(seeded.scenario, seeded.store)
        return seeded.store.read_table("sequences/little")["user_id"].to_pylist()

    assert users(0) != sorted(users(0))
    assert users(0) == users(0) != users(1)
    assert sorted(users(0)) == sorted(users(1))


def test_every_user_is_there_once_with_the_facts_told(world: Any) -> None:
    outcome = build_sequences(world.scenario, world.store)
    rows = world.store.read_table("sequences/little").to_pylist()
    assert sorted(row["user_id"] for row in rows) == [f"user-{user:02}" for user in range(20)]
    # Shares are of 14 overlap users: round(2.8) is 3.
    assert [outcome.facts[f"{part}_users"] for part in ("single", "overlap", "valid", "test")] == [
        6,
        8,
        3,
        3,
    ]
    single = [len(row["items"]) for row in rows if row["part"] == "single"]
    assert outcome.facts["single_mean_length"] == round(sum(single) / 6, 2)


def test_a_leak_stops_before_anything_is_written(published: Any) -> None:
    write(published, [row for row in BOUGHT if row[4] != "test"])
    with pytest.raises(ValueError, match="the test set is empty"):
        build_sequences(published.scenario, published.store)
    assert not published.store.exists("sequences/little", ".parquet")
