"""The k-core by hand, and against the definition taken literally."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.catalog.scenarios import CoreRule, Filters
from pipeline.prepare import kcore
from pipeline.prepare.kcore import k_core_mask

RULES: tuple[CoreRule, ...] = get_args(CoreRule)


@dataclass(frozen=True, kw_only=True)
class Case:
    rows: list[tuple[int, int]]  # user and item; item i belongs to domain i % num_domains
    filters: Filters
    num_domains: int
    block: int = kcore.BLOCK


def mask(case: Case) -> np.ndarray:
    users, items = np.array(case.rows, dtype=np.int32).reshape(-1, 2).T
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kcore, "BLOCK", case.block)
        domains = (items % case.num_domains).astype(np.int8)
        return k_core_mask(users, items, domains, case.filters, case.num_domains)


def survivors(case: Case) -> list[tuple[int, int]]:
    return [row for row, kept in zip(case.rows, mask(case), strict=True) if kept]


def literal(case: Case) -> list[tuple[int, int]]:
    """Drop one user or one item at a time, the first that the rule does not allow."""
    rows = case.rows
    while True:
        wrong = next((row for row in rows if not_allowed(row, rows, case)), None)
        if wrong is None:
            return rows
        rows = [row for row in rows if not goes_with(wrong, row, rows, case)]


def not_allowed(row: tuple[int, int], rows: list[tuple[int, int]], case: Case) -> bool:
    return item_is_rare(row[1], rows, case) or not user_is_allowed(row, rows, case)


def goes_with(
    wrong: tuple[int, int], row: tuple[int, int], rows: list[tuple[int, int]], case: Case
) -> bool:
    """Whether `row` has the item that is rare in `wrong`, or else its user."""
    if item_is_rare(wrong[1], rows, case):
        return row[1] == wrong[1]
    same_domain = row[1] % case.num_domains == wrong[1] % case.num_domains
    return row[0] == wrong[0] and (case.filters.k_core_rule != "per-domain" or same_domain)


def item_is_rare(item: int, rows: list[tuple[int, int]], case: Case) -> bool:
    return sum(other == item for _, other in rows) < case.filters.k_core


def user_is_allowed(row: tuple[int, int], rows: list[tuple[int, int]], case: Case) -> bool:
    counts = Counter(item % case.num_domains for user, item in rows if user == row[0])
    enough = counts.total() >= case.filters.k_core
    if case.filters.k_core_rule == "per-domain":
        return counts[row[1] % case.num_domains] >= case.filters.k_core
    if case.filters.k_core_rule == "overlap-kept":
        return enough or len(counts) >= 2
    if case.filters.k_core_rule == "min-per-domain":
        least = min(counts[domain] for domain in range(case.num_domains))
        return enough and least >= case.filters.min_per_domain
    return enough


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Few users and items, so that drops cascade; rows may repeat; blocks of few rows."""
    rows = st.tuples(st.integers(0, 6), st.integers(0, 7))
    filters = Filters(
        k_core=draw(st.integers(1, 4)),
        k_core_rule=draw(st.sampled_from(RULES)),
        min_per_domain=draw(st.integers(1, 3)),
    )
    return Case(
        rows=draw(st.lists(rows, max_size=60)),
        filters=filters,
        num_domains=draw(st.integers(1, 3)),
        block=draw(st.sampled_from([1, 3, 7, 100])),
    )


@given(cases())
def test_it_is_what_dropping_one_at_a_time_leaves(case: Case) -> None:
    assert survivors(case) == literal(case)


@given(cases())
def test_every_user_and_item_that_is_left_keeps_the_rule(case: Case) -> None:
    left = survivors(case)
    if case.filters.k_core == 1 and case.filters.k_core_rule != "min-per-domain":
        assert left == case.rows
    for row in left:
        assert not item_is_rare(row[1], left, case)
        assert user_is_allowed(row, left, case)


@given(cases())
def test_a_core_is_its_own_core(case: Case) -> None:
    assert mask(replace(case, rows=survivors(case))).all()


@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_rows_decides_nothing(case: Case, random: st.DataObject) -> None:
    order = list(range(len(case.rows)))
    random.shuffle(order)  # type: ignore[attr-defined]
    shuffled = replace(case, rows=[case.rows[place] for place in order])
    assert mask(shuffled).tolist() == mask(case)[order].tolist()


def union(rows: list[tuple[int, int]], k: int) -> Case:
    return Case(rows=rows, filters=Filters(k_core=k), num_domains=2)


def ruled(rows: list[tuple[int, int]], k: int, rule: CoreRule, least: int = 1) -> Case:
    filters = Filters(k_core=k, k_core_rule=rule, min_per_domain=least)
    return Case(rows=rows, filters=filters, num_domains=2)


def test_dropping_an_item_may_drop_a_user_who_dropped_another_item() -> None:
    # Item 2 is had once; without it user 3 has one item left; without user 3 item 1 has one user
    # left; without item 1 user 2 has one item left; and then nobody has two.
    rows = [(1, 0), (2, 0), (2, 1), (3, 1), (3, 2), (1, 3), (4, 3)]
    assert survivors(union(rows, 2)) == []


def test_a_square_of_two_users_and_two_items_survives_and_keeps_its_order() -> None:
    square = [(2, 1), (1, 0), (2, 0), (1, 1)]
    rows = [square[0], (1, 2), *square[1:], (3, 0)]
    assert mask(union(rows, 2)).tolist() == [True, False, True, True, True, False]


