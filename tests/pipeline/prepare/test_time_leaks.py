"""Each look ahead in time, planted, is found."""

from typing import Any

import polars as pl
import pytest

from pipeline.catalog import Scenario, Split
from pipeline.prepare.global_time import Cuts
from pipeline.prepare.time_leaks import check_times

SCENARIO = Scenario(
    name="later",
    domains=("food", "tools"),
    task="cross-domain-sequential",
    split=Split(kind="global-time"),
)
CUTS = Cuts(valid=200, test=300)
EVENTS = pl.DataFrame(
    [
        (0, "ann", 1, 100),
        (0, "ann", 2, 199),
        (0, "ann", 3, 200),
        (0, "ann", 4, 250),
        (0, "ann", 5, 300),
        (0, "ann", 6, 310),
        (1, "bob", 1, 120),
        (1, "bob", 3, 220),
    ],
    schema={"user": pl.Int64, "user_id": pl.String, "item": pl.Int32, "timestamp": pl.Int64},
    orient="row",
)
SCHEMA: dict[str, Any] = {
    "user": pl.Int32,
    "user_id": pl.String,
    "part": pl.String,
    "items": pl.List(pl.Int32),
    "label": pl.Int32,
}
ROWS: list[dict[str, Any]] = [
    {"user": 0, "user_id": "bob", "part": "single", "items": [1]},
    {"user": 1, "user_id": "ann", "part": "test", "items": [1, 2, 3, 4], "label": 5},
    {"user": 2, "user_id": "ann", "part": "valid", "items": [1, 2], "label": 3},
    {"user": 3, "user_id": "ann", "part": "single", "items": [1, 2]},
]


def check(rows: list[dict[str, Any]], cuts: Cuts = CUTS) -> None:
    check_times(pl.DataFrame(rows, schema=SCHEMA), EVENTS, cuts, SCENARIO)


def changed(user: str, part: str, **values: Any) -> list[dict[str, Any]]:
    return [r | values if (r["user_id"], r["part"]) == (user, part) else r for r in ROWS]


def test_a_sound_split_passes() -> None:
    check(ROWS)


@pytest.mark.parametrize(
    ("part", "items", "item"),
    [("single", [1, 2, 3], 3), ("valid", [1, 2, 3], 3), ("test", [1, 2, 3, 5], 5)],
)
def test_what_came_at_the_cut_or_after_is_found(part: str, items: list[int], item: int) -> None:
    with pytest.raises(
        ValueError,
        match=f"'later': the {part} sequence of user 'ann' holds item {item}, which the user did "
        f"not have before {300 if part == 'test' else 200}",
    ):
        check(changed("ann", part, items=items))


def test_another_users_item_is_found() -> None:
    with pytest.raises(ValueError, match="the single sequence of user 'bob' holds item 2"):
        check(changed("bob", "single", items=[2]))


def test_a_cut_that_moved_is_found() -> None:
    with pytest.raises(ValueError, match="sequence of user 'ann' holds item 2"):
        check(ROWS, Cuts(valid=199, test=300))


@pytest.mark.parametrize(("part", "due"), [("single", 2), ("valid", 2), ("test", 4)])
def test_a_history_that_lacks_something_or_shows_it_twice_is_found(part: str, due: int) -> None:
    for items in ([1], [1, 2, 2, 1, 1]):
        with pytest.raises(ValueError, match=f"has {len(items)} items, but the user did {due} "):
            check(changed("ann", part, items=items))


@pytest.mark.parametrize(("part", "label"), [("valid", 2), ("valid", 5), ("test", 4)])
def test_a_label_of_another_time_is_found(part: str, label: int) -> None:
    with pytest.raises(ValueError, match=f"the {part} label of user 'ann', item {label}, does not"):
        check(changed("ann", part, label=label))


def test_a_label_that_the_user_never_had_is_found() -> None:
    with pytest.raises(ValueError, match="the test label of user 'ann', item 9"):
        check(changed("ann", "test", label=9))


def test_a_user_without_interactions_is_found() -> None:
    with pytest.raises(ValueError, match="the single sequence of user 'eve' holds item 1"):
        check([*ROWS, {"user": 4, "user_id": "eve", "part": "single", "items": [1]}])
