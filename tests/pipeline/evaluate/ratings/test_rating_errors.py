"""Errors worked out by hand, intervals by listing every resample there is."""

from itertools import product

import numpy as np
import pyarrow as pa
import pytest

from pipeline.evaluate.ratings.comparable import cold_ratios, read_predicted
from pipeline.evaluate.ratings.errors import intervals, p_values, resampled_errors, seed_errors
from pipeline.evaluate.significance import Bootstrap
from tests.pipeline.evaluate.ratings.prediction_tables import RATED, off_by, predicted, predictions

MANY = Bootstrap(resamples=4000, level=0.8)


def read(table):
    return read_predicted(table, 0.2, "test")


def test_errors_are_over_ratings_and_not_means_of_users_errors():
    # User 1 has three ratings, user 2 one: by users MAE would be 1.5 and RMSE 1.5.
    one = predicted([1, 1, 1, 2], [[1.0, -1.0, 1.0, -2.0]])
    assert seed_errors(one, "MAE").tolist() == [1.25]
    assert seed_errors(one, "RMSE").tolist() == [pytest.approx((7 / 4) ** 0.5)]


def test_a_systems_figure_is_the_mean_over_its_training_seeds():
    one = predicted([1, 2], [[1.0, 1.0], [3.0, -3.0]])
    assert seed_errors(one, "RMSE").tolist() == [1.0, 3.0]
    # Of all squared errors together it would be the root of 5.
    found = resampled_errors([one], "RMSE", MANY)
    assert found.error_K.tolist() == [2.0]


def test_seeds_are_averaged_after_the_root_in_every_resample_too():
    # Users 1 and 2 swap their errors between two seeds.
    one = predicted([1, 2], [[1.0, 3.0], [3.0, 1.0]])
    found = resampled_errors([one], "RMSE", MANY)
    assert set(found.error_RK[:, 0].round(9)) == {2.0, round(5**0.5, 9)}


def every_resample(user_N, error_N, of_error, of_mean):
    """The metric of each way to draw as many users as there are, one after another."""
    users = sorted(set(user_N))
    values = []
    for drawn in product(users, repeat=len(users)):
        pairs = list(zip(user_N, error_N, strict=True))
        errors = [error for who in drawn for user, error in pairs if user == who]
        values.append(of_mean(np.mean([of_error(error) for error in errors])))
    return np.array(values)


@pytest.mark.parametrize(
    ("metric", "of_error", "of_mean"), [("RMSE", np.square, np.sqrt), ("MAE", np.abs, np.asarray)]
)
def test_intervals_are_those_of_all_resamples_of_three_users(metric, of_error, of_mean):
    user_N, error_N = [1, 1, 1, 2, 3, 3], [0.5, 1.0, -0.25, 2.0, 1.5, -0.5]
    expected = every_resample(user_N, error_N, of_error, of_mean)
    found = resampled_errors([predicted(user_N, [error_N])], metric, MANY)
    # The same values and no others: 10 ways to draw three users, order aside.
    assert np.unique(found.error_RK.round(9)).tolist() == np.unique(expected.round(9)).tolist()
    low, high = intervals(found, MANY)
    # No step of their distribution is near a tenth, so that chance does not move the ends.
    assert [low[0], high[0]] == pytest.approx(np.quantile(expected, [0.1, 0.9]), abs=1e-9)


def test_of_two_users_the_interval_spans_the_better_and_the_worse():
    found = resampled_errors([predicted([1, 2], [[1.0, 3.0]])], "RMSE", Bootstrap())
    low, high = intervals(found, Bootstrap())
    assert (low[0], high[0]) == (1.0, 3.0)


