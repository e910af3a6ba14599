"""CTR rows: positives, histories and negatives, judged by a checker of its own."""

import csv
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.catalog import Clicks, Scenario, Split
from pipeline.columns import CLICKS, INTERACTIONS, VOCABULARY
from pipeline.prepare.click_leaks import check_click_leaks, check_stored_clicks
from pipeline.prepare.clicks import build_clicks
from pipeline.prepare.events import read_events
from pipeline.store import Store

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
SCENARIO = Scenario(
    name="shop", domains=("food", "tools"), task="click", split=Split(kind="leave-one-out")
)
Done = list[dict[str, Any]]


def write(store: Store, done: Done, items: dict[str, int]) -> None:
    """Interactions, and a vocabulary in which each domain has so many items: food-0, food-1, ..."""
    table = pa.Table.from_pylist(done, schema=INTERACTIONS)
    store.write_table("interactions/shop", INTERACTIONS, table)
    names = [(domain, f"{domain}-{i}") for domain, count in items.items() for i in range(count)]
    rows = [
        {"item": i, "domain": domain, "item_id": item, "title": "", "text": "", "has_title": True}
        for i, (domain, item) in enumerate(names, start=1)
    ]
    table = pa.Table.from_pylist(rows, schema=VOCABULARY)
    store.write_table("vocabulary/shop", VOCABULARY, table)


def did(user: str, domain: str, number: int, timestamp: int, rating: float = 5.0) -> dict[str, Any]:
    return {
        "user_id": user,
        "domain": domain,
        "item_id": f"{domain}-{number}",
        "timestamp": timestamp,
        "rating": rating,
    }


def world(seed: int, users: int = 12, most: int = 14) -> tuple[Done, dict[str, int]]:
    """With repeats, ties of time, low ratings, and users of one click or two."""
    generator = np.random.default_rng(seed)
    sizes = {"food": 12, "tools": 9}
    done = [
        did(f"u{user}", domain, int(generator.integers(size - 1)), int(t), float(rating))
        for user in range(users)
        for domain, size in sizes.items()
        for t, rating in zip(
            10 + generator.integers(0, 40, generator.integers(1, most)),
            generator.integers(1, 6, most),
            strict=False,
        )
    ]
    done += [did("whole", "food", i, 5 + 7 * i) for i in range(6)]
    return done, sizes


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def stored(store: Store) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(store.read_table("clicks/shop")))


def numbers(sizes: dict[str, int]) -> dict[int, str]:
    names = [(domain, i) for domain, count in sizes.items() for i in range(count)]
    return {item: domain for item, (domain, _) in enumerate(names, start=1)}


def judge(table: pl.DataFrame, done: Done, sizes: dict[str, int], scenario: Scenario) -> None:
    """What the protocol says, row by row and without the order of ties."""
    first = {"food": 1, "tools": 1 + sizes["food"]}
    threshold = scenario.clicks.positive_rating or 0
    had: dict[str, set[int]] = {}
    clicked: dict[str, dict[int, int]] = {}
    for row in sorted(done, key=lambda row: row["timestamp"]):
        item = first[row["domain"]] + int(row["item_id"].split("-")[1])
        had.setdefault(row["user_id"], set()).add(item)
        if row["rating"] >= threshold:
            clicked.setdefault(row["user_id"], {}).setdefault(item, row["timestamp"])
    domain_of, copies = numbers(sizes), 1 + scenario.clicks.negatives
    rows = table.to_dicts()
    for start in range(0, len(rows), copies):
        positive, *negatives = rows[start : start + copies]
        assert positive["label"] == 1 and {row["label"] for row in negatives} == {0}
        for row in negatives:
            assert row | {"item": 0, "label": 0} == positive | {"item": 0, "label": 0}
            assert row["item"] not in had[row["user_id"]]
            assert domain_of[row["item"]] == domain_of[positive["item"]]
    positives = [row for row in rows if row["label"] == 1]
    numbered = {row["user_id"]: row["user"] for row in positives}
    assert sorted(numbered.values()) == list(range(len(numbered)))
    of: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in positives:
        of[row["user_id"]].append(row)
    for user, times in clicked.items():
        own = of[user]
        assert len(own) == len(times) - 1
        if not own:
            continue
        (start_item,) = set(times) - {row["item"] for row in own}
        order = [start_item]
        for row in own:
            assert row["history"] == order[-scenario.clicks.max_history :]
            assert row["timestamp"] == times[row["item"]]
            order.append(row["item"])
        assert [times[item] for item in order] == sorted(times.values())
        if scenario.split.kind == "leave-one-out":
            train = ["train"] * (len(own) - 2)
            assert [row["part"] for row in own] == [*train, "valid", "test"][-len(own) :]
    if scenario.split.kind == "global-time":
        ordered = sorted(row["timestamp"] for row in done)
        split = scenario.split
        counts = [round(split.test * len(done)) + round(split.valid * len(done))]
        counts.append(round(split.test * len(done)))
        valid_from, test_from = (ordered[-count] for count in counts)
        for row in positives:
            reached = (row["timestamp"] >= valid_from) + (row["timestamp"] >= test_from)
            assert row["part"] == PARTS[reached]


