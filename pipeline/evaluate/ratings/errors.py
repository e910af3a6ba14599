"""How far predicted ratings lie from those given, and how sure that is.

RMSE and MAE are over ratings, not means of users' own errors, as PTUPCDR's and DiffCDR's code
has them. A system's figure is the mean over its training seeds; their spread is told beside it.
Intervals and tests resample users, because the ratings of one user hang together: in each
resample the sums of the users drawn are divided by the number of their ratings. All systems
share the draws, so that differences are over pairs. No p-value is corrected for the number of
systems compared.

Letters: S training seeds, N ratings, U users, K systems, C columns (a system's training seed
each), R resamples.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.evaluate.ratings.comparable import Predicted
from pipeline.evaluate.significance import Bootstrap, resampled_means


@dataclass(frozen=True)
class Metric:
    of_error: Callable[[np.ndarray], np.ndarray]  # what is averaged over ratings
    of_mean: Callable[[np.ndarray], np.ndarray]  # what the mean then becomes


METRICS: dict[str, Metric] = {
    "RMSE": Metric(np.square, np.sqrt),
    "MAE": Metric(np.abs, np.asarray),
}
"""Lower is better; zero is the best, the width of the rating range the worst."""


@dataclass(frozen=True, kw_only=True)
class Resampled:
    """A metric of all systems, as observed and in every resample of users."""

    error_K: np.ndarray
    error_RK: np.ndarray

    def less(self, k: int) -> "Resampled":
        """Every system's error less that of system `k`, over pairs."""
        return Resampled(
            error_K=self.error_K - self.error_K[k],
            error_RK=self.error_RK - self.error_RK[:, [k]],
        )


def seed_errors(predicted: Predicted, metric: str) -> np.ndarray:
    """The metric [S] of each training seed, over all ratings."""
    measure = METRICS[metric]
    return measure.of_mean(measure.of_error(predicted.error_SN).mean(axis=1))


def resampled_errors(systems: Sequence[Predicted], metric: str, bootstrap: Bootstrap) -> Resampled:
    """The metric of each system, in the mean over its training seeds; users are resampled.

    The systems must have predicted the same ratings (see `read_predicted`).
    """
    measure = METRICS[metric]
    _, user_N = np.unique(systems[0].user_N, return_inverse=True)
    sum_UC = np.stack(
        [
            np.bincount(user_N, weights=error_N)
            for predicted in systems
            for error_N in measure.of_error(predicted.error_SN)
        ],
        axis=1,
    )
    count_U1 = np.bincount(user_N)[:, None].astype(np.float64)
    # Means over drawn users; in their ratio the number of users falls out.
    mean_R = resampled_means(np.concatenate([sum_UC, count_U1], axis=1), bootstrap)
    error_RC = measure.of_mean(mean_R[:, :-1] / mean_R[:, -1:])
    return Resampled(
        error_K=np.array([seed_errors(predicted, metric).mean() for predicted in systems]),
        error_RK=error_RC @ _seed_means(systems),
    )


def intervals(resampled: Resampled, bootstrap: Bootstrap) -> tuple[np.ndarray, np.ndarray]:
    """Percentile intervals: low [K] and high [K] (Efron 1979)."""
    tail = (1 - bootstrap.level) / 2
    low_K, high_K = np.quantile(resampled.error_RK, [tail, 1 - tail], axis=0)
    return low_K, high_K


def p_values(difference: Resampled) -> np.ndarray:
    """Two-sided p [K] that a difference, as `Resampled.less` gives it, is zero.

    The share of resamples that stray from the observed difference at least as far as it lies
    from zero (the bootstrap test of Efron and Tibshirani 1993, chapter 16). The observed sample
    counts as one resample, so p is never below 1 / (resamples + 1).
    """
    stray_RK = np.abs(difference.error_RK - difference.error_K)
    # Sums of the same numbers in another order differ in the last bits.
    reached_K = (stray_RK >= np.abs(difference.error_K) - 1e-12).sum(axis=0)
    return (1 + reached_K) / (1 + len(stray_RK))


def _seed_means(systems: Sequence[Predicted]) -> np.ndarray:
    """[C, K], which turns a value of each column into the mean over each system's seeds."""
    num_seeds_K = [len(predicted.train_seed_S) for predicted in systems]
    owner_C = np.repeat(np.arange(len(systems)), num_seeds_K)
    return (owner_C[:, None] == np.arange(len(systems))) / np.asarray(num_seeds_K, dtype=float)
