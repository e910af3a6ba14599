"""How sure a mean over users is: bootstrap intervals and paired tests.

Users are the units that are resampled; a user's value is first averaged over candidate seeds
and training seeds, so the spread over training seeds is reported beside these figures and is
not part of them. No p-value is corrected for the number of systems compared.

Letters: N users, K columns (systems and metrics), R resamples.
"""

from dataclasses import dataclass

import numpy as np

_CHUNK = 128


@dataclass(frozen=True, kw_only=True)
class Bootstrap:
    resamples: int = 2000
    level: float = 0.95
    seed: int = 0


def intervals(value_NK: np.ndarray, bootstrap: Bootstrap) -> tuple[np.ndarray, np.ndarray]:
    """Percentile intervals of the column means: low [K] and high [K] (Efron 1979)."""
    mean_RK = resampled_means(value_NK, bootstrap)
    tail = (1 - bootstrap.level) / 2
    low_K, high_K = np.quantile(mean_RK, [tail, 1 - tail], axis=0)
    return low_K, high_K


def standard_errors(value_NK: np.ndarray, bootstrap: Bootstrap) -> np.ndarray:
    """Bootstrap standard errors [K] of the column means."""
    return resampled_means(value_NK, bootstrap).std(axis=0, ddof=1)


def paired_p_values(difference_NK: np.ndarray, bootstrap: Bootstrap) -> np.ndarray:
    """Two-sided p [K] that the mean difference of paired users is zero.

    The share of resamples whose mean strays from the observed mean at least as far as the
    observed mean lies from zero (the bootstrap test of Efron and Tibshirani 1993, chapter 16).
    The observed sample counts as one resample, so p is never below 1 / (resamples + 1).
    """
    mean_K = difference_NK.mean(axis=0)
    stray_RK = np.abs(resampled_means(difference_NK, bootstrap) - mean_K)
    # Sums of the same numbers in another order differ in the last bits.
    reached_K = (stray_RK >= np.abs(mean_K) - 1e-12).sum(axis=0)
    return (1 + reached_K) / (1 + bootstrap.resamples)


def resampled_means(value_NK: np.ndarray, bootstrap: Bootstrap) -> np.ndarray:
    """Means [R, K] of the columns over users drawn with replacement.

    All columns share the draws, so that columns of the same users stay paired.
    Raises ValueError where there is no user.
    """
    num_users = len(value_NK)
    if num_users == 0:
        raise ValueError("there is no user to resample; check the split of the scenario")
    rng = np.random.default_rng(bootstrap.seed)
    means = []
    for start in range(0, bootstrap.resamples, _CHUNK):
        rows = min(_CHUNK, bootstrap.resamples - start)
        drawn_RN = rng.integers(num_users, size=(rows, num_users))
        means.append(_counts(drawn_RN) @ value_NK / num_users)
    return np.concatenate(means)


def _counts(drawn_RN: np.ndarray) -> np.ndarray:
    """How often each user was drawn, float [R, N]; turns resampling into a matrix product."""
    rows, num_users = drawn_RN.shape
    flat = (drawn_RN + np.arange(rows)[:, None] * num_users).ravel()
    counts = np.bincount(flat, minlength=rows * num_users)
    return counts.reshape(rows, num_users).astype(np.float64)
