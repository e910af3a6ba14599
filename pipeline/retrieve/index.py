"""Exact nearest neighbours by inner product, through FAISS."""

import numpy as np


def nearest(queries: np.ndarray, pool: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k best rows of `pool` for each query: (scores, row numbers), both [num_queries, k].

    Vectors are float32 rows of one width; with unit rows the score is the cosine. Best first;
    equal scores come in row order of the pool. ValueError where the pool has fewer than k rows.
    """
    import faiss

    if len(pool) < k:
        raise ValueError(f"{k} neighbours asked of a pool of {len(pool)} items; lower the number")
    index = faiss.IndexFlatIP(pool.shape[1])
    index.add(np.ascontiguousarray(pool, dtype=np.float32))
    scores, rows = index.search(np.ascontiguousarray(queries, dtype=np.float32), k)
    # FAISS leaves the order of equal scores open, and items with equal texts are common.
    order = np.lexsort((rows, -scores))
    return np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)
