"""FAISS against every inner product taken by hand."""

import numpy as np
import pytest

from pipeline.retrieve.index import nearest


def unit(generator: np.random.Generator, rows: int, width: int) -> np.ndarray:
    vectors = generator.normal(size=(rows, width)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("k", [1, 10, 200])
def test_it_finds_what_brute_force_finds(k: int) -> None:
    generator = np.random.default_rng(0)
    queries, pool = unit(generator, 30, 16), unit(generator, 200, 16)
    scores, rows = nearest(queries, pool, k)
    products = queries @ pool.T
    order = np.argsort(-products, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(rows, order)
    np.testing.assert_allclose(scores, np.take_along_axis(products, order, 1), atol=1e-6)


@pytest.mark.parametrize("k", [3, 25, 60])
def test_equal_scores_come_in_the_pools_order(k: int) -> None:
    pool = np.tile(np.eye(2, dtype=np.float32), (30, 1))
    _, rows = nearest(np.array([[1, 0]], dtype=np.float32), pool, k)
    expected = [*range(0, 60, 2), *range(1, 60, 2)][:k]
    assert rows.tolist() == [expected]


def test_a_pool_that_is_too_small_is_an_error() -> None:
    pool = np.eye(3, dtype=np.float32)
    with pytest.raises(ValueError, match="4 neighbours asked of a pool of 3 items"):
        nearest(pool[:1], pool, 4)


def test_rows_of_any_layout_and_precision_will_do() -> None:
    pool = np.asfortranarray(np.eye(4))
    scores, rows = nearest(pool[1:2], pool, 1)
    assert (rows.tolist(), scores.tolist()) == ([[1]], [[1.0]])
