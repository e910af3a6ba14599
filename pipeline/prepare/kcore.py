"""Iterative k-core: drop users and items with fewer than k interactions until none is left.

The count is taken over all domains of a scenario together. LGCD states a 5-core and no
scope; its released sequences hold users with two items in one domain and at least five over
both, so the union is what was done.
"""

import numpy as np
import polars as pl


def k_core(interactions: pl.DataFrame, k: int) -> pl.DataFrame:
    """Rows of the k-core, in their given order. Needs columns user_id, domain and item_id."""
    if k <= 1:
        return interactions
    users = interactions["user_id"].rank("dense").to_numpy() - 1
    items = interactions.select(pl.struct("domain", "item_id").rank("dense")).to_series().to_numpy()
    return interactions.filter(pl.Series(k_core_mask(users, items - 1, k)))


def k_core_mask(users: np.ndarray, items: np.ndarray, k: int) -> np.ndarray:
    """Which rows survive; `users` and `items` are dense 0-based integers, one per row."""
    users, items = users.astype(np.int64), items.astype(np.int64)
    keep = np.ones(len(users), dtype=bool)
    while True:
        user_counts = np.bincount(users[keep], minlength=users.max(initial=0) + 1)
        item_counts = np.bincount(items[keep], minlength=items.max(initial=0) + 1)
        survives = keep & (user_counts[users] >= k) & (item_counts[items] >= k)
        if survives.sum() == keep.sum():
            return keep
        keep = survives
