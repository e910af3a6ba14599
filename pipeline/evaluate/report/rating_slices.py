"""Errors by how much a user rated in the other domain, and by how known the rated item is.

Letters: N ratings.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from models.ratings import AUXILIARY, TARGET, Ratings
from pipeline.catalog import Scenario
from pipeline.evaluate.ratings.comparable import Predicted
from pipeline.evaluate.ratings.errors import intervals, resampled_errors
from pipeline.evaluate.report.slices import Figure, Measured, Slices, slices
from pipeline.evaluate.significance import Bootstrap
from pipeline.store import Store
from pipeline.train.ratings.cases import load_rating_cases, take


def rating_slices(
    scenario: Scenario, store: Store, ratio: float, systems: Sequence[Predicted], metric: str
) -> Iterator[Slices]:
    """Of one cold ratio: the system the page is about, and the baseline to beat."""
    cases = load_rating_cases(store, scenario, ratio)
    user_N, item_N = systems[0].user_N, systems[0].item_N
    shown, known = (
        take(cases.train, cases.space.contains(domain, cases.train.item_N))
        for domain in (AUXILIARY, TARGET)
    )
    axes = (
        ("By ratings in the other domain", "ratings of the user", _counts(shown, "user", user_N)),
        ("By popularity of the rated item", "ratings of the item", _counts(known, "item", item_N)),
    )
    for title, values, value_N in axes:
        yield slices(
            value_N,
            lambda mask_N: measure(systems, mask_N, metric),
            title=title,
            values=f"training {values}",
            metric=metric,
            cases="ratings",
        )


def measure(systems: Sequence[Predicted], mask_N: np.ndarray, metric: str) -> Measured:
    """Errors with their intervals; the first system less the second, where there is one."""
    own = [
        replace(
            one,
            user_N=one.user_N[mask_N],
            item_N=one.item_N[mask_N],
            rating_N=one.rating_N[mask_N],
            predicted_SN=one.predicted_SN[:, mask_N],
        )
        for one in systems
    ]
    bootstrap = Bootstrap()
    resampled = resampled_errors(own, metric, bootstrap)
    low_K, high_K = intervals(resampled, bootstrap)
    figures = [
        Figure(mean=float(mean), low=float(low), high=float(high))
        for mean, low, high in zip(resampled.error_K, low_K, high_K, strict=True)
    ]
    named = {one.system: figure for one, figure in zip(own, figures, strict=True)}
    if len(own) == 1:
        return named, None
    less = resampled.less(1)
    low_K, high_K = intervals(less, bootstrap)
    difference = Figure(mean=float(less.error_K[0]), low=float(low_K[0]), high=float(high_K[0]))
    return named, difference


def _counts(ratings: Ratings, of: str, wanted_N: np.ndarray) -> np.ndarray:
    """How many of `ratings` each wanted user or item has, [N]."""
    values = (ratings.user_N if of == "user" else ratings.item_N).numpy()
    return np.bincount(values, minlength=int(wanted_N.max()) + 1)[wanted_N]