def test_p_is_the_share_of_all_resamples_that_stray_as_far_as_the_difference():
    user_N = [1, 1, 2, 3]
    ours, theirs = [0.5, 1.0, 1.0, 0.5], [1.0, 1.5, 0.5, 1.5]
    both = [predicted(user_N, [ours]), predicted(user_N, [theirs])]
    difference = resampled_errors(both, "MAE", MANY).less(1)
    every = every_resample(user_N, ours, np.abs, np.asarray) - every_resample(
        user_N, theirs, np.abs, np.asarray
    )
    observed = 3.0 / 4 - 4.5 / 4
    assert difference.error_K.tolist() == [observed, 0.0]
    exact = (np.abs(every - observed) >= abs(observed) - 1e-12).mean()
    assert 0.05 < exact < 0.6
    assert p_values(difference)[0] == pytest.approx(exact, abs=0.03)


def test_a_system_does_not_differ_from_itself():
    both = [predicted([1, 2, 3], [[1.0, 2.0, 0.0]])] * 2
    difference = resampled_errors(both, "RMSE", MANY).less(0)
    assert p_values(difference).tolist() == [1.0, 1.0]
    assert (difference.error_RK == 0).all()


def test_a_constant_difference_is_certain():
    near, far = ([sign * size for sign in (1, -1) * 3] for size in (0.5, 1.5))
    both = [predicted(range(6), [near]), predicted(range(6), [far])]
    difference = resampled_errors(both, "RMSE", MANY).less(1)
    assert difference.error_K[0] == -1.0
    assert p_values(difference)[0] == pytest.approx(1 / 4001)


def test_systems_with_other_numbers_of_seeds_share_the_draws():
    error = [1.0, 2.0, 0.5]
    one, three = predicted([1, 2, 3], [error]), predicted([1, 2, 3], [error] * 3)
    found = resampled_errors([one, three], "RMSE", MANY)
    assert found.error_RK[:, 0] == pytest.approx(found.error_RK[:, 1])


def test_rows_may_come_in_any_order():
    values = off_by(0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
    straight = predictions({"a": [values], "b": [values]})
    back = straight.take(list(range(straight.num_rows))[::-1])
    for one, other in zip(read(straight), reversed(read(back)), strict=True):
        assert one.system == other.system
        assert one.error_SN.tolist() == other.error_SN.tolist()
        assert one.user_N.tolist() == [1, 1, 2, 3, 3, 3]
        assert one.item_N.tolist() == [11, 12, 11, 11, 12, 13]


def test_cold_ratios_and_parts_are_told_apart():
    table = predictions({"a": [off_by(*[0.5] * 6)]})
    assert [f"{ratio:g}" for ratio in cold_ratios(table)] == ["0.2"]
    with pytest.raises(ValueError, match=r"'a' has no predictions at cold ratio 0\.5"):
        read_predicted(table, 0.5, "test")
    with pytest.raises(ValueError, match="part 'valid'"):
        read_predicted(table, 0.2, "valid")


def both(other_rated):
    values = [[3.0] * 6]
    one = predictions({"a": values})
    return pa.concat_tables(
        [one, predictions({"b": [[3.0] * len(other_rated)]}, rated=other_rated)]
    )


def test_other_pairs_are_an_error_that_names_one():
    with pytest.raises(
        ValueError, match=r"'a' and 'b'.*1 pairs only in the first, 1 only.*user 3 and item 13"
    ):
        read(both((*RATED[:3], (3, 14, 5.0), *RATED[4:])))


def test_other_ratings_are_an_error_that_names_one():
    with pytest.raises(ValueError, match=r"different ratings \(user 2, item 11: 3 and 4\)"):
        read(both((*RATED[:2], (2, 11, 4.0), *RATED[3:])))


def test_a_doubled_rating_is_an_error():
    with pytest.raises(ValueError, match=r"different numbers of ratings \(6 and 7\)"):
        read(both((*RATED, RATED[0])))


def test_seeds_of_one_system_must_predict_the_same_ratings():
    table = predictions({"a": [[3.0] * 6] * 2})
    with pytest.raises(ValueError, match=r"'a'.*training seeds predicted different ratings"):
        read(table.slice(1))


def test_a_prediction_that_is_not_finite_is_an_error():
    with pytest.raises(ValueError, match=r"'a'.*not finite"):
        read(predictions({"a": [[float("nan"), *[3.0] * 5]]}))
