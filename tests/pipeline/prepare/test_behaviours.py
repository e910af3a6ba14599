"""Multi-behaviour cases: labels and what is shown before them, judged by a checker of its own."""

import gzip
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.catalog import Behaviours, Scenario, Split
from pipeline.columns import BEHAVIOUR_CASES, INTERACTIONS, VOCABULARY
from pipeline.prepare.behaviour_leaks import check_behaviour_leaks, check_stored_behaviours
from pipeline.prepare.behaviours import build_behaviours
from pipeline.prepare.events import read_events
from pipeline.store import Store

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
TIMED = Scenario(
    name="mall",
    domains=("mall",),
    task="multi-behaviour",
    split=Split(kind="leave-one-out"),
    behaviours=Behaviours(target="buy", auxiliary=("view", "cart")),
)
RELEASED = replace(TIMED, split=Split(kind="published", valid=0.2))
CODES = {"buy": 0, "view": 1, "cart": 2}
Event = tuple[str, str, int, int, str | None]


def write(store: Store, events: list[Event], num_items: int | None = None) -> None:
    """Events as (user, behaviour, item, timestamp, part); the item's id is its number."""
    columns: dict[str, Any] = {name: [None] * len(events) for name in INTERACTIONS.names}
    columns["domain"] = ["mall"] * len(events)
    names = ("user_id", "behaviour", "item_id", "timestamp", "part")
    columns |= dict(zip(names, zip(*events, strict=True), strict=True))
    columns["item_id"] = [f"{item:07}" for item in columns["item_id"]]
    table = pa.table(columns, schema=INTERACTIONS)
    store.write_table("interactions/mall", INTERACTIONS, table)
    most = num_items or max(event[2] for event in events)
    vocabulary = {
        "item": range(1, most + 1),
        "domain": ["mall"] * most,
        "item_id": [f"{item:07}" for item in range(1, most + 1)],
        "title": [""] * most,
        "text": [""] * most,
        "has_title": [True] * most,
    }
    table = pa.table(vocabulary, schema=VOCABULARY)
    store.write_table("vocabulary/mall", VOCABULARY, table)


def stored(store: Store) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(store.read_table("behaviours/mall")))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def timed_world(seed: int, users: int = 10) -> list[Event]:
    """With repeats, ties of time, users of few purchases, and a behaviour that is not asked for."""
    generator = np.random.default_rng(seed)
    shares = {"buy": 0.3, "view": 0.4, "cart": 0.2, "collect": 0.1}
    events: list[Event] = [
        (
            f"u{user}",
            str(generator.choice(list(shares), p=list(shares.values()))),
            int(generator.integers(1, 12)),
            int(generator.integers(25)),
            None,
        )
        for user in range(users)
        for _ in range(generator.integers(1, 40))
    ]
    sure = [("sure", "buy", i + 1, 5 * i, None) for i in range(5)]
    return [*events, *sure, ("sure", "view", 9, 3, None), ("sure", "cart", 9, 4, None)]


def judge_timed(table: pl.DataFrame, events: list[Event], scenario: Scenario) -> None:
    """Row by row, without the order of ties."""
    most, users = scenario.behaviours.max_length, sorted({event[0] for event in events})
    cases = table.to_dicts()
    for user in users:
        own = sorted((e for e in events if e[0] == user and e[1] in CODES), key=lambda e: e[3])
        bought = [(time, item) for _, kind, item, time, _ in own if kind == "buy"]
        found = [case for case in cases if case["user_id"] == user]
        if len(bought) < scenario.behaviours.min_target:
            assert not found
            continue
        shown = [case for case in found if case["part"] != "train"]
        assert [case["part"] for case in shown] == ["valid", "test"]
        assert [case["timestamp"] for case in shown] == [time for time, _ in bought[-2:]]
        trained = [time for time, _ in bought[:-2] if any(e[3] < time for e in own)]
        assert [c["timestamp"] for c in found if c["part"] == "train"] == trained
        labels = [(case["timestamp"], case["label"]) for case in found]
        assert all(labels.count(label) <= bought.count(label) for label in labels)
        for case in found:
            pairs = list(zip(case["behaviours"], case["items"], strict=True))
            for behaviour, code in CODES.items():
                before = [
                    (e[3], e[2]) for e in own if e[1] == behaviour and e[3] < case["timestamp"]
                ]
                items = [item for of, item in pairs if of == code]
                assert len(items) == min(len(before), most)
                times = [time for time, _ in before][len(before) - len(items) :]
                assert fits(items, times, before), (user, case, before)
            assert ordered(pairs, own, case["timestamp"])


