"""Leave-one-out: by hand, and for any interactions against a checker of its own."""

from collections import Counter, defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.catalog import Scenario, Split
from pipeline.prepare.sequences import build_sequences
from pipeline.store import Store

ITEMS = {"books": "abcd", "films": "efgh", "games": "ijkl"}
NUMBER = {name: i for i, name in enumerate("abcdefghijkl", start=1)}
DOMAIN = {name: domain for domain, names in ITEMS.items() for name in names}


def scenario(newest: int | None = None, seed: int = 0) -> Scenario:
    return Scenario(
        name="next",
        domains=tuple(ITEMS),
        task="cross-domain-sequential",
        split=Split(kind="leave-one-out", newest=newest, seed=seed),
    )


def events(**histories: str) -> list[tuple[str, str, str, int]]:
    """Of each user its items, oldest first, one a day."""
    return [
        (user, DOMAIN[item], item, 86_400 * day)
        for user, items in histories.items()
        for day, item in enumerate(items, start=9)
    ]


def build(store: Store, write_events: Any, done: list[Any], asked: Scenario) -> Any:
    write_events(store, asked, done, ITEMS)
    outcome = build_sequences(asked, store)
    rows: dict[str, dict[str, Any]] = defaultdict(dict)
    for row in store.read_table("sequences/next").to_pylist():
        part = row["part"] if row["part"] in ("valid", "test") else "train"
        assert part not in rows[row["user_id"]]
        rows[row["user_id"]][part] = row
    return rows, outcome


def told(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["part"], row["items"], row["target_domain"], row["label"]


def test_the_last_tests_the_second_last_validates_and_the_rest_trains(
    tmp_path: Path, write_events: Any
) -> None:
    done = events(ann="aebi", bob="fab", cat="ej", dan="c")
    rows, outcome = build(Store(tmp_path), write_events, done, scenario())
    assert {user: {part: told(row) for part, row in own.items()} for user, own in rows.items()} == {
        "ann": {
            "train": ("overlap", [1, 5], None, None),
            "valid": ("valid", [1, 5], "books", 2),
            "test": ("test", [1, 5, 2], "games", 9),
        },
        # Its training items are of one domain, though the user knows two.
        "bob": {
            "train": ("single", [6], None, None),
            "valid": ("valid", [6], "books", 1),
            "test": ("test", [6, 1], "books", 2),
        },
        "cat": {"train": ("overlap", [5, 10], None, None)},
        "dan": {"train": ("single", [3], None, None)},
    }
    assert outcome.facts == {
        "users": 4,
        "single_users": 2,
        "single_mean_length": 1.0,
        "overlap_users": 2,
        "overlap_mean_length": 2.0,
        "valid_users": 2,
        "valid_mean_length": 1.5,
        "test_users": 2,
        "test_mean_length": 2.5,
        "test_users_to_books": 1,
        "test_users_to_games": 1,
        "valid_labels_unseen_in_training": 1,  # b; a trains with ann
        "test_labels_unseen_in_training": 2,
        "tied_interactions": 0,
        "tied_test_labels": 0,
    }


def test_only_the_newest_interactions_count(tmp_path: Path, write_events: Any) -> None:
    done = events(ann="abcdefgh", bob="ija")
    rows, _ = build(Store(tmp_path), write_events, done, scenario(newest=4))
    assert told(rows["ann"]["train"]) == ("single", [5, 6], None, None)
    assert told(rows["ann"]["test"]) == ("test", [5, 6, 7], "films", 8)
    assert told(rows["bob"]["test"]) == ("test", [9, 10], "books", 1)


def test_an_item_that_comes_again_may_be_the_label(tmp_path: Path, write_events: Any) -> None:
    rows, _ = build(Store(tmp_path), write_events, events(ann="aaea"), scenario())
    assert told(rows["ann"]["test"]) == ("test", [1, 1, 5], "books", 1)


def test_ties_of_time_are_ordered_by_the_seed_not_by_the_item(
    tmp_path: Path, write_events: Any
) -> None:
    done = [("ann", DOMAIN[item], item, 1_000) for item in "abcdefghijkl"]
    labels, store = [], Store(tmp_path)
    for seed in range(20):
        rows, outcome = build(store, write_events, done, scenario(seed=seed))
        labels.append(rows["ann"]["test"]["label"])
        assert outcome.facts["tied_interactions"] == 12
        assert outcome.facts["tied_test_labels"] == 1
    assert len(set(labels)) > 6


def test_without_a_user_of_three_interactions_there_is_no_case(
    tmp_path: Path, write_events: Any
) -> None:
    with pytest.raises(ValueError, match="'next': the valid set is empty"):
        build(Store(tmp_path), write_events, events(ann="ab", bob="e"), scenario())


def test_the_order_of_interactions_changes_nothing(tmp_path: Path, write_events: Any) -> None:
    done = events(ann="aebi", bob="fabac", cat="ej")
    digests = set()
    for seed in range(4):
        shuffled = [done[i] for i in np.random.default_rng(seed).permutation(len(done))]
        _, outcome = build(Store(tmp_path), write_events, shuffled, scenario())
        digests.add(outcome.artifact.digest)
    assert len(digests) == 1


EVENT = st.tuples(st.sampled_from("uvwxyz"), st.sampled_from(list(NUMBER)), st.integers(100, 108))


def by_hand(own: list[tuple[str, int]], whole: list[int], newest: int | None) -> None:
    """`whole` are the newest items of a user, in time order; within a time any order will do."""
    kept = min(len(own), newest or len(own))
    assert len(whole) == kept
    times = sorted(time for _, time in own)[len(own) - kept :]
    for time in set(times):
        shown = Counter(item for item, when in zip(whole, times, strict=True) if when == time)
        there = Counter(NUMBER[item] for item, when in own if when == time)
        assert shown <= there
        if time > times[0]:
            assert shown == there


@settings(max_examples=60, deadline=None)
@given(st.lists(EVENT, min_size=1, max_size=40), st.sampled_from([None, 3, 5]))
@example([("u", "a", 100)] * 4, 3)
def test_any_interactions_are_parted_without_a_leak(
    write_events: Any, done: list[tuple[str, str, int]], newest: int | None
) -> None:
    users: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for user, item, time in done:
        users[user].append((item, time))
    table = [(user, DOMAIN[item], item, time) for user, item, time in done]
    with TemporaryDirectory() as folder:
        store = Store(Path(folder))
        if max(map(len, users.values())) < 3:
            with pytest.raises(ValueError, match="set is empty"):
                build(store, write_events, table, scenario(newest))
            return
        rows, _ = build(store, write_events, table, scenario(newest))
    assert set(rows) == set(users)
    for user, own in users.items():
        cases, trained = rows[user], rows[user]["train"]["items"]
        if len(own) < 3:
            assert set(cases) == {"train"}
            by_hand(own, trained, newest)
            continue
        valid, test = cases["valid"], cases["test"]
        by_hand(own, [*trained, valid["label"], test["label"]], newest)
        assert valid["items"] == trained
        assert test["items"] == [*trained, valid["label"]]
        names = {number: DOMAIN[item] for item, number in NUMBER.items()}
        assert [case["target_domain"] for case in (valid, test)] == [
            names[case["label"]] for case in (valid, test)
        ]
        several = len({names[item] for item in trained}) > 1
        assert cases["train"]["part"] == ("overlap" if several else "single")
