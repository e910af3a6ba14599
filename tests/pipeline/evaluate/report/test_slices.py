"""Bins hold every case once, and their figures are those of their cases."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.evaluate.document import to_markdown
from pipeline.evaluate.ratings.errors import seed_errors
from pipeline.evaluate.report.ranking_slices import measure
from pipeline.evaluate.report.rating_slices import measure as measure_ratings
from pipeline.evaluate.report.slices import even_bins, slice_blocks, slices
from tests.pipeline.evaluate.ratings.prediction_tables import predicted


@given(st.lists(st.integers(0, 30), min_size=1, max_size=80))
def test_every_case_lies_in_one_bin_and_equal_values_lie_together(values: list[int]) -> None:
    value_N = np.array(values)
    bins = even_bins(value_N)
    assert 1 <= len(bins) <= 4
    masks = np.stack([mask for _, mask in bins])
    assert (masks.sum(axis=0) == 1).all() and masks.any(axis=1).all()
    for value in set(values):
        assert masks[:, value_N == value].all(axis=1).sum() == 1


def test_bins_are_even_where_values_allow_it() -> None:
    bins = even_bins(np.arange(1, 1001))
    assert [label for label, _ in bins] == ["1 to 250", "251 to 500", "501 to 750", "751 to 1,000"]
    skewed = even_bins(np.array([0] * 90 + [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]))
    label, mask_N = skewed[0]
    assert (label, int(mask_N.sum())) == ("0", 90)
    assert [label for label, _ in even_bins(np.array([5, 5, 5]))] == ["5"]


def test_a_bin_holds_the_mean_of_its_users_and_the_paired_difference() -> None:
    length_N = np.repeat([1, 2], 50)
    ours_N, rival_N = np.repeat([1.0, 0.0], 50), np.full(100, 0.5)
    value_NK = np.stack([ours_N, rival_N], axis=1)
    found = slices(
        length_N,
        lambda mask_N: measure(value_NK[mask_N], ["lgcd", "sasrec"]),
        title="By length",
        values="items",
        metric="HR@10",
        cases="users",
    )
    short, long = found.bins
    assert (short.label, short.num_cases, long.label, long.num_cases) == ("1", 50, "2", 50)
    assert (short.figures["lgcd"].mean, long.figures["lgcd"].mean) == (1.0, 0.0)
    assert short.figures["sasrec"].mean == 0.5
    assert short.difference and long.difference
    assert (short.difference.mean, long.difference.mean) == (0.5, -0.5)
    text = to_markdown(slice_blocks(found, {"lgcd": "ours", "sasrec": "rival"}, "in food"))
    assert "| Items | Users | LGCD | SASRec | Difference |" in text
    assert "| 2 | 50 | 0.0000 (0.000 to 0.000) | 0.5000 (0.500 to 0.500) | -0.5000" in text


def test_one_system_has_no_difference() -> None:
    figures, difference = measure(np.ones((5, 1)), ["lgcd"])
    assert figures["lgcd"].mean == 1.0 and difference is None


def test_errors_of_a_slice_are_those_of_its_ratings_and_users_are_resampled() -> None:
    user_N = [1, 1, 2, 2, 3, 3]
    near = predicted(user_N, [[0.5, -0.5, 1.0, 1.0, 0.1, 0.1]])
    far = predicted(user_N, [[1.0, 1.0, 1.0, 1.0, 2.0, 2.0]])
    mask_N = np.array([True, True, True, True, False, False])
    figures, difference = measure_ratings([near], mask_N, "RMSE")
    assert figures["some"].mean == pytest.approx(np.sqrt((2 * 0.25 + 2 * 1.0) / 4))
    assert difference is None
    whole, _ = measure_ratings([near], np.ones(6, bool), "RMSE")
    assert whole["some"].mean == pytest.approx(float(seed_errors(near, "RMSE").mean()))
    assert figures["some"].low == pytest.approx(0.5) and figures["some"].high == pytest.approx(1.0)
    _, against = measure_ratings([near, far], mask_N, "RMSE")
    assert against and against.mean == pytest.approx(np.sqrt(0.625) - 1.0)
