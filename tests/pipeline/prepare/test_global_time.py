"""Splits by time: by hand, and for any interactions against a checker of its own."""

from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipeline.catalog import Scenario, Split
from pipeline.prepare.events import read_events
from pipeline.prepare.global_time import Cuts, find_cuts
from pipeline.prepare.sequences import build_sequences
from pipeline.store import Store

ITEMS = {"books": "abcd", "films": "efgh", "games": "ijkl"}
NUMBER = {name: i for i, name in enumerate("abcdefghijkl", start=1)}
DOMAIN = {name: domain for domain, names in ITEMS.items() for name in names}
Task = Literal["inter-domain", "cross-domain-sequential"]
Done = list[tuple[str, str, int]]

# 20 interactions, so that shares of 0.2 leave 4 of them for each part: valid from 200, test
# from 300 on.
DONE: Done = [
    ("ann", "a", 110),
    ("ann", "e", 120),
    ("ann", "b", 130),
    ("bob", "a", 110),
    ("bob", "c", 111),
    ("bob", "e", 210),
    ("bob", "b", 220),
    ("bob", "i", 310),
    ("cat", "f", 140),
    ("cat", "g", 150),
    ("cat", "h", 305),
    ("cat", "d", 306),
    ("dan", "e", 112),
    ("dan", "a", 113),
    ("dan", "b", 200),
    ("dan", "j", 300),
    ("eve", "k", 201),
    ("fay", "k", 100),
    ("fay", "l", 101),
    ("fay", "i", 102),
]


def scenario(task: Task, seed: int = 0, valid: float = 0.2, test: float = 0.2) -> Scenario:
    split = Split(kind="global-time", valid=valid, test=test, seed=seed)
    return Scenario(name="later", domains=tuple(ITEMS), task=task, split=split)


def write(store: Store, write_events: Any, done: Done, asked: Scenario) -> None:
    table = [(user, DOMAIN[item], item, time) for user, item, time in done]
    write_events(store, asked, table, ITEMS)


def build(store: Store, write_events: Any, done: Done, asked: Scenario) -> Any:
    write(store, write_events, done, asked)
    outcome = build_sequences(asked, store)
    rows: dict[str, dict[str, Any]] = defaultdict(dict)
    for row in store.read_table("sequences/later").to_pylist():
        assert row["part"] not in rows[row["user_id"]]
        case = (row["items"], row["target_domain"], row["label"])
        rows[row["user_id"]][row["part"]] = row["items"] if row["label"] is None else case
    return dict(rows), outcome


def test_sequential_cases_ask_for_what_came_first_after_each_cut(
    tmp_path: Path, write_events: Any
) -> None:
    asked = scenario("cross-domain-sequential")
    rows, outcome = build(Store(tmp_path), write_events, DONE, asked)
    assert rows == {
        "ann": {"overlap": [1, 5, 2]},
        "bob": {
            "single": [1, 3],
            "valid": ([1, 3], "films", 5),
            "test": ([1, 3, 5, 2], "games", 9),
        },
        "cat": {"single": [6, 7], "test": ([6, 7], "films", 8)},
        "dan": {
            "overlap": [5, 1],
            "valid": ([5, 1], "books", 2),
            "test": ([5, 1, 2], "games", 10),
        },
        # eve did nothing before 200, so nothing can be shown of her.
        "fay": {"single": [11, 12, 9]},
    }
    facts = outcome.facts
    assert {key: facts[key] for key in ("valid_from", "test_from")} == {
        "valid_from": 200,
        "test_from": 300,
    }
    assert (facts["valid_interactions"], facts["test_interactions"]) == (4, 4)
    # h and j; of validation none: e and b train.
    assert facts["test_labels_unseen_in_training"] == 2
    assert facts["valid_labels_unseen_in_training"] == 0


def test_inter_domain_cases_ask_for_the_first_item_of_a_domain_new_to_the_user(
    tmp_path: Path, write_events: Any
) -> None:
    rows, _ = build(Store(tmp_path), write_events, DONE, scenario("inter-domain"))
    assert rows == {
        "ann": {"overlap": [1, 5, 2]},
        "bob": {
            "single": [1, 3],
            "valid": ([1, 3], "films", 5),
            "test": ([1, 3, 5, 2], "games", 9),
        },
        # h is of films, which cat knew; d is her first book.
        "cat": {"single": [6, 7], "test": ([6, 7], "books", 4)},
        # b is of books, which dan knew.
        "dan": {"overlap": [5, 1], "test": ([5, 1, 2], "games", 10)},
        "fay": {"single": [11, 12, 9]},
    }


def cuts(tmp_path: Path, write_events: Any, times: list[int], valid: float, test: float) -> Cuts:
    asked, store = scenario("inter-domain", valid=valid, test=test), Store(tmp_path)
    write(store, write_events, [("ann", "a", time) for time in times], asked)
    return find_cuts(read_events(asked, store), asked)


def test_cuts_leave_the_shares_after_them(tmp_path: Path, write_events: Any) -> None:
    found = cuts(tmp_path, write_events, list(range(100, 200)), valid=0.1, test=0.25)
    assert found == Cuts(valid=165, test=175)