def fits(items: list[int], times: list[int], before: list[tuple[int, int]]) -> bool:
    """The items happened at these times, however ties are ordered."""
    seen = list(zip(times, items, strict=True))
    return all(seen.count(pair) <= before.count(pair) for pair in seen)


def ordered(pairs: list[tuple[int, int]], own: list[Event], end: int) -> bool:
    """Some choice of times of the events does not run backwards over all behaviours."""
    reached = -1
    for code, item in pairs:
        times = [e[3] for e in own if CODES[e[1]] == code and e[2] == item and e[3] < end]
        later = [time for time in times if time >= reached]
        if not later:
            return False
        reached = min(later)
    return True


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 999), max_length=st.integers(1, 8), min_target=st.integers(3, 5))
def test_cases_of_timed_events_hold_to_the_protocol(
    seed: int, max_length: int, min_target: int
) -> None:
    events = timed_world(seed)
    behaviours = replace(TIMED.behaviours, max_length=max_length, min_target=min_target)
    scenario = replace(TIMED, behaviours=behaviours)
    with TemporaryDirectory() as folder:
        store = Store(Path(folder))
        write(store, events, num_items=12)
        build_behaviours(scenario, store)
        judge_timed(stored(store), events, scenario)
        check_stored_behaviours(scenario, store)


def test_timed_cases_by_hand(store: Store) -> None:
    events: list[Event] = [
        ("ann", "view", 1, 0, None),
        ("ann", "buy", 1, 10, None),  # trains: shows the view
        ("ann", "cart", 3, 20, None),  # at the time of the next label: hidden from it
        ("ann", "buy", 2, 20, None),
        ("ann", "view", 4, 25, None),
        ("ann", "collect", 6, 26, None),  # not asked for
        ("ann", "buy", 1, 30, None),
        ("ann", "view", 5, 31, None),  # after the last label
        ("bob", "buy", 1, 1, None),
        ("bob", "buy", 2, 2, None),  # two purchases are too few
    ]
    write(store, events)
    outcome = build_behaviours(TIMED, store)
    *earlier, test = stored(store).drop("user_id").rows()
    assert earlier == [
        ("train", 0, 1, 10, [1], [1]),
        ("valid", 0, 2, 20, [1, 1], [1, 0]),
    ]
    assert test in (
        ("test", 0, 1, 30, [1, 1, 3, 2, 4], [1, 0, 2, 0, 1]),
        ("test", 0, 1, 30, [1, 1, 2, 3, 4], [1, 0, 0, 2, 1]),
    )
    assert outcome.facts["ignored_events"] == 1 and outcome.facts["users"] == 1
    assert outcome.facts["test_cases"] == 1 and outcome.facts["mean_history"] == 2.67


def test_the_order_of_interactions_changes_nothing(store: Store) -> None:
    for scenario, events in ((TIMED, timed_world(5)), (RELEASED, released_world(5))):
        generator, digests = np.random.default_rng(0), set()
        for _ in range(3):
            write(store, [events[i] for i in generator.permutation(len(events))], 99)
            digests.add(build_behaviours(scenario, store).artifact.digest)
        assert len(digests) == 1


def test_where_batches_are_cut_changes_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(store, timed_world(5), 99)
    whole = build_behaviours(TIMED, store).artifact.digest
    monkeypatch.setattr("pipeline.prepare.behaviours.chunks", one_by_one)
    assert build_behaviours(TIMED, store).artifact.digest == whole


