"""Whether stored vectors can be trained on at all: all of them finite, none of an item missing."""

import numpy as np

from pipeline.catalog import Scenario
from pipeline.extract.vectors import vectors_of
from pipeline.finding import Finding
from pipeline.store import Store


def item_vectors_are_whole(scenario: Scenario, store: Store) -> Finding:
    """Every item has a vector; only padding's is zero."""
    vectors = store.read_tensors(f"item_text/{scenario.name}")["vectors"].numpy()
    norms = np.linalg.norm(vectors[1:], axis=1)
    not_finite, zero = int((~np.isfinite(norms)).sum()), int((norms == 0).sum())
    padded = not vectors[0].any()
    return Finding(
        passed=not_finite == zero == 0 and padded,
        says=f"of {len(norms)} vectors {not_finite} are not finite and {zero} are zero"
        + ("" if padded else "; padding's is not zero"),
        figures={"items": len(norms), "not finite": not_finite, "zero": zero},
    )


def features_are_finite(asset: str, domain: str, store: Store) -> Finding:
    """Of a table with a column `vector`, read in batches."""
    rows = broken = zero = 0
    for batch in store.read_batches(f"{asset}/{domain}", ["vector"]):
        vectors = vectors_of(batch.column("vector"))
        rows += len(vectors)
        broken += int((~np.isfinite(vectors).all(axis=1)).sum())
        zero += int((~vectors.any(axis=1)).sum())
    return Finding(
        passed=broken == 0 and rows > zero,
        says=f"of {rows} vectors {broken} are not finite and {zero} are zero: they had nothing "
        "to read",
        figures={"rows": rows, "not finite": broken, "zero": zero},
    )