def test_a_tie_at_a_cut_comes_wholly_after_it(tmp_path: Path, write_events: Any) -> None:
    times = [100] * 4 + [110] * 3 + [120] * 3
    assert cuts(tmp_path, write_events, times, valid=0.1, test=0.2) == Cuts(valid=120, test=120)
    assert cuts(tmp_path, write_events, times, valid=0.2, test=0.2) == Cuts(valid=110, test=120)


def test_a_share_of_nothing_is_a_cut_after_everything(tmp_path: Path, write_events: Any) -> None:
    found = cuts(tmp_path, write_events, [100, 101, 102, 103], valid=0.25, test=0.0)
    assert found == Cuts(valid=103, test=104)


def test_positions_are_no_times(tmp_path: Path, write_events: Any) -> None:
    done = [(user, item, i) for user in "uvw" for i, item in enumerate("aeb")]
    with pytest.raises(ValueError, match="'later': most users begin at timestamp 0 or 1") as said:
        build(Store(tmp_path), write_events, done, scenario("inter-domain"))
    assert "scenario.later.split.kind = 'global-time' needs data with times" in str(said.value)


def test_all_at_one_time_trains_nothing(tmp_path: Path, write_events: Any) -> None:
    done = [(user, item, 100) for user in "uvw" for item in "aeb"]
    with pytest.raises(ValueError, match="the single or overlap set is empty"):
        build(Store(tmp_path), write_events, done, scenario("cross-domain-sequential"))


@pytest.mark.parametrize("task", ["inter-domain", "cross-domain-sequential"])
def test_the_order_of_interactions_changes_nothing(
    tmp_path: Path, write_events: Any, task: Task
) -> None:
    digests = set()
    for seed in range(4):
        shuffled = [DONE[i] for i in np.random.default_rng(seed).permutation(len(DONE))]
        _, outcome = build(Store(tmp_path), write_events, shuffled, scenario(task))
        digests.add(outcome.artifact.digest)
    assert len(digests) == 1


def in_time_order(own: list[tuple[str, int]], items: list[int]) -> bool:
    """Whether `items` are all of a user's, oldest first; within a time any order will do."""
    if sorted(items) != sorted(NUMBER[item] for item, _ in own):
        return False
    times = sorted(time for _, time in own)
    done = {(NUMBER[item], time) for item, time in own}
    return all(pair in done for pair in zip(items, times, strict=True))


def labels_due(own: list[tuple[str, int]], start: int, end: float, task: Task) -> set[int]:
    """Which items may be asked for; several where they tie."""
    known = {DOMAIN[item] for item, time in own if time < start}
    if not known:
        return set()
    following = [(time, item) for item, time in own if start <= time < end]
    if task == "inter-domain":
        following = [(time, item) for time, item in following if DOMAIN[item] not in known]
    return {NUMBER[item] for time, item in following if time == min(following)[0]}


EVENT = st.tuples(st.sampled_from("uvwxyz"), st.sampled_from(list(NUMBER)), st.integers(100, 130))


@settings(max_examples=80, deadline=None)
@given(
    st.lists(EVENT, min_size=10, max_size=60),
    st.sampled_from(["inter-domain", "cross-domain-sequential"]),
    st.sampled_from([0.1, 0.3]),
)
def test_any_interactions_are_parted_without_a_leak(
    write_events: Any, done: Done, task: Task, share: float
) -> None:
    users: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for user, item, time in done:
        users[user].append((item, time))
    times = sorted(time for _, _, time in done)
    count = round(share * len(times))
    bounds = {"valid": (times[-2 * count], times[-count]), "test": (times[-count], np.inf)}
    before = {
        part: {user: [e for e in own if e[1] < start] for user, own in users.items()}
        for part, (start, _) in bounds.items()
    }
    due = {
        part: {user: labels_due(own, start, end, task) for user, own in users.items()}
        for part, (start, end) in bounds.items()
    }
    trains = {user: own for user, own in before["valid"].items() if own}
    several = any(len({DOMAIN[item] for item, _ in own}) > 1 for own in trains.values())
    assume(any(due["valid"].values()) and any(due["test"].values()))
    assume(several if task == "inter-domain" else trains)
    with TemporaryDirectory() as folder:
        asked = scenario(task, valid=share, test=share)
        rows, _ = build(Store(Path(folder)), write_events, done, asked)
    for user in users:
        found = rows.get(user, {})
        trained = found.get("single", found.get("overlap"))
        assert (trained is not None) == (user in trains)
        if trained is not None:
            assert in_time_order(trains[user], trained)
            names = {DOMAIN[item] for item, _ in trains[user]}
            assert ("overlap" in found) == (len(names) > 1)
        for part in ("valid", "test"):
            assert (part in found) == bool(due[part][user])
            if part in found:
                items, domain, label = found[part]
                assert label in due[part][user]
                assert domain == DOMAIN["abcdefghijkl"[label - 1]]
                assert in_time_order(before[part][user], items)