def one_by_one(lengths: np.ndarray) -> Iterator[slice]:
    for i in range(len(lengths)):
        yield slice(i, i + 1)


def test_only_the_newest_events_are_kept_where_the_split_says_so(store: Store) -> None:
    events: list[Event] = [("ann", "buy", i, i, None) for i in range(1, 9)]
    events += [("ann", kind, i, 0, None) for kind in ("view", "cart") for i in range(1, 9)]
    write(store, events)
    build_behaviours(replace(TIMED, split=replace(TIMED.split, newest=3)), store)
    assert stored(store).select("part", "label", pl.col("items").list.len()).rows() == [
        ("train", 6, 6),
        ("valid", 7, 7),
        ("test", 8, 8),
    ]


def test_a_user_of_many_events_is_cut_to_the_newest(store: Store) -> None:
    events: list[Event] = [("bot", "view", i % 50 + 1, i, None) for i in range(50_000)]
    events += [("bot", "cart", 7, 3, None)]
    events += [("bot", "buy", i % 50 + 1, 10 * i, None) for i in range(5_000)]
    write(store, events)
    scenario = replace(TIMED, behaviours=replace(TIMED.behaviours, max_length=5))
    build_behaviours(scenario, store)
    lengths = stored(store)["items"].list.len()
    assert len(lengths) == 4_999 and lengths.max() == 11


# -- published parts -----------------------------------------------------------------------------


def released_world(seed: int, valid: bool = True, users: int = 12) -> list[Event]:
    """Pairs of a user and an item, each once for each behaviour; positions for times."""
    generator = np.random.default_rng(seed)
    events: list[Event] = []
    for user in range(users):
        for behaviour in CODES:
            items = generator.permutation(20)[: generator.integers(1, 12)] + 1
            parts = ["train"] * len(items)
            parts[-1:] = ["test"] if len(items) > 1 or user % 2 else ["train"]
            if valid and len(items) > 3:
                parts[-2] = "valid"
            for position, (item, part) in enumerate(zip(items, parts, strict=True)):
                events.append((f"u{user}", behaviour, int(item), position, part))
    return events


def judge_released(table: pl.DataFrame, events: list[Event], scenario: Scenario) -> None:
    most, cases = scenario.behaviours.max_length, table.to_dicts()
    lends = not any(kind == "buy" and part == "valid" for _, kind, _, _, part in events)
    of: defaultdict[tuple[str, str, str | None], list[int]] = defaultdict(list)
    for user, kind, item, _, part in sorted(events, key=lambda event: event[3]):
        of[user, kind, part].append(item)
    expected: list[tuple[str, str, int]] = []
    for user in {event[0] for event in events}:
        bought = of[user, "buy", "train"]
        others = sum(len(of[user, kind, "train"]) for kind in CODES) - 1
        if bought and others > 0:
            expected.append((user, "train", bought[-1]))
        for part in ("valid", "test"):
            expected += [(user, part, item) for item in of[user, "buy", part]]
    found = [(case["user_id"], case["part"], case["label"]) for case in cases]
    if lends:
        lent = [triple for triple in found if triple[1] == "valid"]
        trainable = sum(part == "train" for _, part, _ in expected)
        assert len(lent) == round(scenario.split.valid * trainable)
        found = [(user, part.replace("valid", "train"), label) for user, part, label in found]
    assert sorted(found) == sorted(expected)
    for case in cases:
        user = case["user_id"]
        assert case["timestamp"] is None
        shown = []
        for kind in reversed(CODES):
            items = list(of[user, kind, "train"])
            trains = case["part"] == "train" or (lends and case["part"] == "valid")
            if kind == "buy" and trains:
                items.remove(case["label"])
            shown += [(CODES[kind], item) for item in items[max(len(items) - most, 0) :]]
        assert list(zip(case["behaviours"], case["items"], strict=True)) == shown


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 999), max_length=st.integers(1, 9), valid=st.booleans())
def test_cases_of_a_published_split_hold_to_it(seed: int, max_length: int, valid: bool) -> None:
    events = released_world(seed, valid)
    scenario = replace(RELEASED, behaviours=replace(RELEASED.behaviours, max_length=max_length))
    with TemporaryDirectory() as folder:
        store = Store(Path(folder))
        write(store, events, 20)
        build_behaviours(scenario, store)
        judge_released(stored(store), events, scenario)
        check_stored_behaviours(scenario, store)