def test_union_counts_a_user_over_all_domains_and_per_domain_does_not() -> None:
    one_item_of_each_domain = [(1, 0), (1, 1), (2, 0), (2, 1)]
    assert survivors(union(one_item_of_each_domain, 2)) == one_item_of_each_domain
    assert survivors(ruled(one_item_of_each_domain, 2, "per-domain")) == []


def test_per_domain_drops_a_user_from_one_domain_and_keeps_her_in_another() -> None:
    square = [(1, 0), (1, 2), (2, 0), (2, 2)]
    assert survivors(ruled([*square, (1, 1), (3, 1)], 2, "per-domain")) == square


def test_overlap_kept_never_drops_who_is_active_in_two_domains() -> None:
    # Users 0 and 1 have two interactions, 2 and 3 lie in one domain; items have three users.
    rows = [(user, item) for user in (0, 1, 4) for item in (0, 1)]
    rows += [(4, 2), (2, 0), (3, 2)]
    assert survivors(ruled(rows, 3, "overlap-kept")) == rows[:6]
    assert survivors(union(rows, 3)) == []


def test_who_loses_the_second_domain_to_a_rare_item_loses_the_privilege() -> None:
    rows = [(0, 0), (1, 0), (0, 1)]
    assert survivors(ruled(rows, 2, "overlap-kept")) == []
    assert survivors(ruled([*rows, (1, 1)], 3, "overlap-kept")) == []  # items have two users
    assert survivors(ruled([*rows, (1, 1)], 2, "overlap-kept")) == [*rows, (1, 1)]


def test_min_per_domain_keeps_users_with_enough_in_every_domain() -> None:
    both = [(user, item) for user in (1, 2) for item in (0, 1, 2, 3)]
    lopsided = [(3, 0), (3, 1), (3, 2)]  # one interaction in domain 1
    assert survivors(ruled([*lopsided, *both], 2, "min-per-domain", 2)) == both
    assert survivors(ruled([*both, *lopsided], 2, "min-per-domain", 1)) == [*both, *lopsided]


def test_min_per_domain_with_a_core_of_one_keeps_who_is_in_every_domain() -> None:
    assert survivors(ruled([(1, 0), (1, 1), (2, 0)], 1, "min-per-domain")) == [(1, 0), (1, 1)]


def test_a_domain_without_interactions_counts_under_min_per_domain() -> None:
    rows = [(1, 0), (1, 2)]
    assert survivors(ruled(rows, 1, "min-per-domain")) == []
    assert survivors(replace(ruled(rows, 1, "min-per-domain"), num_domains=1)) == rows


@pytest.mark.parametrize("rule", ["union", "per-domain", "overlap-kept"])
def test_a_core_of_one_keeps_everything(rule: CoreRule) -> None:
    assert mask(ruled([(1, 0), (2, 3)], 1, rule)).tolist() == [True, True]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("k", [1, 5])
def test_nothing_has_an_empty_core(rule: CoreRule, k: int) -> None:
    found = mask(ruled([], k, rule))
    assert found.dtype == bool
    assert found.shape == (0,)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("kind", ["uint8", "int32", "uint32", "int64", "uint64"])
def test_any_integer_dtype_will_do_and_inputs_stay_as_they_were(rule: CoreRule, kind: str) -> None:
    generator = np.random.default_rng(0)
    users, items = (generator.random((2, 600)) ** 3 * 100).astype(np.int64)
    filters = Filters(k_core=4, k_core_rule=rule, min_per_domain=2)
    columns = tuple(column.astype(kind) for column in (users, items, items % 3))
    found = k_core_mask(columns[0], columns[1], columns[2], filters, 3)
    expected = k_core_mask(users, items, items % 3, filters, 3)
    assert found.dtype == bool
    assert found.tolist() == expected.tolist()
    assert 0 < found.sum() < 600
    assert (
        (columns[0] == users).all()
        and (columns[1] == items).all()
        and (columns[2] == items % 3).all()
    )


def test_user_codes_past_32_bits_of_domain_keys_are_kept_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The switch to int64, at a size that a test can afford."""
    monkeypatch.setattr(kcore, "_least_dtype", lambda size: np.int64)
    rows = [(1, 0), (1, 2), (2, 0), (2, 2), (1, 1), (3, 1)]
    assert survivors(ruled(rows, 2, "per-domain")) == rows[:4]


def test_the_key_dtype_switches_where_int32_ends() -> None:
    assert kcore._least_dtype(2**31 - 1) is np.int32
    assert kcore._least_dtype(2**31) is np.int64


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([0, 1], [0], [0, 0]), "2 users, 1 items and 2 domains"),
        (([0, -1], [0, 1], [0, 0]), "user code -1 is negative"),
        (([0, 1], [-3, 1], [0, 0]), "item code -3 is negative"),
        (([0, 1], [0, 1], [0, 2]), "domain code 2 with num_domains = 2"),
    ],
)
def test_codes_that_cannot_be_are_named(columns: tuple[list[int], ...], message: str) -> None:
    users, items, domains = (np.array(column) for column in columns)
    with pytest.raises(ValueError, match=message):
        k_core_mask(users, items, domains, Filters(k_core=2), 2)
