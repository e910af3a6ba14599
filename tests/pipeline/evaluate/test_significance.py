"""Intervals and p-values of samples whose truth is known."""

import numpy as np
import pytest

from pipeline.evaluate.significance import (
    Bootstrap,
    intervals,
    paired_p_values,
    resampled_means,
    standard_errors,
)

QUICK = Bootstrap(resamples=500)


def coins(share, num_users, seed=0):
    return np.random.default_rng(seed).random((num_users, 1)) < share


def test_the_interval_has_the_width_of_the_binomial():
    # 300 users, 120 hits: standard error sqrt(.4 * .6 / 300) = .02828, interval .4 +- .0554.
    value_NK = np.repeat([[1.0], [0.0]], [120, 180], axis=0)
    low, high = intervals(value_NK, Bootstrap())
    assert low[0] == pytest.approx(0.3446, abs=0.006)
    assert high[0] == pytest.approx(0.4554, abs=0.006)


def test_the_standard_error_is_that_of_the_binomial():
    value_NK = np.repeat([[1.0], [0.0]], [120, 180], axis=0)
    assert standard_errors(value_NK, Bootstrap())[0] == pytest.approx(0.02828, abs=0.001)


def test_the_interval_covers_the_true_mean_as_often_as_it_says():
    value_NK = np.concatenate([coins(0.3, 200, seed) for seed in range(200)], axis=1)
    low_K, high_K = intervals(value_NK, QUICK)
    assert 0.90 <= ((low_K <= 0.3) & (high_K >= 0.3)).mean() <= 0.99


def test_the_same_seed_gives_the_same_draws_and_another_seed_others():
    value_NK = coins(0.5, 50)
    first, again, other = (
        resampled_means(value_NK, Bootstrap(resamples=300, seed=seed)) for seed in (0, 0, 1)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_columns_share_their_draws():
    value_NK = np.repeat(coins(0.5, 40), 2, axis=1).astype(float)
    value_NK[:, 1] += 0.25
    means = resampled_means(value_NK, QUICK)
    assert means.shape == (500, 2)
    np.testing.assert_allclose(means[:, 1] - means[:, 0], 0.25)


def test_one_user_has_no_spread():
    low, high = intervals(np.array([[0.7]]), QUICK)
    assert (low[0], high[0]) == pytest.approx((0.7, 0.7))


def test_a_clear_difference_has_a_small_p():
    difference_NK = coins(0.2, 300).astype(float)
    assert paired_p_values(difference_NK, Bootstrap())[0] == pytest.approx(1 / 2001)


def test_no_difference_has_p_one():
    assert paired_p_values(np.zeros((30, 1)), QUICK)[0] == 1.0


def test_p_is_two_sided():
    difference_NK = coins(0.55, 100) * 2.0 - 1.0
    both = np.concatenate([difference_NK, -difference_NK], axis=1)
    p = paired_p_values(both, Bootstrap())
    assert p[0] == p[1] > 0.05


def test_p_is_small_for_five_in_a_hundred_null_differences():
    rng = np.random.default_rng(3)
    p_K = paired_p_values(rng.normal(size=(150, 400)), QUICK)
    assert 0.02 <= (p_K < 0.05).mean() <= 0.09


def test_resampling_nobody_is_an_error():
    with pytest.raises(ValueError, match="no user to resample"):
        intervals(np.empty((0, 1)), QUICK)
