"""The store: the only place that turns keys into paths, and the only one that writes.

A key is a path without its ending ("sequences/demo"). A write goes to a temporary file
beside its destination, is synced and then renamed, so a reader or a killed run never sees
half a file; what stood there before stays whole until the rename. Corruption is found by
checksums on reading and named.
"""

import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.atomic import replacing, scratch
from pipeline.digest import TableDigest, digest_arrays, digest_json

if TYPE_CHECKING:
    from torch import Tensor

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")
_DIGEST = "coldbridge.digest"
_PARQUET: dict[str, Any] = {"compression": "zstd", "write_page_checksum": True}
_LONG = ("text", "description")


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """What a write left behind."""

    key: str
    path: Path
    digest: str  # of the logical content, 16 hex characters
    num_bytes: int
    num_rows: int | None = None  # tables only
    schema: pa.Schema | None = None  # tables only
    shapes: dict[str, tuple[int, ...]] | None = None  # tensors only


@dataclass(frozen=True)
class Store:
    root: Path

    # -- tables ----------------------------------------------------------------------------

    def write_table(
        self, key: str, schema: pa.Schema, rows: pa.Table | Iterable[pa.RecordBatch]
    ) -> Artifact:
        """Write a whole table, or a stream of batches that need not fit in memory.

        Raises ValueError where columns differ from the schema or a required value is null.
        """
        batches = rows.to_batches() if isinstance(rows, pa.Table) else rows
        path, digest, num_rows = self._path(key, ".parquet"), TableDigest(schema), 0
        with (
            ThreadPoolExecutor(1) as hasher,
            replacing(path) as temporary,
            pq.ParquetWriter(
                temporary, schema, use_dictionary=_repeating(schema), **_PARQUET
            ) as writer,
        ):
            for batch in batches:
                batch = _conform(batch, schema, key)
                digested = hasher.submit(digest.update, batch)  # while it is packed and written
                num_rows += batch.num_rows
                if batch.num_rows:
                    writer.write_batch(batch)
                digested.result()
            writer.add_key_value_metadata({_DIGEST: digest.hexdigest()})
        return Artifact(
            key=key,
            path=path,
            digest=digest.hexdigest(),
            num_bytes=path.stat().st_size,
            num_rows=num_rows,
            schema=schema,
        )

    def read_table(self, key: str, columns: list[str] | None = None) -> pa.Table:
        """The table, page checksums verified. ValueError names a missing or corrupt file."""
        path = self._existing(key, ".parquet")
        try:
            return pq.read_table(path, columns=columns, page_checksum_verification=True)
        except (OSError, pa.ArrowException) as error:
            raise _corrupt(path, error) from error

    def read_batches(self, key: str, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The table in batches, for what may not fit in memory."""
        path = self._existing(key, ".parquet")
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                yield from file.iter_batches(columns=columns)
        except (OSError, pa.ArrowException) as error:
            raise _corrupt(path, error) from error

    def num_rows(self, key: str) -> int:
        """How many rows a stored table has, without reading them."""
        path = self._existing(key, ".parquet")
        try:
            return int(pq.read_metadata(path).num_rows)
        except (OSError, pa.ArrowException) as error:
            raise _corrupt(path, error) from error

    # -- tensors ---------------------------------------------------------------------------

    def write_tensors(
        self, key: str, tensors: "dict[str, Tensor]", metadata: dict[str, str] | None = None
    ) -> Artifact:
        """Write named tensors with string metadata. ValueError where a value is not finite."""
        from safetensors.numpy import save_file

        arrays = {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}
        for name, array in arrays.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise ValueError(f"{key}: tensor {name!r} holds values that are not finite")
        arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}
        digest = digest_arrays(arrays)
        path = self._path(key, ".safetensors")
        with replacing(path) as temporary:
            save_file(arrays, temporary, metadata={**(metadata or {}), _DIGEST: digest})
        return Artifact(
            key=key,
            path=path,
            digest=digest,
            num_bytes=path.stat().st_size,
            shapes={name: array.shape for name, array in arrays.items()},
        )

    def read_tensors(self, key: str) -> "dict[str, Tensor]":
        """The tensors, digest verified. ValueError names a missing or corrupt file."""
        import torch

        path = self._existing(key, ".safetensors")
        arrays = _load_arrays(path)
        if digest_arrays(arrays) != _load_metadata(path).get(_DIGEST):
            raise _corrupt(path, "content differs from its digest")
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    def digest(self, key: str) -> str:
        """The content digest that a table, a tensor file or a folder of them was stored with."""
        if self.exists(key, ".parquet"):
            return _table_digest(self._path(key, ".parquet"))
        if self.exists(key, ".safetensors"):
            return _tensors_digest(self._path(key, ".safetensors"))
        folder = self._existing(key, "")
        parts = sorted(path.stem for path in folder.glob("*.safetensors"))
        return digest_json([self.digest(f"{key}/{part}") for part in parts])

    def tensor_metadata(self, key: str) -> dict[str, str]:
        """The string metadata that `write_tensors` was given."""
        metadata = _load_metadata(self._existing(key, ".safetensors"))
        return {name: value for name, value in metadata.items() if name != _DIGEST}

    # -- everything else -------------------------------------------------------------------

    def write_text(self, key: str, suffix: str, text: str) -> Path:
        """Write a report, a checkpoint's JSON or the like; returns its path."""
        path = self._path(key, suffix)
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        return path

    def read_text(self, key: str, suffix: str) -> str:
        return self._existing(key, suffix).read_text(encoding="utf-8")

    @contextmanager
    def scratch(self, key: str) -> Iterator[Path]:
        """A file for what a stage cannot keep in memory, gone when the block ends."""
        with scratch(self._path(key, ".scratch")) as path:
            yield path

    def exists(self, key: str, suffix: str) -> bool:
        return self._path(key, suffix).exists()

    def delete(self, key: str, suffix: str) -> None:
        self._path(key, suffix).unlink(missing_ok=True)

    def path(self, key: str, suffix: str) -> Path:
        """Where an artifact lies, for people and the UI; not for writing."""
        return self._path(key, suffix)

    def _path(self, key: str, suffix: str) -> Path:
        if not _KEY.fullmatch(key) or ".." in key:
            raise ValueError(
                f"{key!r} is no store key: use letters, digits, '.', '_', '-' and '/' between names"
            )
        return self.root / f"{key}{suffix}"

    def _existing(self, key: str, suffix: str) -> Path:
        path = self._path(key, suffix)
        if not path.exists():
            asset, partition, *rest = [*key.split("/"), "all"]
            name = "/".join([asset, *rest[:-1]])
            raise ValueError(f"{path} is missing: materialize {name} of {partition} first")
        return path


def _repeating(schema: pa.Schema) -> list[str]:
    """Columns whose values repeat: looking for repetitions in long texts and vectors is waste."""
    return [
        f"{field.name}.list.element" if pa.types.is_list(field.type) else field.name
        for field in schema
        if field.name not in _LONG and not pa.types.is_fixed_size_list(field.type)
    ]


def _conform(batch: pa.RecordBatch, schema: pa.Schema, key: str) -> pa.RecordBatch:
    if set(batch.schema.names) != set(schema.names):
        raise ValueError(f"{key}: columns {batch.schema.names}, the schema wants {schema.names}")
    columns = []
    for field in schema:
        column = batch.column(field.name)
        if not field.nullable and column.null_count:
            raise ValueError(f"{key}: {column.null_count} nulls in required column {field.name!r}")
        columns.append(_cast(column, field, key))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _cast(column: pa.Array, field: pa.Field, key: str) -> pa.Array:
    if column.type == field.type:
        return column
    try:
        cast = column.cast(field.type)
    except pa.ArrowException as error:
        raise ValueError(f"{key}: column {field.name!r} must be {field.type}: {error}") from error
    if _has_infinite_halves(cast):
        raise ValueError(
            f"{key}: column {field.name!r} holds values beyond float16's 65504: store float32"
        )
    return cast


def _has_infinite_halves(array: pa.Array) -> bool:
    """Arrow's casts to float16 turn what does not fit into infinity, without a word."""
    while pa.types.is_list(array.type) or pa.types.is_fixed_size_list(array.type):
        array = array.flatten()
    if not pa.types.is_float16(array.type):
        return False
    return bool(np.isinf(array.to_numpy(zero_copy_only=False)).any())


def _table_digest(path: Path) -> str:
    try:
        metadata = pq.read_metadata(path).metadata or {}
    except (OSError, pa.ArrowException) as error:
        raise _corrupt(path, error) from error
    if _DIGEST.encode() not in metadata:
        raise _corrupt(path, "it holds no digest")
    return str(metadata[_DIGEST.encode()].decode())


def _tensors_digest(path: Path) -> str:
    metadata = _load_metadata(path)
    if _DIGEST not in metadata:
        raise _corrupt(path, "it holds no digest")
    return metadata[_DIGEST]


def _load_arrays(path: Path) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise _corrupt(path, error) from error


def _load_metadata(path: Path) -> dict[str, str]:
    """Of a safetensors file: its string metadata, without reading its tensors."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        raise _corrupt(path, error) from error


def _corrupt(path: Path, why: Any) -> ValueError:
    reason = " ".join(str(why).split())  # some readers' messages span lines
    return ValueError(f"{path} is corrupt ({reason}): delete it and materialize its asset again")
