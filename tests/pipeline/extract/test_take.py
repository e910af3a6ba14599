"""Taking rows gives what Arrow gives, whatever the rows are made of."""

import numpy as np
import pyarrow as pa
import pytest

from pipeline.extract.take import take_rows

MATRIX = np.random.default_rng(0).standard_normal((6, 3))
HALVES = pa.array(MATRIX.tolist(), pa.list_(pa.float32())).cast(pa.list_(pa.float16()))
RAGGED = pa.array([[1.0], [], [2.0, 3.0], None, [4.0, None], [5.0]])


@pytest.mark.parametrize(
    "array",
    [
        HALVES,
        pa.array(MATRIX.tolist()),
        pa.array([[]] * 6, pa.list_(pa.float32())),
        RAGGED,
        pa.array([[1.0, None]] * 6),
        pa.array([[1], [2], [3], [4], [5], [6]]),
        pa.array(["a", None, "", "b", "c", "d"]),
        pa.StructArray.from_arrays([HALVES, RAGGED, pa.array(range(6))], ["x", "y", "z"]),
        pa.array([{"x": [1.0]}, None, {"x": [2.0]}, {"x": None}, {"x": []}, {"x": [3.0]}]),
    ],
    ids=["half", "double", "empty", "ragged", "null", "int", "text", "struct", "null struct"],
)
def test_rows_are_those_that_arrow_takes(array: pa.Array) -> None:
    for some in (array, array.slice(2), pa.concat_arrays([array, array]).slice(5, 6)):
        for rows in ([2, 0, 2, 3], [], [1]):
            taken = take_rows(some, np.array(rows, dtype=np.int64))
            assert taken.type == array.type
            assert taken.equals(some.take(pa.array(rows, pa.int64())))
            assert taken.validate(full=True) is None


def test_no_rows_are_taken_from_nothing() -> None:
    assert len(take_rows(HALVES[:0], np.empty(0, dtype=np.int64))) == 0


def test_fields_keep_their_names_and_whether_they_may_be_null() -> None:
    kind = pa.struct([pa.field("x", pa.int32(), nullable=False), pa.field("y", pa.string())])
    array = pa.array([{"x": 1, "y": None}, {"x": 2, "y": "b"}], kind)
    assert take_rows(array, np.array([1, 0])).type == kind
