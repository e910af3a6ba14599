"""Rows of an Arrow array by number, where rows are large."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def take_rows(array: pa.Array, rows: np.ndarray) -> pa.Array:
    """`array.take(rows)`. Lists of numbers that are all of one length, in structs too, go as rows
    of a matrix: Arrow takes them number by number, which costs several times as much."""
    kind = array.type
    if pa.types.is_struct(kind) and not array.null_count and kind.num_fields:
        fields = [take_rows(array.field(number), rows) for number in range(kind.num_fields)]
        return pa.StructArray.from_arrays(fields, fields=list(kind))
    width = _common_length(array)
    if not width:
        return array.take(pa.array(rows))
    matrix = array.flatten().to_numpy().reshape(len(array), width)
    bounds = pa.array(np.arange(len(rows) + 1, dtype=np.int32) * width)
    return pa.ListArray.from_arrays(bounds, pa.array(matrix[rows].ravel()), type=kind)


def _common_length(array: pa.Array) -> int | None:
    """Of lists of numbers, if they have one and no number is null."""
    kind = array.type
    if not pa.types.is_list(kind) or not pa.types.is_floating(kind.value_type):
        return None
    if array.null_count or array.flatten().null_count:
        return None
    lengths = pc.min_max(pc.list_value_length(array))
    return lengths["min"].as_py() if lengths["min"] == lengths["max"] else None