def test_an_answer_that_the_release_also_trains_on_is_never_shown(store: Store) -> None:
    events: list[Event] = [
        ("ann", "buy", 1, 0, "train"),
        ("ann", "buy", 2, 1, "train"),
        ("ann", "buy", 3, 2, "train"),  # the answer of ann's test case
        ("ann", "view", 3, 0, "train"),  # viewing it is fair
        ("ann", "buy", 3, 0, "test"),
        ("ann", "buy", 4, 0, "valid"),
        ("ann", "cart", 4, 0, "test"),  # held out
    ]
    write(store, events)
    build_behaviours(RELEASED, store)
    assert stored(store).select("part", "label", "items", "behaviours").rows() == [
        ("train", 2, [3, 1], [1, 0]),
        ("valid", 4, [3, 1, 2], [1, 0, 0]),
        ("test", 3, [3, 1, 2], [1, 0, 0]),
    ]


# -- errors --------------------------------------------------------------------------------------


def test_a_behaviour_that_does_not_occur_is_named_with_those_that_do(store: Store) -> None:
    write(store, timed_world(5), 99)
    scenario = replace(TIMED, behaviours=Behaviours(auxiliary=("view", "favour")))
    with pytest.raises(ValueError, match="'favour'; those that occur: buy, cart, collect, view"):
        build_behaviours(scenario, store)
    scenario = replace(TIMED, behaviours=Behaviours(auxiliary=("buy",)))
    with pytest.raises(ValueError, match="must differ"):
        build_behaviours(scenario, store)


def test_timed_data_have_no_published_split(store: Store) -> None:
    write(store, timed_world(5), 99)
    with pytest.raises(ValueError, match="has an interaction of part None; allowed: train, valid"):
        build_behaviours(RELEASED, store)


@pytest.mark.parametrize("part", ["train", "test"])
def test_an_empty_part_is_named(store: Store, part: str) -> None:
    events = [e for e in released_world(5) if e[4] != part]
    write(store, events, 20)
    with pytest.raises(ValueError, match=f"no case falls into the {part} part"):
        build_behaviours(RELEASED, store)
    assert not store.exists("behaviours/mall", ".parquet")


# -- planted leaks -------------------------------------------------------------------------------

TIMED_EVENTS: list[Event] = [("ann", "buy", i, 10 * i, None) for i in range(1, 6)]
TIMED_EVENTS += [("ann", "view", 7, 15, None), ("ann", "view", 8, 40, None)]
TIMED_EVENTS += [("ann", "cart", 9, 1, None), ("bob", "buy", 3, 5, None)]
RELEASED_EVENTS: list[Event] = [("ann", "buy", i, i, "train") for i in (1, 2, 3)]
RELEASED_EVENTS += [("ann", "buy", 4, 0, "valid"), ("ann", "buy", 5, 0, "test")]
RELEASED_EVENTS += [("ann", "view", 5, 0, "train"), ("ann", "view", 6, 0, "test")]
RELEASED_EVENTS += [("ann", "cart", 7, 0, "train"), ("bob", "buy", 1, 0, "train")]


def planted(
    store: Store,
    scenario: Scenario,
    events: list[Event],
    change: Callable[[dict[str, dict[str, Any]], list[dict[str, Any]]], None],
) -> None:
    """Build soundly, change cases (the newest of each part by name) and check again."""
    write(store, events)
    build_behaviours(scenario, store)
    known = read_events(scenario, store)
    check_behaviour_leaks(stored(store), known, scenario)
    rows = stored(store).to_dicts()
    change({row["part"]: row for row in rows}, rows)
    table = pa.Table.from_pylist(rows, schema=BEHAVIOUR_CASES)
    store.write_table("behaviours/mall", BEHAVIOUR_CASES, table)
    with pytest.raises(ValueError):
        check_stored_behaviours(scenario, store)
    check_behaviour_leaks(pl.DataFrame(pl.from_arrow(table)), known, scenario)


