"""Whether stored features become what training takes them for: dimensions of unit variance."""

import numpy as np

from pipeline.finding import Finding
from pipeline.store import Store
from pipeline.train.ratings.features import standardise

MOST_CONSTANT = 0.1
"""Share of dimensions that are the same in every row: they carry nothing, training zeroes them."""

LARGEST_DEVIATION = 0.05
"""Of a standardised dimension's variance from 1: beyond it float32 or float16 has eaten it."""

_MOST_ROWS = 8192  # the first ones with a vector: some 100 MB of the widest features


def features_have_unit_variance(asset: str, domain: str, store: Store) -> Finding:
    """Standardise stored vectors as training does, and measure what comes out."""
    vector_RE = _first_rows(f"{asset}/{domain}", store)
    rows, width = vector_RE.shape
    everyone = np.ones(rows, dtype=bool)
    constant = float((np.ptp(vector_RE, axis=0) == 0).mean())
    with np.errstate(invalid="ignore"):
        standardise(vector_RE, everyone, everyone, f"row of {asset}/{domain}")
    variance_E = vector_RE.var(axis=0, dtype=np.float64)
    varying_E = variance_E[variance_E != 0]
    worst = float(np.abs(varying_E - 1).max(initial=0.0))
    return Finding(
        passed=rows > 1 and constant <= MOST_CONSTANT and worst <= LARGEST_DEVIATION,
        says=f"of {width} dimensions {constant:.1%} are constant over {rows} rows (at most "
        f"{MOST_CONSTANT:.0%}); variances of the others, standardised, deviate from 1 by "
        f"{worst:.2g} at most (up to {LARGEST_DEVIATION})",
        figures={
            "rows": rows,
            "dimensions": width,
            "share of constant dimensions": round(constant, 4),
            "largest deviation of a variance from 1": float(f"{worst:.3g}"),
        },
    )


def _first_rows(key: str, store: Store) -> np.ndarray:
    """float32 [rows, width], of those that are not zero."""
    found: list[np.ndarray] = []
    for batch in store.read_batches(key, ["vector"]):
        column = batch.column("vector")
        vectors = column.flatten().to_numpy().reshape(len(column), column.type.list_size)
        found.append(vectors[vectors.any(axis=1)].astype(np.float32))
        if sum(map(len, found)) >= _MOST_ROWS:
            break
    return np.concatenate(found)[:_MOST_ROWS]
