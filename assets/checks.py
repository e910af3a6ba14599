"""Checks that the UI shows: each reads what was stored and holds it to its invariant.

The same invariants are enforced before anything is written; a check that fails here means
that the file changed afterwards or that writing it went wrong.
"""

import dagster as dg
import numpy as np
import polars as pl

from pipeline.catalog import Scenario
from pipeline.prepare.leaks import check_no_leak
from pipeline.store import Store

SEQUENCES_CHECK = "no_leak"
VECTORS_CHECK = "vectors_are_finite_and_none_is_zero"


def check_sequences(scenario: Scenario, store: Store) -> dg.AssetCheckResult:
    """No evaluation user trains, no cold user shows the target domain, every item exists."""
    sequences = pl.DataFrame(pl.from_arrow(store.read_table(f"sequences/{scenario.name}")))
    items = store.read_table(f"vocabulary/{scenario.name}", ["item", "domain"])
    try:
        check_no_leak(sequences, pl.DataFrame(pl.from_arrow(items)), scenario.name)
    except ValueError as breach:
        return dg.AssetCheckResult(
            check_name=SEQUENCES_CHECK, passed=False, metadata={"breach": str(breach)}
        )
    return dg.AssetCheckResult(
        check_name=SEQUENCES_CHECK, passed=True, metadata={"sequences": sequences.height}
    )


def check_item_vectors(scenario: Scenario, store: Store) -> dg.AssetCheckResult:
    """Every item has a vector; only padding's is zero."""
    vectors = store.read_tensors(f"item_text/{scenario.name}")["vectors"].numpy()
    norms = np.linalg.norm(vectors[1:], axis=1)
    broken = int((~np.isfinite(norms) | (norms == 0)).sum())
    return dg.AssetCheckResult(
        check_name=VECTORS_CHECK,
        passed=broken == 0 and not vectors[0].any(),
        metadata={"items": len(norms), "broken": broken},
    )