def show(case: dict[str, Any], item: int, code: int) -> None:
    case["items"] = [*case["items"], item]
    case["behaviours"] = [*case["behaviours"], code]


@pytest.mark.parametrize(
    ("part", "item", "code"),
    [
        ("valid", 8, 1),  # viewed at the label's own time
        ("valid", 5, 0),  # bought later
        ("valid", 4, 0),  # the label
        ("test", 7, 2),  # viewed, not put into the cart
        ("test", 3, 1),
        ("train", 4, 0),
    ],
)
def test_what_had_not_happened_before_is_found(
    store: Store, part: str, item: int, code: int
) -> None:
    with pytest.raises(ValueError, match=f"{part} case .*shows item {item} of behaviour {code}"):
        planted(store, TIMED, TIMED_EVENTS, lambda cases, _: show(cases[part], item, code))


@pytest.mark.parametrize(
    ("part", "item", "code"),
    [
        ("test", 5, 0),  # the label
        ("test", 4, 0),  # the other label
        ("valid", 5, 0),
        ("train", 5, 0),
        ("train", 3, 0),  # its label
        ("test", 6, 1),  # an auxiliary row that the publisher held out
        ("test", 7, 1),  # of the cart
    ],
)
def test_what_the_publisher_held_out_is_found(
    store: Store, part: str, item: int, code: int
) -> None:
    with pytest.raises(ValueError, match=f"{part} case .*shows item {item} of behaviour {code}"):
        planted(store, RELEASED, RELEASED_EVENTS, lambda cases, _: show(cases[part], item, code))


def test_a_user_who_is_not_among_the_interactions_is_found(store: Store) -> None:
    with pytest.raises(ValueError, match="user 'zoe' has no interaction"):
        planted(store, TIMED, TIMED_EVENTS, lambda cases, _: cases["test"].update(user_id="zoe"))


def test_a_label_that_did_not_happen_is_found(store: Store) -> None:
    for label, timestamp in ((7, 50), (5, 51)):
        with pytest.raises(ValueError, match=f"label {label} of a test case of user 'ann' is no"):
            planted(
                store,
                TIMED,
                TIMED_EVENTS,
                lambda c, _, a=label, b=timestamp: c["test"].update(label=a, timestamp=b),
            )


def test_a_label_of_another_published_part_is_found(store: Store) -> None:
    for part, label in (("test", 4), ("valid", 5), ("train", 4), ("test", 6)):
        with pytest.raises(ValueError, match=f"label {label} of a {part} case of user 'ann' is no"):
            planted(
                store,
                RELEASED,
                RELEASED_EVENTS,
                lambda cases, _, a=part, b=label: cases[a].update(
                    label=b, items=[7], behaviours=[2]
                ),
            )


def test_training_on_an_answer_that_the_release_repeats_is_found(store: Store) -> None:
    events: list[Event] = [*RELEASED_EVENTS, ("ann", "buy", 5, 9, "train")]
    with pytest.raises(ValueError, match="'ann' trains on item 5, which the publisher held out"):
        planted(store, RELEASED, events, lambda cases, _: cases["train"].update(label=5))


def test_several_training_cases_of_one_published_user_are_found(store: Store) -> None:
    with pytest.raises(ValueError, match="'ann' has several cases of the published part train"):
        planted(store, RELEASED, RELEASED_EVENTS, lambda cases, rows: rows.append(cases["train"]))


def test_several_test_cases_of_a_user_are_found(store: Store) -> None:
    with pytest.raises(ValueError, match="'ann' validates or tests several times"):
        planted(store, TIMED, TIMED_EVENTS, lambda cases, rows: rows.append(cases["test"]))


def test_one_event_that_trains_and_tests_is_found(store: Store) -> None:
    with pytest.raises(ValueError, match="'ann' has one event as the label of several cases"):
        planted(
            store,
            TIMED,
            TIMED_EVENTS,
            lambda cases, rows: rows.append(cases["test"] | {"part": "train"}),
        )


