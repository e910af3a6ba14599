"""Figures are small, reproducible, and take names literally."""

import numpy as np
import pytest

from pipeline.prepare import card_plots

NAMES = [f"domain-{i}" for i in range(24)]


def check(png: bytes) -> None:
    assert png.startswith(b"\x89PNG") and png.endswith(b"IEND\xaeB`\x82")
    assert len(png) < 100_000


@pytest.fixture
def counts() -> dict[str, np.ndarray]:
    """As Polars gives numbers of rows: unsigned, which has no negative."""
    generator = np.random.default_rng(0)
    return {name: generator.zipf(1.6, 4_000).clip(1, 9_000).astype(np.uint32) for name in NAMES}


def test_figures_of_many_domains_stay_small(counts: dict[str, np.ndarray]) -> None:
    check(card_plots.sequence_lengths(counts))
    check(card_plots.item_popularity(counts))
    days = np.datetime64("1996-05-01") + np.arange(8_000)
    check(card_plots.over_time({name: days[number::7] for number, name in enumerate(NAMES)}))
    ratings = {name: {rating / 2: rating + 1 for rating in range(1, 11)} for name in NAMES}
    check(card_plots.rating_histogram(ratings))


def test_figures_of_one_interaction_can_be_drawn() -> None:
    one = {"only": np.array([1])}
    check(card_plots.sequence_lengths(one))
    check(card_plots.item_popularity(one))
    check(card_plots.over_time({"only": np.array(["2013-10-22"], "M8[D]")}))
    check(card_plots.rating_histogram({"only": {5.0: 1}}))


def test_domains_without_data_are_left_out(counts: dict[str, np.ndarray]) -> None:
    few = {name: counts[name] for name in NAMES[:2]}
    with_empty = {**few, "empty": np.array([], dtype=np.uint32)}
    assert card_plots.sequence_lengths(with_empty) == card_plots.sequence_lengths(few)
    assert card_plots.rating_histogram({"a": {1.0: 2}, "b": {}}) == card_plots.rating_histogram(
        {"a": {1.0: 2}}
    )


def test_of_many_domains_the_largest_are_shown_in_their_order() -> None:
    arrays = {name: np.array([size], dtype=np.uint32) for size, name in enumerate(NAMES, start=1)}
    shown = card_plots._largest(arrays)
    assert list(shown) == NAMES[-card_plots.MOST_SHOWN :]


@pytest.mark.parametrize(("days", "unit"), [(0, "D"), (100, "D"), (101, "M"), (9_000, "Y")])
def test_the_span_decides_the_period(days: int, unit: str) -> None:
    assert card_plots._unit(days) == unit


def test_the_same_numbers_are_the_same_bytes(counts: dict[str, np.ndarray]) -> None:
    assert card_plots.item_popularity(counts) == card_plots.item_popularity(counts)


def test_a_dollar_sign_in_a_name_is_no_formula() -> None:
    check(card_plots.item_popularity({r"$\frac{": np.array([3, 2])}))
