"""The k-core by hand, and against the definition taken literally."""

import numpy as np
import polars as pl
import pytest

from pipeline.prepare.kcore import k_core, k_core_mask


def frame(*rows: tuple[str, str, str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["user_id", "domain", "item_id"], orient="row")


def naive(rows: list[tuple[int, int]], k: int) -> list[tuple[int, int]]:
    """Drop one user or item at a time until none is too rare."""
    while True:
        users, items = [user for user, _ in rows], [item for _, item in rows]
        rare = [user for user in users if users.count(user) < k]
        if rare:
            rows = [row for row in rows if row[0] != rare[0]]
            continue
        rare = [item for item in items if items.count(item) < k]
        if not rare:
            return rows
        rows = [row for row in rows if row[1] != rare[0]]


def test_dropping_an_item_may_drop_a_user_who_dropped_another_item() -> None:
    # c is bought once; without it u3 has one item left; without u3 item b has one buyer left;
    # without b user u2 has one item left; and then nobody has two.
    rows = frame(("u1", "f", "a"), ("u2", "f", "a"), ("u2", "f", "b"), ("u3", "f", "b"))
    rows = pl.concat([rows, frame(("u3", "f", "c"), ("u1", "f", "d"), ("u4", "f", "d"))])
    assert k_core(rows, 2).height == 0


def test_a_square_of_two_users_and_two_items_survives_and_keeps_its_order() -> None:
    square = [("u2", "f", "b"), ("u1", "f", "a"), ("u2", "f", "a"), ("u1", "f", "b")]
    rows = frame(square[0], ("u1", "f", "c"), *square[1:], ("u3", "f", "a"))
    assert k_core(rows, 2).rows() == square


def test_users_count_over_all_domains_and_equal_names_are_different_items() -> None:
    rows = frame(("u1", "f", "a"), ("u1", "g", "a"), ("u2", "f", "a"), ("u2", "g", "a"))
    assert k_core(rows, 2).height == 4
    assert k_core(rows, 3).height == 0


def test_a_core_of_one_keeps_everything() -> None:
    rows = frame(("u1", "f", "a"))
    assert k_core(rows, 1).equals(rows)


def test_nothing_has_an_empty_core() -> None:
    assert k_core(frame(), 5).height == 0


@pytest.mark.parametrize("k", [2, 3, 4])
@pytest.mark.parametrize("seed", range(5))
def test_it_is_what_the_definition_says_and_a_fixpoint(k: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    users, items = generator.integers(0, 15, 60), generator.integers(0, 15, 60)
    keep = k_core_mask(users, items, k)
    rows = list(zip(users.tolist(), items.tolist(), strict=True))
    assert [row for row, kept in zip(rows, keep, strict=True) if kept] == naive(rows, k)
    assert k_core_mask(users[keep], items[keep], k).all()