def test_parts_out_of_order_are_found(store: Store) -> None:
    def swap(cases: dict[str, dict[str, Any]], _: list[dict[str, Any]]) -> None:
        cases["valid"]["part"], cases["test"]["part"] = "test", "valid"

    with pytest.raises(ValueError, match="'ann' does not train before validating"):
        planted(store, TIMED, TIMED_EVENTS, swap)


def test_a_history_beyond_its_length_is_found(store: Store) -> None:
    def lengthen(cases: dict[str, dict[str, Any]], _: list[dict[str, Any]]) -> None:
        cases["test"].update(items=[1] * 51, behaviours=[0] * 51)

    with pytest.raises(ValueError, match=r"shows 51 events of one behaviour; .* allows 50"):
        planted(store, TIMED, TIMED_EVENTS, lengthen)


def test_behaviours_that_do_not_match_their_items_are_found(store: Store) -> None:
    with pytest.raises(ValueError, match="has not one behaviour for each item"):
        planted(store, TIMED, TIMED_EVENTS, lambda cases, _: cases["test"].update(behaviours=[0]))
    with pytest.raises(ValueError, match="an unknown behaviour code"):
        planted(store, TIMED, TIMED_EVENTS, lambda cases, _: show(cases["test"], 1, 3))


# -- real releases -------------------------------------------------------------------------------


def real(name: str) -> Path:
    if not (SHARED / name).is_dir():
        pytest.skip(f"the real dataset {name} is not on this machine")
    return SHARED / name


def pairs(path: Path) -> Iterator[tuple[str, int]]:
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        yield from zip(map(str, table[0].to_pylist()), table[1].to_pylist(), strict=True)
        return
    with gzip.open(path, "rt") as lines:
        for user, *items in map(str.split, filter(str.strip, lines)):
            yield from ((user, int(item)) for item in items)


def release(folder: Path, files: dict[str, tuple[str, str]]) -> list[Event]:
    """Items count from 1, positions through the file."""
    return [
        (user, behaviour, item + 1, position, part)
        for name, (behaviour, part) in files.items()
        for position, (user, item) in enumerate(pairs(folder / name))
    ]


def test_the_release_of_views_carts_and_purchases_becomes_cases(store: Store) -> None:
    files = {
        f"{kind}_{part}.{'parquet' if (kind, part) == ('view', 'train') else 'txt.gz'}": (
            kind,
            part,
        )
        for kind in CODES
        for part in ("train", "test")
    }
    events = release(real("tmall-view-cart-buy"), files)
    write(store, events, 11_953)
    scenario = replace(RELEASED, split=Split(kind="published", valid=0.1))
    outcome = build_behaviours(scenario, store)
    check_stored_behaviours(scenario, store)
    assert outcome.facts["test_cases"] == 15_449
    assert outcome.facts["buy_events"] == 92_180 + 15_449
    judge_released(stored(store), events, scenario)


def test_the_release_of_purchases_and_favourites_becomes_cases(store: Store) -> None:
    files = {
        "buy.txt.gz": ("buy", "train"),
        "validation.txt.gz": ("buy", "valid"),
        "test.txt.gz": ("buy", "test"),
        "collect.txt.gz": ("collect", "train"),
        "cart.txt.gz": ("cart", "train"),
    }
    events = release(real("tmall-buy-collect-mbgcn"), files)
    write(store, events, 11_953)
    scenario = replace(RELEASED, behaviours=Behaviours(auxiliary=("collect",), max_length=20))
    outcome = build_behaviours(scenario, store)
    check_stored_behaviours(scenario, store)
    assert outcome.facts["test_cases"] == 74_158 and outcome.facts["valid_cases"] == 31_572
    assert outcome.facts["ignored_events"] == 1_996
    shown = {user for user, kind, _, _, part in events if kind != "cart" and part == "train"}
    blank = sum(part != "train" and user not in shown for user, _, _, _, part in events)
    assert outcome.facts["held_out_without_history"] == blank
