"""Each leak, planted, is found."""

from typing import Any

import polars as pl
import pytest

from pipeline.catalog import Scenario, Split
from pipeline.prepare.leaks import check_no_leak

ITEM_DOMAIN = pl.DataFrame(
    {"item": [1, 2, 3, 4, 5, 6], "domain": ["food"] * 3 + ["tools"] * 3},
    schema={"item": pl.Int32, "domain": pl.String},
)
SCHEMA: dict[str, Any] = {
    "user_id": pl.String,
    "part": pl.String,
    "items": pl.List(pl.Int32),
    "target_domain": pl.String,
    "label": pl.Int32,
}
Rows = list[dict[str, Any]]


def row(user: str, part: str, items: list[int], label: int | None = None) -> dict[str, Any]:
    domain = None if label is None else "food" if label < 4 else "tools"
    return {
        "user_id": user,
        "part": part,
        "items": items,
        "target_domain": domain,
        "label": label,
    }


BY_USER = [
    row("solo", "single", [1, 2]),
    row("both", "overlap", [1, 4, 2]),
    row("val", "valid", [1, 3], 5),
    row("tes", "test", [6], 2),
]
LEAVE_ONE_OUT = [
    row("ann", "overlap", [1, 4]),
    row("ann", "valid", [1, 4], 2),
    row("ann", "test", [1, 4, 2], 5),
    row("bob", "single", [6]),
    row("bob", "valid", [6], 5),
    row("bob", "test", [6, 5], 4),
    row("few", "single", [1, 3]),
]
BY_TIME = [
    row("ann", "overlap", [1, 4]),
    row("ann", "valid", [1, 4], 2),
    row("ann", "test", [1, 4, 2, 5], 3),
    row("bob", "single", [6, 5]),
    row("bob", "test", [6, 5], 1),
    row("new", "test", [3], 4),
]
COLD_BY_TIME = [
    row("both", "overlap", [1, 4]),
    row("ann", "single", [1, 2]),
    row("ann", "valid", [1, 2], 4),
    row("bob", "single", [6, 5]),
    row("bob", "test", [6, 5, 4], 1),
]


def scenario(kind: str, task: str = "inter-domain") -> Scenario:
    split = Split(kind=kind)  # type: ignore[arg-type]
    return Scenario(name="little", domains=("food", "tools"), task=task, split=split)  # type: ignore[arg-type]


SOUND = {
    "random": (BY_USER, scenario("random")),
    "published": (BY_USER, scenario("published")),
    "leave-one-out": (LEAVE_ONE_OUT, scenario("leave-one-out", "cross-domain-sequential")),
    "global-time": (BY_TIME, scenario("global-time", "cross-domain-sequential")),
    "cold-global-time": (COLD_BY_TIME, scenario("global-time")),
}
"""Of each kind, rows that pass."""


def check(rows: Rows, kind: str = "random") -> None:
    check_no_leak(pl.DataFrame(rows, schema=SCHEMA), ITEM_DOMAIN, SOUND[kind][1])


def changed(kind: str, user: str, part: str, **values: Any) -> Rows:
    key = (user, part)
    rows = [r | values if (r["user_id"], r["part"]) == key else r for r in SOUND[kind][0]]
    assert rows != SOUND[kind][0]
    return rows


def without(kind: str, user: str, part: str) -> Rows:
    rows = [r for r in SOUND[kind][0] if (r["user_id"], r["part"]) != (user, part)]
    assert len(rows) == len(SOUND[kind][0]) - 1
    return rows


@pytest.mark.parametrize("kind", SOUND)
def test_sound_sequences_pass(kind: str) -> None:
    check(SOUND[kind][0], kind)


@pytest.mark.parametrize("kind", SOUND)
@pytest.mark.parametrize("part", ["valid", "test"])
def test_an_empty_part_is_named(kind: str, part: str) -> None:
    with pytest.raises(ValueError, match=f"'little': the {part} set is empty"):
        check([r for r in SOUND[kind][0] if r["part"] != part], kind)


def test_cold_users_need_training_users_of_several_domains() -> None:
    with pytest.raises(ValueError, match="the overlap set is empty"):
        check([r for r in BY_USER if r["part"] != "overlap"])


def test_users_known_everywhere_need_training_users_of_any_kind() -> None:
    check([r for r in LEAVE_ONE_OUT if r["user_id"] != "ann"], "leave-one-out")
    cases = [r for r in LEAVE_ONE_OUT if r["label"] is not None]
    with pytest.raises(ValueError, match="the single or overlap set is empty"):
        check(cases, "leave-one-out")


def test_an_evaluation_user_who_also_trains_is_found() -> None:
    with pytest.raises(ValueError, match="user 'tes' has 2 sequences; one user belongs to one"):
        check([*BY_USER, row("tes", "single", [4, 5])])


@pytest.mark.parametrize("kind", SOUND)
@pytest.mark.parametrize("part", ["training", "test"])
def test_a_second_sequence_of_one_part_is_found(kind: str, part: str) -> None:
    rows = SOUND[kind][0]
    own = [r for r in rows if (r["label"] is None) == (part == "training") and r["part"] != "valid"]
    # The other training part: still one user who trains twice.
    other = {"single": "overlap", "overlap": "single", "test": "test"}[own[0]["part"]]
    user = own[0]["user_id"]
    with pytest.raises(ValueError, match=f"user '{user}' has more than one {part} sequence"):
        check([*rows, own[0] | {"part": other}], kind)


