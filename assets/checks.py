"""Checks that the UI shows: each reads what was stored and holds it to its invariant.

The same invariants are enforced before anything is written; a check that fails here means
that the file changed afterwards or that writing it went wrong.
"""

from collections.abc import Callable

import dagster as dg
import numpy as np

from pipeline.catalog import Scenario
from pipeline.store import Store

LEAK_CHECK = "no_leak"
VECTORS_CHECK = "vectors_are_finite_and_none_is_zero"


def check_leaks(scenario: str, check: Callable[[], None]) -> dg.AssetCheckResult:
    """Nothing of an evaluation case is seen in training or in its own history."""
    try:
        check()
    except ValueError as breach:
        return dg.AssetCheckResult(
            check_name=LEAK_CHECK,
            passed=False,
            metadata={"scenario": scenario, "breach": str(breach)},
        )
    return dg.AssetCheckResult(check_name=LEAK_CHECK, passed=True, metadata={"scenario": scenario})


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
