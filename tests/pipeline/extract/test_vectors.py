"""Vectors are kept in the precision asked for, or refused; how far they are off is stated."""

import typing

import numpy as np
import pyarrow as pa
import pytest

from pipeline.catalog import Precision
from pipeline.extract.vectors import stored_vectors, vector_type, vectors_of

VECTORS = np.random.default_rng(0).standard_normal((50, 8), dtype=np.float32)


def test_float32_is_kept_exactly() -> None:
    array, error = stored_vectors(VECTORS, "float32")
    assert array.type == vector_type(8, "float32") and error == 0.0
    assert np.array_equal(vectors_of(array), VECTORS)


def test_float16_states_its_largest_relative_error() -> None:
    array, error = stored_vectors(VECTORS, "float16")
    kept = vectors_of(array)
    errors = [
        np.linalg.norm(one - other) / np.linalg.norm(one)
        for one, other in zip(VECTORS.astype(float), kept.astype(float), strict=True)
    ]
    assert array.type == vector_type(8, "float16") and kept.dtype == np.float16
    assert error == pytest.approx(max(errors)) and 0 < error < 2**-11


def test_the_error_counts_what_is_too_small_for_float16() -> None:
    vectors = np.array([[1.0, 1.0], [0.0, 0.0], [1e-9, 0.0]], dtype=np.float32)
    assert stored_vectors(vectors[:2], "float16")[1] == 0.0
    assert stored_vectors(vectors, "float16")[1] == 1.0


def test_the_error_is_found_in_every_block_of_rows() -> None:
    many = np.ones((10_000, 1), dtype=np.float32)
    for row in (0, 4096, 9_999):
        changed = many.copy()
        changed[row] = 1 + 2**-12
        assert stored_vectors(changed, "float16")[1] == pytest.approx(2**-12, rel=1e-3)


def test_no_vectors_have_no_error() -> None:
    array, error = stored_vectors(VECTORS[:0], "float16")
    assert (len(array), error) == (0, 0.0) and vectors_of(array).shape == (0, 8)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused_by_row(value: float) -> None:
    vectors = VECTORS.copy()
    vectors[7, 3] = value
    for precision in typing.get_args(Precision):
        with pytest.raises(ValueError, match="row 7 holds values that are not finite"):
            stored_vectors(vectors, precision)


def test_what_float16_cannot_hold_is_refused_with_a_remedy() -> None:
    vectors = VECTORS.copy()
    vectors[10:20, 0] = -70_000
    said = r"each of 10 rows \(10, 11, 12, 13, 14, \.\.\.\) .* 65504: set the precision to .float32"
    with pytest.raises(ValueError, match=said):
        stored_vectors(vectors, "float16")
    assert np.array_equal(vectors_of(stored_vectors(vectors, "float32")[0]), vectors)


@pytest.mark.parametrize("vectors", [VECTORS[0], VECTORS.astype(np.float64)], ids=["flat", "wide"])
def test_what_is_no_matrix_of_float32_is_refused(vectors: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"must be float32 \[rows, width\], not float"):
        stored_vectors(vectors, "float32")


def test_a_matrix_is_seen_through_slices_and_not_copied() -> None:
    array, _ = stored_vectors(VECTORS, "float32")
    assert np.array_equal(vectors_of(array.slice(3, 5)), VECTORS[3:8])
    assert np.shares_memory(vectors_of(array.slice(3, 5)), vectors_of(array))


@pytest.mark.parametrize(
    "array",
    [
        pa.array([[1.0], None], vector_type(1, "float32")),
        pa.array([[1.0], [None]], vector_type(1, "float16")),
        pa.array([[1.0]], pa.list_(pa.float32())),
        pa.array([[1]], pa.list_(pa.int32(), 1)),
    ],
    ids=["null vector", "null value", "list", "integers"],
)
def test_what_holds_no_vectors_is_refused(array: pa.Array) -> None:
    with pytest.raises(ValueError, match=r"null|fixed-size lists of floats"):
        vectors_of(array)
