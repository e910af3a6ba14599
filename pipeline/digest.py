"""Digests of logical content, the data versions of everything that is stored.

Two tables that hold the same rows have the same digest, however their Parquet files are
encoded, compressed or chunked.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def digest_json(value: Any) -> str:
    """Of a JSON-able value: canonical form, 16 hex characters."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def digest_file(path: Path) -> str:
    """Of a file's bytes, 16 hex characters."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def digest_arrays(arrays: dict[str, np.ndarray]) -> str:
    """Of named arrays: names, dtypes, shapes and bytes."""
    whole = hashlib.sha256()
    for name in sorted(arrays):
        array = np.asarray(arrays[name], order="C")
        whole.update(f"{name}|{array.dtype.str}|{array.shape}".encode())
        whole.update(array.data if array.size else b"")
    return whole.hexdigest()[:16]


class TableDigest:
    """Digest of a table that arrives in batches; where the batches are cut changes nothing."""

    def __init__(self, schema: pa.Schema):
        self._schema = schema
        self._leaves: dict[str, Any] = {}

    def update(self, batch: pa.RecordBatch) -> None:
        for name, array in zip(batch.schema.names, batch.columns, strict=True):
            self._add(name, array)

    def hexdigest(self) -> str:
        whole = hashlib.sha256()
        for field in self._schema:
            whole.update(f"{field.name}|{field.type}".encode())
        for leaf in sorted(self._leaves):
            whole.update(leaf.encode() + self._leaves[leaf].digest())
        return whole.hexdigest()[:16]

    def _feed(self, leaf: str, array: np.ndarray) -> None:
        # Nothing is fed for an empty array, so that an empty batch leaves no trace.
        if array.size:
            self._leaves.setdefault(leaf, hashlib.sha256()).update(np.ascontiguousarray(array).data)

    def _add(self, leaf: str, array: pa.Array) -> None:
        self._feed(f"{leaf}/valid", _to_numpy(array.is_valid()).astype(np.uint8))
        kind = array.type
        if pa.types.is_list(kind) or pa.types.is_large_list(kind):
            self._feed(f"{leaf}/length", _lengths(pc.list_value_length(array)))
            self._add(f"{leaf}/item", pc.list_flatten(array))
        elif pa.types.is_fixed_size_list(kind):  # how long they are stands in the schema
            self._add(f"{leaf}/item", array.flatten())
        elif pa.types.is_string(kind) or pa.types.is_binary(kind):
            self._feed(f"{leaf}/length", _lengths(pc.binary_length(array)))
            self._feed(f"{leaf}/bytes", _text_bytes(array))
        elif pa.types.is_struct(kind):
            for number, field in enumerate(kind):
                self._add(f"{leaf}/{field.name}", pc.struct_field(array, [number]))
        else:
            self._feed(f"{leaf}/value", _to_numpy(_fill_null(array)))


def _to_numpy(array: pa.Array) -> np.ndarray:
    values = array.to_numpy(zero_copy_only=False)
    if values.dtype.hasobject:  # its bytes would be addresses, which differ from run to run
        raise TypeError(f"no digest is defined for columns of type {array.type}")
    return values


def _fill_null(array: pa.Array) -> pa.Array:
    return array.fill_null(pa.scalar(0).cast(array.type)) if array.null_count else array


def _lengths(array: pa.Array) -> np.ndarray:
    return _to_numpy(array.fill_null(0)).astype(np.int64)


def _text_bytes(array: pa.Array) -> np.ndarray:
    """The texts of a string or binary array, joined: its data buffer without the unused ends."""
    array = array.fill_null(b"" if pa.types.is_binary(array.type) else "")
    _, offsets, data = array.buffers()
    if data is None or len(array) == 0:
        return np.empty(0, dtype=np.uint8)
    bounds = np.frombuffer(offsets, dtype=np.int32)[array.offset : array.offset + len(array) + 1]
    return np.frombuffer(data, dtype=np.uint8)[bounds[0] : bounds[-1]]