@pytest.mark.parametrize(
    ("kind", "user", "part"), [("random", "val", "valid"), ("cold-global-time", "ann", "valid")]
)
def test_an_item_of_the_target_domain_in_a_cold_history_is_found(
    kind: str, user: str, part: str
) -> None:
    with pytest.raises(ValueError, match=f"cold user '{user}' shows item 6 of the target domain"):
        check(changed(kind, user, part, items=[1, 6]), kind)


def test_a_label_in_its_own_history_is_found() -> None:
    # The label lies in another domain than it claims: only its own check can see this.
    with pytest.raises(ValueError, match="cold user 'val' shows item 3"):
        check(changed("random", "val", "valid", label=3))


@pytest.mark.parametrize(
    ("user", "part", "values"),
    [
        ("val", "valid", {"label": None, "target_domain": None}),
        ("val", "valid", {"target_domain": None}),
        ("val", "valid", {"label": 2}),  # of food, and in no history
        ("solo", "single", {"label": 4, "target_domain": "tools"}),
    ],
)
def test_a_label_that_does_not_fit_its_row_is_found(
    user: str, part: str, values: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=f"the {part} sequence of user '{user}' has label"):
        check(changed("random", user, part, **values))


@pytest.mark.parametrize(
    ("user", "part", "values", "item"),
    [
        ("solo", "single", {"items": [1, 7]}, "7"),
        ("solo", "single", {"items": [0, 1]}, "0"),
        ("both", "overlap", {"items": [1, None]}, "None"),
        ("val", "valid", {"label": 99}, "99"),
    ],
)
def test_an_item_that_does_not_exist_is_found(
    user: str, part: str, values: dict[str, Any], item: str
) -> None:
    with pytest.raises(ValueError, match=f"a sequence names item {item}, which does not exist"):
        check(changed("random", user, part, **values))


@pytest.mark.parametrize("kind", SOUND)
def test_a_case_that_shows_nothing_is_found(kind: str) -> None:
    user = next(r["user_id"] for r in SOUND[kind][0] if r["part"] == "test")
    with pytest.raises(ValueError, match=f"the test sequence of user '{user}' is empty"):
        check(changed(kind, user, "test", items=[]), kind)


def test_a_published_sequence_that_also_trains_under_another_name_is_found() -> None:
    twin = row("twin", "overlap", [1, 3, 5])
    with pytest.raises(ValueError, match="the sequence of evaluation user 'val' also trains"):
        check([*BY_USER, twin], "published")
    # Where users have ids of their own, two of them may do the same.
    check([*BY_USER, twin], "random")


@pytest.mark.parametrize("items", [[1, 4, 2], [1], [4, 1], [1, 4, 2, 5]])
def test_training_on_other_items_than_the_validation_case_shows_is_found(items: list[int]) -> None:
    for kind in ("leave-one-out", "global-time"):
        with pytest.raises(ValueError, match="user 'ann' trains on other items than its validat"):
            check(changed(kind, "ann", "overlap", items=items), kind)


@pytest.mark.parametrize("items", [[1, 4], [1, 4, 5], [1, 4, 2, 5], [4, 1, 2], [2, 1, 4]])
def test_a_test_case_that_does_not_follow_its_validation_case_is_found(items: list[int]) -> None:
    with pytest.raises(ValueError, match="the test case of user 'ann' does not show the history"):
        check(changed("leave-one-out", "ann", "test", items=items), "leave-one-out")


@pytest.mark.parametrize("part", ["overlap", "valid", "test"])
def test_a_user_with_a_part_missing_is_found(part: str) -> None:
    with pytest.raises(ValueError, match="user 'ann' has a case, but not one training sequence"):
        check(without("leave-one-out", "ann", part), "leave-one-out")


def test_a_user_whose_labels_train_with_the_rest_is_found() -> None:
    rows = changed("leave-one-out", "few", "single", items=[1, 3, 2])
    with pytest.raises(ValueError, match="all 3 interactions of user 'few' train"):
        check(rows, "leave-one-out")


def test_training_on_what_a_test_case_by_time_does_not_show_first_is_found() -> None:
    for items in ([5, 6], [5], [6, 4, 5]):
        with pytest.raises(ValueError, match="test case of user 'bob' does not begin with what"):
            check(changed("global-time", "bob", "test", items=items), "global-time")


def test_a_test_label_by_time_that_trains_is_found() -> None:
    with pytest.raises(ValueError, match="test case of user 'bob' does not begin with what"):
        check(changed("global-time", "bob", "single", items=[6, 5, 1]), "global-time")


def test_a_validation_case_by_time_whose_user_does_not_train_is_found() -> None:
    with pytest.raises(ValueError, match="user 'ann' trains on other items than its validation"):
        check(without("global-time", "ann", "overlap"), "global-time")


def test_a_test_case_by_time_that_forgets_the_validation_label_is_found() -> None:
    with pytest.raises(ValueError, match="test case of user 'ann' does not show the label of its"):
        check(changed("global-time", "ann", "test", items=[1, 4, 5]), "global-time")