PARTS = ("train", "valid", "test")


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 999),
    max_history=st.integers(1, 12),
    negatives=st.integers(1, 3),
    positive_rating=st.sampled_from([None, 3.0]),
    kind=st.sampled_from(["leave-one-out", "global-time"]),
)
def test_rows_hold_to_the_protocol(
    seed: int, max_history: int, negatives: int, positive_rating: float | None, kind: Any
) -> None:
    done, sizes = world(seed)
    scenario = replace(
        SCENARIO,
        split=Split(kind=kind, valid=0.2, test=0.2, seed=seed),
        clicks=Clicks(
            max_history=max_history, negatives=negatives, positive_rating=positive_rating
        ),
    )
    with TemporaryDirectory() as folder:
        store = Store(Path(folder))
        write(store, done, sizes)
        build_clicks(scenario, store)
        judge(stored(store), done, sizes, scenario)
        check_stored_clicks(scenario, store)


def test_a_history_by_hand(store: Store) -> None:
    done = [did("ann", "food", number, time) for time, number in enumerate([4, 2, 0, 2, 3])]
    done += [did("bob", "food", number, 0) for number in range(5)]
    write(store, [*done, did("eve", "tools", 1, 3)], {"food": 6, "tools": 2})
    build_clicks(SCENARIO, store)
    ann = stored(store).filter(user_id="ann")
    assert ann.filter(label=1).select("part", "item", "timestamp", "history").rows() == [
        ("train", 3, 1, [5]),
        ("valid", 1, 2, [5, 3]),
        ("test", 4, 4, [5, 3, 1]),
    ]
    # Item 2 of food, number 3, is bought again at time 3: no row, and no second place.
    assert set(ann.filter(label=0)["item"]) <= {2, 6}
    assert set(stored(store)["user_id"]) == {"ann", "bob"} and ann["user"][0] == 0


def test_the_order_of_interactions_changes_nothing(store: Store) -> None:
    done, sizes = world(3)
    generator, digests = np.random.default_rng(0), set()
    for _ in range(3):
        write(store, [done[i] for i in generator.permutation(len(done))], sizes)
        digests.add(build_clicks(SCENARIO, store).artifact.digest)
    assert len(digests) == 1


def test_where_batches_are_cut_changes_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, sizes = world(3)
    write(store, done, sizes)
    whole = build_clicks(SCENARIO, store).artifact.digest
    monkeypatch.setattr("pipeline.prepare.clicks.chunks", lambda lengths: every_other(lengths))
    assert build_clicks(SCENARIO, store).artifact.digest == whole
    check_stored_clicks(SCENARIO, store)


def every_other(lengths: np.ndarray) -> list[slice]:
    return [slice(i, min(i + 2, len(lengths))) for i in range(0, len(lengths), 2)]


