"""Vectors as Arrow columns, in the precision in which they are kept."""

import numpy as np
import pyarrow as pa

from pipeline.catalog import Precision

_SHOWN = 5  # rows that a message names
_BLOCK = 4096  # rows whose rounding errors are computed at once


def vector_type(width: int, precision: Precision) -> pa.DataType:
    """The Arrow type of a vector: a list of `width` numbers."""
    return pa.list_(pa.float16() if precision == "float16" else pa.float32(), width)


def stored_vectors(vectors: np.ndarray, precision: Precision) -> tuple[pa.Array, float]:
    """Vectors, float32 [rows, width], as they are kept, and the largest relative rounding error.

    That error is the maximum over rows of ||vector - kept|| / ||vector||; a zero vector has none.
    ValueError names the rows whose values are not finite, or too large for float16.
    """
    if vectors.ndim != 2 or vectors.dtype != np.float32:
        raise ValueError(f"vectors must be float32 [rows, width], not {_described(vectors)}")
    _refuse(~np.isfinite(vectors), "holds values that are not finite", "check the model's outputs")
    if precision == "float32":
        return _column(vectors), 0.0
    with np.errstate(over="ignore"):
        kept = vectors.astype(np.float16)
    _refuse(np.isinf(kept), "holds values beyond float16's 65504", 'set the precision to "float32"')
    return _column(kept), _largest_error(vectors, kept)


def vectors_of(array: pa.Array) -> np.ndarray:
    """The matrix [rows, width] that an array of `vector_type` holds, not copied.

    ValueError where the array holds something else, or nulls.
    """
    if not is_vector(array.type):
        raise ValueError(f"vectors must be fixed-size lists of floats, not {array.type}")
    values = array.flatten()
    if array.null_count or values.null_count:
        raise ValueError(f"{array.null_count} vectors and {values.null_count} values are null")
    matrix: np.ndarray = values.to_numpy().reshape(len(array), array.type.list_size)
    return matrix


def is_vector(kind: pa.DataType) -> bool:
    """Whether a type is one of `vector_type`."""
    return pa.types.is_fixed_size_list(kind) and kind.value_type in (pa.float16(), pa.float32())


def _column(matrix: np.ndarray) -> pa.Array:
    values = pa.array(np.ascontiguousarray(matrix).ravel())
    return pa.FixedSizeListArray.from_arrays(values, matrix.shape[1])


def _largest_error(vectors: np.ndarray, kept: np.ndarray) -> float:
    starts = range(0, len(vectors), _BLOCK)
    return max(
        (_error(vectors[start : start + _BLOCK], kept[start : start + _BLOCK]) for start in starts),
        default=0.0,
    )


def _error(vectors: np.ndarray, kept: np.ndarray) -> float:
    exact = vectors.astype(np.float64)  # squares of float32 may leave float32's range
    lengths = np.linalg.norm(exact, axis=1)
    errors = np.linalg.norm(exact - kept, axis=1)
    return float(np.max(errors / np.where(lengths == 0, 1.0, lengths)))


def _refuse(bad: np.ndarray, what: str, remedy: str) -> None:
    rows = np.flatnonzero(bad.any(axis=1))
    if len(rows):
        named = ", ".join(map(str, rows[:_SHOWN])) + (", ..." if len(rows) > _SHOWN else "")
        which = f"row {named}" if len(rows) == 1 else f"each of {len(rows)} rows ({named})"
        raise ValueError(f"{which} {what}: {remedy}")


def _described(array: np.ndarray) -> str:
    return f"{array.dtype} [{', '.join(map(str, array.shape))}]"
