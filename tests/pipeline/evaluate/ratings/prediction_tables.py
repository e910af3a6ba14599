"""Tables of rating predictions written by hand."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from pipeline.columns import RATING_PREDICTIONS
from pipeline.evaluate.ratings.comparable import Predicted

Rated = Sequence[tuple[int, int, float]]
"""user, item, rating"""

RATED: Rated = ((1, 11, 5.0), (1, 12, 4.0), (2, 11, 3.0), (3, 13, 5.0), (3, 11, 1.0), (3, 12, 4.0))


def predictions(
    systems: Mapping[str, Sequence[Sequence[float]]],
    *,
    rated: Rated = RATED,
    part: str = "test",
    ratio: float = 0.2,
) -> pa.Table:
    """One row for each system, training seed and rating; predictions by seed, then by rating."""
    rows = [
        {
            "system": system,
            "train_seed": seed,
            "cold_ratio": ratio,
            "part": part,
            "user": user,
            "item": item,
            "rating": rating,
            "predicted": predicted,
        }
        for system, seeds in systems.items()
        for seed, values in enumerate(seeds)
        for (user, item, rating), predicted in zip(rated, values, strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=RATING_PREDICTIONS)


def both_parts(
    systems: Mapping[str, Sequence[Sequence[float]]],
    valid: Mapping[str, Sequence[Sequence[float]]] | None = None,
    *,
    ratio: float = 0.2,
) -> pa.Table:
    """Test predictions, and those of validation: the same unless given."""
    return pa.concat_tables(
        [
            predictions(systems, ratio=ratio),
            predictions(valid or systems, part="valid", ratio=ratio),
        ]
    )


def off_by(*errors: float) -> list[float]:
    """Predictions of RATED that miss by these."""
    return [rating + error for (_, _, rating), error in zip(RATED, errors, strict=True)]


def predicted(user_N: Sequence[int], error_SN: Sequence[Sequence[float]]) -> Predicted:
    """Ratings of 3 that are missed by these errors."""
    user, error = np.array(user_N), np.array(error_SN, dtype=float)
    return Predicted(
        system="some",
        train_seed_S=np.arange(len(error)),
        user_N=user,
        item_N=np.arange(len(user)),
        rating_N=np.full(len(user), 3.0),
        predicted_SN=3.0 + error,
    )
