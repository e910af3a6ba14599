"""The store: the only place that turns keys into paths, and the only one that writes.

A key is a path without its ending ("sequences/demo"). A write goes to a temporary file, and
takes its place at one instant when it is whole: by a rename in a folder, by an upload in a
bucket (`pipeline/storage`). So a reader or a killed run never sees half a file; what stood
there before stays whole until then. Corruption is found by checksums on reading and named.
"""

import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.digest import TableDigest, digest_arrays, digest_json
from pipeline.storage.files import Files, Place, StorageError, open_files

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
    path: Place  # a Path, or the URL of a remote store's
    digest: str  # of the logical content, 16 hex characters
    num_bytes: int
    num_rows: int | None = None  # tables only
    schema: pa.Schema | None = None  # tables only
    shapes: dict[str, tuple[int, ...]] | None = None  # tensors only


@dataclass(frozen=True)
class Store:
    root: Place  # a folder's Path, or "s3://bucket/prefix"
    temporary: Path | None = None  # a local folder for unfinished files: remote stores need one

    # -- tables ----------------------------------------------------------------------------

    def write_table(
        self, key: str, schema: pa.Schema, rows: pa.Table | Iterable[pa.RecordBatch]
    ) -> Artifact:
        """Write a whole table, or a stream of batches that need not fit in memory.

        Raises ValueError where columns differ from the schema or a required value is null.
        """
        batches = rows.to_batches() if isinstance(rows, pa.Table) else rows
        name, digest, num_rows = _name(key, ".parquet"), TableDigest(schema), 0
        with (
            ThreadPoolExecutor(1) as hasher,
            self._files.replacing(name) as temporary,
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
            path=self._files.place(name),
            digest=digest.hexdigest(),
            num_bytes=self._files.num_bytes(name),
            num_rows=num_rows,
            schema=schema,
        )

    def read_table(self, key: str, columns: list[str] | None = None) -> pa.Table:
        """The table, page checksums verified. ValueError names a missing or corrupt file."""
        with self._opened(key) as file:
            return pq.read_table(file, columns=columns, page_checksum_verification=True)

    def read_batches(self, key: str, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The table in batches, for what may not fit in memory."""
        with (
            self._opened(key) as opened,
            pq.ParquetFile(opened, page_checksum_verification=True) as file,
        ):
            yield from file.iter_batches(columns=columns)

    def num_rows(self, key: str) -> int:
        """How many rows a stored table has, without reading them."""
        with self._opened(key) as file:
            return int(pq.read_metadata(file).num_rows)

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
        name = _name(key, ".safetensors")
        with self._files.replacing(name) as temporary:
            save_file(arrays, temporary, metadata={**(metadata or {}), _DIGEST: digest})
        return Artifact(
            key=key,
            path=self._files.place(name),
            digest=digest,
            num_bytes=self._files.num_bytes(name),
            shapes={name: array.shape for name, array in arrays.items()},
        )

    def read_tensors(self, key: str) -> "dict[str, Tensor]":
        """The tensors, digest verified. ValueError names a missing or corrupt file."""
        import torch

        name = self._existing(key, ".safetensors")
        with self._files.whole(name) as path, self._corruption_named(name):
            arrays, metadata = _load_arrays(path), _load_metadata(path)
        if digest_arrays(arrays) != metadata.get(_DIGEST):
            raise self._corrupt(name, "content differs from its digest")
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    def digest(self, key: str) -> str:
        """The content digest that a table, a tensor file or a folder of them was stored with."""
        if self.exists(key, ".parquet"):
            with self._opened(key) as file:
                metadata = pq.read_metadata(file).metadata or {}
            return self._found(metadata.get(_DIGEST.encode(), b"").decode(), key, ".parquet")
        if self.exists(key, ".safetensors"):
            return self._found(self._metadata(key).get(_DIGEST), key, ".safetensors")
        parts = self._files.stems(_name(key, ""), ".safetensors")
        if not parts:
            raise self._missing(key, "")
        return digest_json([self.digest(f"{key}/{part}") for part in parts])

    def tensor_metadata(self, key: str) -> dict[str, str]:
        """The string metadata that `write_tensors` was given."""
        return {name: value for name, value in self._metadata(key).items() if name != _DIGEST}

    # -- everything else -------------------------------------------------------------------

    def write_text(self, key: str, suffix: str, text: str) -> Place:
        """Write a report, a checkpoint's JSON or the like; returns where it lies."""
        name = _name(key, suffix)
        with self._files.replacing(name) as temporary:
            temporary.write_text(text, encoding="utf-8")
        return self._files.place(name)

    def read_text(self, key: str, suffix: str) -> str:
        with self._files.whole(self._existing(key, suffix)) as path:
            return path.read_text(encoding="utf-8")

    def scratch(self, key: str) -> AbstractContextManager[Path]:
        """A local file for what a stage cannot keep in memory, gone when the block ends."""
        return self._files.scratch(_name(key, ".scratch"))

    def exists(self, key: str, suffix: str) -> bool:
        return self._files.exists(_name(key, suffix))

    def holds(self, key: str) -> bool:
        """Whether any artifact lies below a key, as those of a folder of weights do."""
        return self._files.holds(_name(key, ""))

    def delete(self, key: str, suffix: str) -> None:
        self._files.delete(_name(key, suffix))

    def num_bytes(self, key: str, suffix: str) -> int:
        return self._files.num_bytes(self._existing(key, suffix))

    def path(self, key: str, suffix: str) -> Place:
        """Where an artifact lies (a folder of them: no suffix), for people and the UI; not for
        writing. A URL where the store is remote."""
        return self._files.place(_name(key, suffix))

    # -- below keys ------------------------------------------------------------------------

    @cached_property
    def _files(self) -> Files:
        return open_files(self.root, self.temporary)

    def _existing(self, key: str, suffix: str) -> str:
        name = _name(key, suffix)
        if not self._files.exists(name):
            raise self._missing(key, suffix)
        return name

    def _missing(self, key: str, suffix: str) -> ValueError:
        asset, partition, *rest = [*key.split("/"), "all"]
        wanted = "/".join([asset, *rest[:-1]])
        path = self.path(key, suffix)
        return ValueError(f"{path} is missing: materialize {wanted} of {partition} first")

    @contextmanager
    def _opened(self, key: str) -> Iterator[Any]:
        """A table for Parquet's readers; what they cannot read is named as corrupt."""
        name = self._existing(key, ".parquet")
        with self._files.opened(name) as file, self._corruption_named(name):
            yield file

    def _metadata(self, key: str) -> dict[str, str]:
        name = self._existing(key, ".safetensors")
        with self._files.headed(name) as path, self._corruption_named(name):
            return _load_metadata(path)

    @contextmanager
    def _corruption_named(self, name: str) -> Iterator[None]:
        from safetensors import SafetensorError

        try:
            yield
        except StorageError:
            raise  # of its place, not of the file
        except (OSError, ValueError, pa.ArrowException, SafetensorError) as error:
            raise self._corrupt(name, error) from error

    def _corrupt(self, name: str, why: object) -> ValueError:
        reason = " ".join(str(why).split())  # some readers' messages span lines
        return ValueError(
            f"{self._files.place(name)} is corrupt ({reason}): "
            "delete it and materialize its asset again"
        )

    def _found(self, digest: str | None, key: str, suffix: str) -> str:
        if not digest:
            raise self._corrupt(_name(key, suffix), "it holds no digest")
        return digest


def _name(key: str, suffix: str) -> str:
    if not _KEY.fullmatch(key) or ".." in key:
        raise ValueError(
            f"{key!r} is no store key: use letters, digits, '.', '_', '-' and '/' between names"
        )
    return f"{key}{suffix}"


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


def _load_arrays(path: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return load_file(path)


def _load_metadata(path: Path) -> dict[str, str]:
    """Of a safetensors file: its string metadata, without reading its tensors."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return file.metadata() or {}
