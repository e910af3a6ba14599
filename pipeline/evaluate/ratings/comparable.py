"""Saved rating predictions read back as arrays, and proof that systems can be compared.

Two systems are comparable where they predicted the same ratings: the same user, item and rating
in every row.

Letters: S training seeds, N ratings.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_ROW = ("user", "item", "rating")


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """One system's predictions of one part at one cold ratio, sorted by user, item and rating."""

    system: str
    train_seed_S: np.ndarray  # ascending
    user_N: np.ndarray
    item_N: np.ndarray
    rating_N: np.ndarray  # float64, as given
    predicted_SN: np.ndarray  # float64, within the rating range

    @property
    def error_SN(self) -> np.ndarray:
        return self.predicted_SN - self.rating_N


def cold_ratios(predictions: pa.Table) -> list[float]:
    """Those that a table of predictions holds, ascending."""
    return sorted(pc.unique(predictions["cold_ratio"]).to_pylist())


def read_predicted(predictions: pa.Table, ratio: float, part: str) -> list[Predicted]:
    """Every system's predictions of one part at one cold ratio, all of the same ratings.

    ValueError names a system that has none there, whose training seeds predicted different
    ratings, whose prediction is not finite, or whose ratings are not those of the first system.
    """
    where = f"cold ratio {ratio:g}, part {part!r}"
    here = pc.and_(
        pc.equal(predictions["cold_ratio"], pa.scalar(ratio, pa.float32())),
        pc.equal(predictions["part"], part),
    )
    rows = predictions.filter(here)
    systems = pc.unique(predictions["system"]).to_pylist()
    found = [
        _predicted(rows.filter(pc.equal(rows["system"], name)), name, where) for name in systems
    ]
    for other in found[1:]:
        _check_alike(found[0], other, where)
    return found


def _predicted(rows: pa.Table, system: str, where: str) -> Predicted:
    if rows.num_rows == 0:
        raise ValueError(f"system {system!r} has no predictions at {where}; predict again")
    columns = {name: rows[name].to_numpy() for name in ("train_seed", *_ROW, "predicted")}
    order = np.lexsort([columns[name] for name in (*reversed(_ROW), "train_seed")])
    seed_S, counts_S = np.unique(columns["train_seed"], return_counts=True)
    if (counts_S != counts_S[0]).any():
        raise _unlike_seeds(system, where)
    grid = {name: columns[name][order].reshape(len(seed_S), -1) for name in (*_ROW, "predicted")}
    for name in _ROW:
        if (grid[name] != grid[name][0]).any():
            raise _unlike_seeds(system, where)
    if not np.isfinite(grid["predicted"]).all():
        raise ValueError(f"system {system!r} at {where}: a prediction is not finite; predict again")
    return Predicted(
        system=system,
        train_seed_S=seed_S,
        user_N=grid["user"][0],
        item_N=grid["item"][0],
        rating_N=grid["rating"][0].astype(np.float64),
        predicted_SN=grid["predicted"].astype(np.float64),
    )


def _unlike_seeds(system: str, where: str) -> ValueError:
    return ValueError(
        f"system {system!r} at {where}: training seeds predicted different ratings; predict again"
    )


def _check_alike(one: Predicted, other: Predicted, where: str) -> None:
    """Errors of different ratings cannot be compared."""
    pair = f"systems {one.system!r} and {other.system!r} at {where}"
    remedy = "predict with both again from the same ratings"
    rows, others = (
        set(zip(each.user_N.tolist(), each.item_N.tolist(), strict=True)) for each in (one, other)
    )
    if rows != others:
        lost, extra = rows - others, others - rows
        user, item = min(lost | extra)
        raise ValueError(
            f"{pair} predicted for different users and items ({len(lost)} pairs only in the first,"
            f" {len(extra)} only in the second, for instance user {user} and item {item}); {remedy}"
        )
    if len(one.rating_N) != len(other.rating_N):
        counts = f"{len(one.rating_N)} and {len(other.rating_N)}"
        raise ValueError(f"{pair} predicted different numbers of ratings ({counts}); {remedy}")
    unlike_N = one.rating_N != other.rating_N
    if unlike_N.any():
        n = int(unlike_N.argmax())
        raise ValueError(
            f"{pair} were held to different ratings (user {one.user_N[n]}, item {one.item_N[n]}:"
            f" {one.rating_N[n]:g} and {other.rating_N[n]:g}); {remedy}"
        )