def test_reading_back_joins_rows_that_a_batch_cut_apart(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, sizes = world(3)
    scenario = replace(SCENARIO, clicks=Clicks(negatives=4))
    write(store, done, sizes)
    build_clicks(scenario, store)
    table = store.read_table("clicks/shop")
    pieces = table.to_batches(max_chunksize=3)
    assert len(pieces) > 20
    monkeypatch.setattr(Store, "read_batches", lambda *_: iter(pieces))
    check_stored_clicks(scenario, store)


def test_negatives_are_drawn_uniformly(store: Store) -> None:
    # Nobody had the last three items of food; each positive draws a thousand of them.
    done = [did("ann", "food", number, number) for number in (0, 2, 4, 5)]
    done.append(did("bob", "tools", 0, 0))
    write(store, done, {"food": 8, "tools": 3})
    build_clicks(replace(SCENARIO, clicks=Clicks(negatives=1000)), store)
    drawn = stored(store).filter(label=0)["item"].value_counts().sort("item")
    assert drawn["item"].to_list() == [2, 4, 7, 8]
    assert drawn["count"].min() > 650 and drawn["count"].max() < 850  # type: ignore[operator]


def test_only_the_newest_clicks_are_kept_where_the_split_says_so(store: Store) -> None:
    done, sizes = world(3)
    write(store, done, sizes)
    build_clicks(replace(SCENARIO, split=replace(SCENARIO.split, newest=4)), store)
    positives = stored(store).filter(label=1)
    assert positives.group_by("user_id").len()["len"].max() == 3
    whole = positives.filter(user_id="whole")
    assert whole["history"].to_list()[-1] == [3, 4, 5] and whole["item"].to_list()[-1] == 6


def test_people_read_how_many_rows_there_are(store: Store) -> None:
    done, sizes = world(3)
    write(store, done, sizes)
    outcome = build_clicks(SCENARIO, store)
    positives = stored(store).filter(label=1)
    for part in PARTS:
        assert outcome.facts[f"{part}_clicks"] == positives.filter(part=part).height
    assert outcome.artifact.num_rows == 2 * positives.height
    assert outcome.facts["users"] == positives["user"].n_unique()
    assert outcome.facts["mean_history"] == pytest.approx(
        positives["history"].list.len().mean(), abs=0.01
    )


def test_ratings_are_needed_where_clicks_depend_on_them(store: Store) -> None:
    done, sizes = world(3)
    done[0]["rating"] = None
    write(store, done, sizes)
    build_clicks(SCENARIO, store)
    with pytest.raises(ValueError, match=r"1 interactions have no rating; clicks.positive_rating"):
        build_clicks(replace(SCENARIO, clicks=Clicks(positive_rating=4)), store)


def test_a_user_who_had_all_of_a_domain_is_named(store: Store) -> None:
    # The low-rated item counts, too: the user had it.
    done = [did("ann", "tools", number, number, 5.0 if number < 4 else 1.0) for number in range(5)]
    done += [did("bob", "food", number, number) for number in range(5)]
    write(store, done, {"food": 9, "tools": 5})
    scenario = replace(SCENARIO, clicks=Clicks(positive_rating=4))
    with pytest.raises(ValueError, match="user 'ann' had every item of domain 'tools'"):
        build_clicks(scenario, store)


@pytest.mark.parametrize(("count", "part"), [(1, "train"), (2, "train"), (3, "train")])
def test_an_empty_part_is_named(store: Store, count: int, part: str) -> None:
    done = [did("ann", "food", number, number) for number in range(count)]
    write(store, done, {"food": 9, "tools": 5})
    with pytest.raises(ValueError, match=f"no click falls into the {part} part"):
        build_clicks(SCENARIO, store)
    assert not store.exists("clicks/shop", ".parquet")


def planted(store: Store, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """Build soundly, change rows in place, and check again."""
    done = [did("ann", "food", number, 10 * number) for number in range(6)]
    done += [did("bob", "food", 7, 100, 1.0), did("ann", "food", 6, 5, 1.0)]
    write(store, done, {"food": 9, "tools": 5})
    scenario = replace(SCENARIO, clicks=Clicks(positive_rating=4))
    build_clicks(scenario, store)
    events = read_events(scenario, store)
    check_click_leaks(stored(store), events, scenario)
    rows = stored(store).to_dicts()
    change(rows)
    table = pa.Table.from_pylist(rows, schema=CLICKS)
    with pytest.raises(ValueError) as raised:
        check_click_leaks(pl.DataFrame(pl.from_arrow(table)), events, scenario)
    # The same table, stored, is refused, too.
    store.write_table("clicks/shop", CLICKS, table)
    with pytest.raises(ValueError):
        check_stored_clicks(scenario, store)
    raise raised.value


def both(rows: list[dict[str, Any]], number: int, **values: Any) -> None:
    """Change the positive row `number` and its negative."""
    rows[2 * number] |= values
    rows[2 * number + 1] |= values


def test_a_target_in_its_own_history_is_found(store: Store) -> None:
    with pytest.raises(ValueError, match="'ann' shows item 3 in the history of item 3"):
        planted(store, lambda rows: both(rows, 1, history=[1, 3]))


def test_a_later_item_in_a_history_is_found(store: Store) -> None:
    with pytest.raises(ValueError, match="'ann' shows item 4 in the history of item 3"):
        planted(store, lambda rows: both(rows, 1, history=[1, 4]))


def test_a_low_rated_item_in_a_history_is_found(store: Store) -> None:
    with pytest.raises(ValueError, match="'ann' shows item 7 in the history of item 3"):
        planted(store, lambda rows: both(rows, 1, history=[1, 7]))


def test_an_empty_history_is_found(store: Store) -> None:
    with pytest.raises(ValueError, match="'ann' has an empty history"):
        planted(store, lambda rows: both(rows, 1, history=[]))


def test_a_negative_that_the_user_had_is_found(store: Store) -> None:
    with pytest.raises(ValueError, match="item 7 is a negative of user 'ann', who had it"):
        planted(store, lambda rows: rows[3].update(item=7))


def test_a_negative_with_another_history_is_found(store: Store) -> None:
    with pytest.raises(ValueError, match="a negative row of user 'ann' differs"):
        planted(store, lambda rows: rows[3].update(history=[2, 1]))


@pytest.mark.parametrize("column", ["part", "timestamp", "user_id"])
def test_a_negative_of_another_row_is_found(store: Store, column: str) -> None:
    other = {"part": "test", "timestamp": 11, "user_id": "bob"}
    with pytest.raises(ValueError, match=r"a negative row of user '(ann|bob)' differs"):
        planted(store, lambda rows: rows[3].update({column: other[column]}))


def test_a_positive_without_its_negative_is_found(store: Store) -> None:
    with pytest.raises(ValueError, match="a positive row is not followed by 1 negative"):
        planted(store, lambda rows: rows.pop(3) and None)


def test_a_click_at_another_time_is_found(store: Store) -> None:
    with pytest.raises(ValueError, match="'ann' did not click item 3 at 21 first"):
        planted(store, lambda rows: both(rows, 1, timestamp=21))


def test_a_target_that_was_not_clicked_is_found(store: Store) -> None:
    with pytest.raises(ValueError, match="'ann' did not click item 7"):
        planted(store, lambda rows: rows[2].update(item=7))


def test_a_user_without_interactions_is_found(store: Store) -> None:
    with pytest.raises(ValueError, match="user 'zoe' has no interaction"):
        planted(store, lambda rows: both(rows, 1, user_id="zoe"))


def test_an_answer_of_the_test_part_that_trains_is_found(store: Store) -> None:
    with pytest.raises(ValueError, match="the clicks of user 'ann' do not train before"):
        planted(store, lambda rows: rows.extend(row | {"part": "train"} for row in rows[-2:]))


@pytest.mark.parametrize(("number", "part"), [(0, "valid"), (0, "test"), (4, "train"), (3, "test")])
def test_parts_out_of_order_are_found(store: Store, number: int, part: str) -> None:
    with pytest.raises(ValueError, match="the clicks of user 'ann' do not train before"):
        planted(store, lambda rows: both(rows, number, part=part))


def test_parts_that_overlap_in_time_over_users_are_found(store: Store) -> None:
    done = [did(user, "food", i, 10 + 10 * i) for user in ("ann", "bob") for i in range(6)]
    write(store, done, {"food": 9, "tools": 5})
    scenario = replace(SCENARIO, split=Split(kind="global-time", valid=0.2, test=0.2))
    build_clicks(scenario, store)
    late = (pl.col("user_id") == "bob") & (pl.col("timestamp") == 50)
    table = stored(store)
    assert table.filter(late)["part"].to_list() == ["valid", "valid"]
    table = table.with_columns(pl.when(late).then(pl.lit("train")).otherwise("part").alias("part"))
    with pytest.raises(
        ValueError, match="a click of part train at 50 does not precede one of part"
    ):
        check_click_leaks(table, read_events(scenario, store), scenario)


def test_movielens_becomes_clicks(store: Store) -> None:
    ratings = SHARED / "movielens-small" / "ml-latest-small" / "ratings.csv"
    if not ratings.exists():
        pytest.skip("the real dataset movielens-small is not on this machine")
    with ratings.open(newline="") as file:
        rows = list(csv.DictReader(file))
    movies = {movie: i for i, movie in enumerate(sorted({row["movieId"] for row in rows}))}
    done = [
        did(r["userId"], "food", movies[r["movieId"]], int(r["timestamp"]), float(r["rating"]))
        for r in rows
    ]
    sizes = {"food": len(movies), "tools": 1}
    write(store, done, sizes)
    scenario = replace(SCENARIO, clicks=Clicks(positive_rating=4, max_history=20))
    outcome = build_clicks(scenario, store)
    judge(stored(store), done, sizes, scenario)
    check_stored_clicks(scenario, store)
    liked: dict[str, int] = {}
    for row in rows:
        liked[row["userId"]] = liked.get(row["userId"], 0) + (float(row["rating"]) >= 4)
    assert outcome.facts["test_clicks"] == sum(count >= 2 for count in liked.values())
    assert outcome.facts["valid_clicks"] == sum(count >= 3 for count in liked.values())
    assert outcome.facts["train_clicks"] == sum(max(count - 3, 0) for count in liked.values())
