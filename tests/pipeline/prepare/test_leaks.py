"""Each leak, planted, is found."""

from typing import Any

import polars as pl
import pytest

from pipeline.prepare.leaks import check_no_leak

ITEM_DOMAIN = pl.DataFrame(
    {"item": [1, 2, 3, 4, 5, 6], "domain": ["food"] * 3 + ["tools"] * 3},
    schema={"item": pl.Int32, "domain": pl.String},
)
ROWS: list[dict[str, Any]] = [
    {"user_id": "solo", "part": "single", "items": [1, 2]},
    {"user_id": "both", "part": "overlap", "items": [1, 4, 2]},
    {"user_id": "val", "part": "valid", "items": [1, 3], "target_domain": "tools", "label": 5},
    {"user_id": "tes", "part": "test", "items": [6], "target_domain": "food", "label": 2},
]
SCHEMA = {
    "user_id": pl.String,
    "part": pl.String,
    "items": pl.List(pl.Int32),
    "target_domain": pl.String,
    "label": pl.Int32,
}


def check(rows: list[dict[str, Any]]) -> None:
    check_no_leak(pl.DataFrame(rows, schema=SCHEMA), ITEM_DOMAIN, "little")


def changed(user: str, **values: Any) -> list[dict[str, Any]]:
    return [row | values if row["user_id"] == user else row for row in ROWS]


def test_sound_sequences_pass() -> None:
    check(ROWS)


@pytest.mark.parametrize("part", ["overlap", "valid", "test"])
def test_an_empty_part_is_named(part: str) -> None:
    with pytest.raises(ValueError, match=f"the {part} set is empty"):
        check([row for row in ROWS if row["part"] != part])


def test_an_evaluation_user_who_also_trains_is_found() -> None:
    with pytest.raises(ValueError, match="user 'tes' has 2 sequences"):
        check([*ROWS, {"user_id": "tes", "part": "single", "items": [4, 5]}])


def test_an_item_of_the_target_domain_in_a_cold_history_is_found() -> None:
    with pytest.raises(ValueError, match="cold user 'val' shows item 4 of the target domain"):
        check(changed("val", items=[1, 4]))


def test_a_label_in_its_own_history_is_found() -> None:
    # The label lies in another domain than it claims: only its own check can see this.
    with pytest.raises(ValueError, match="cold user 'val' shows item 3"):
        check(changed("val", label=3))


@pytest.mark.parametrize(
    ("user", "values", "item"),
    [
        ("solo", {"items": [1, 7]}, "7"),
        ("solo", {"items": [0, 1]}, "0"),
        ("both", {"items": [1, None]}, "None"),
        ("val", {"label": 99}, "99"),
    ],
)
def test_an_item_that_does_not_exist_is_found(user: str, values: dict[str, Any], item: str) -> None:
    with pytest.raises(ValueError, match=f"a sequence names item {item}, which does not exist"):
        check(changed(user, **values))


def test_an_evaluation_sequence_that_also_trains_under_another_name_is_found() -> None:
    copy = {"user_id": "twin", "part": "overlap", "items": [1, 3, 5]}
    with pytest.raises(ValueError, match="the sequence of evaluation user 'val' also trains"):
        check([*ROWS, copy])
