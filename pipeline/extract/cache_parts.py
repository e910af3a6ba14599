"""The files of a row cache: Parquet parts that never change, named by the digest of their bytes.

A part has a key, the time it was added and a value for each row. Its name tells any flipped bit
apart; where only a column is read, Parquet's page checksums stand in. A part that proves corrupt
is moved into the folder `corrupt` beside it, so that its rows count as unknown.
"""

import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.atomic import replacing, sync_folder
from pipeline.extract.row_index import KEY_BYTES, PartRows, words_of

log = logging.getLogger(__name__)

Loaded = TypeVar("Loaded")

CORRUPT = "corrupt"  # the folder of parts that were set aside
_NAME = re.compile(r"part-(?P<digest>[0-9a-f]{32})\.parquet")
_GROUP_BYTES = 8 * 2**20  # decoding lists takes several times as much as they do
_REPLACES = b"coldbridge.replaces"


class CorruptPart(ValueError):
    """A part's bytes are not those that it was written with."""


def part_schema(value: pa.DataType) -> pa.Schema:
    return pa.schema(
        [
            pa.field("key", pa.binary(KEY_BYTES), nullable=False),
            pa.field("added", pa.int64(), nullable=False),  # seconds since 1970, UTC
            pa.field("value", value, nullable=False),
        ]
    )


def write_part(folder: Path, table: pa.Table, replaces: Sequence[Path] = ()) -> Path:
    """Write rows of `part_schema` as one part, whole or not at all.

    `replaces` are parts whose rows this one holds: the caller deletes them next, and
    `drop_replaced` does where the caller was killed. OSError says how much space is left.
    """
    names = json.dumps([path.name for path in replaces])
    leaves = {
        path: kind for field in table.schema for path, kind in _leaves(field.type, field.name)
    }
    sink = pa.BufferOutputStream()
    pq.write_table(
        table.replace_schema_metadata({_REPLACES: names}),
        sink,
        # Keys are random. Numbers shrink once their bytes are sorted by rank: random vectors by
        # 15 %, for hardly more time. Statistics and dictionaries cost time and serve nobody here.
        compression={path: "none" if path == "key" else "zstd" for path in leaves},
        use_byte_stream_split=[path for path, kind in leaves.items() if pa.types.is_floating(kind)],
        row_group_size=max(1, _GROUP_BYTES * table.num_rows // max(1, table.nbytes)),
        use_dictionary=False,
        write_statistics=False,
        write_page_checksum=True,
    )
    content = sink.getvalue()
    path = folder / f"part-{_digest(content)}.parquet"
    with told_of_space(folder), replacing(path) as temporary:
        temporary.write_bytes(content)
    return path


@contextmanager
def told_of_space(folder: Path) -> Iterator[None]:
    """An OSError on writing says how much space is left, and that nothing else is lost."""
    try:
        yield
    except OSError as error:
        free = shutil.disk_usage(folder).free
        raise OSError(
            error.errno,
            f"{error.strerror} while writing to {folder}, which has {free:,} bytes left. All that "
            "was committed before is safe: mend this and run again, the run goes on from there",
        ) from error


def part_names(folder: Path) -> set[str]:
    """Of the parts that are there now, none where there is no folder."""
    names = _listed(folder)
    # A listing during which a compaction ends may lack both the old parts and the new one.
    while (again := _listed(folder)) != names:
        names = again
    return names


def open_part(path: Path) -> pq.ParquetFile:
    """A part's bytes, in memory, every bit checked. CorruptPart; FileNotFoundError."""
    content = path.read_bytes()
    if _digest(content) not in path.name:
        raise CorruptPart("its bytes differ from the checksum in its name")
    return pq.ParquetFile(pa.BufferReader(content))


def values_at(file: pq.ParquetFile, rows: np.ndarray) -> Iterator[tuple[pa.Array, np.ndarray]]:
    """For ascending rows of an open part: some MB of values, and which of them come next."""
    start, done = 0, 0
    for group in range(file.num_row_groups):
        end = start + file.metadata.row_group(group).num_rows
        upto = int(np.searchsorted(rows, end))
        if upto > done:
            yield _values(file, group), rows[done:upto] - start
        start, done = end, upto


def load_part(path: Path) -> pa.Table:
    """A whole part, every bit checked. CorruptPart; FileNotFoundError."""
    file = open_part(path)
    groups = [file.read_row_group(group, use_threads=False) for group in range(file.num_row_groups)]
    return pa.concat_tables(groups).replace_schema_metadata()


def load_rows(path: Path) -> PartRows:
    """Keys and times of a part, its values unread. CorruptPart where their pages or the footer are
    wrong; FileNotFoundError."""

    def read(file: pq.ParquetFile) -> PartRows:
        table = file.read(["key", "added"], use_threads=False).combine_chunks()
        if table.num_rows != file.metadata.num_rows:
            raise ValueError(f"{table.num_rows} of {file.metadata.num_rows} rows")
        keys, added = (pa.concat_arrays(table[name].chunks) for name in ("key", "added"))
        return PartRows(words_of(keys), added.to_numpy())

    return _read(path, read)


def size_of(path: Path) -> int:
    """In bytes. FileNotFoundError."""
    return path.stat().st_size


def healthy(path: Path, load: Callable[[Path], Loaded]) -> Loaded | None:
    """What `load` reads from a part. None where it is gone, or proves corrupt and is set aside."""
    try:
        return load(path)
    except FileNotFoundError:
        return None
    except CorruptPart as error:
        set_aside(path, error)
        return None


def set_aside(path: Path, why: Any) -> None:
    """Move a corrupt part out of the way, and say so; another process may have been faster."""
    aside = path.parent / CORRUPT / path.name
    aside.parent.mkdir(exist_ok=True)
    try:
        os.replace(path, aside)
    except FileNotFoundError:
        return
    log.warning(
        "%s is corrupt (%s): set aside in %s, its rows count as unknown", path, why, aside.parent
    )


def keep_rows(path: Path, kept: np.ndarray) -> None:
    """Write a part again with some of its rows, bool [rows], and the times of these.

    The caller holds the folder's lock.
    """
    table = healthy(path, load_part) if kept.any() else None
    if table is not None:
        write_part(path.parent, table.filter(pa.array(kept)), replaces=[path])
    remove_parts([path])


def remove_parts(paths: Sequence[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
    if paths:
        sync_folder(paths[0].parent)


def drop_replaced(folder: Path) -> None:
    """Delete parts whose rows lie in another part, where a process was killed before it could.

    The caller holds the folder's lock.
    """
    names = part_names(folder)
    for name in sorted(names):
        path = folder / name
        left = [folder / old for old in (healthy(path, _replaces) or []) if old in names]
        if left and healthy(path, load_part) is not None:
            remove_parts(left)


def _replaces(path: Path) -> list[str]:
    """The names of the parts whose rows a part holds."""
    return _read(path, lambda file: json.loads(file.schema_arrow.metadata[_REPLACES]))


def _values(file: pq.ParquetFile, group: int) -> pa.Array:
    column = file.read_row_group(group, ["value"], use_threads=False).column("value")
    return pa.concat_arrays(column.chunks)


def _read(path: Path, read: Callable[[pq.ParquetFile], Loaded]) -> Loaded:
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            return read(file)
    except FileNotFoundError:
        raise
    except Exception as error:  # damaged bytes make readers fail in many ways
        if _digest(path.read_bytes()) in path.name:
            raise  # the part is whole; something else is wrong: no memory, too many open files
        raise CorruptPart(" ".join(str(error).split())) from error


def _listed(folder: Path) -> set[str]:
    try:
        return {name for name in os.listdir(folder) if _NAME.fullmatch(name)}
    except FileNotFoundError:
        return set()


def _digest(content: Any) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def _leaves(kind: pa.DataType, path: str) -> Iterator[tuple[str, pa.DataType]]:
    """The columns that Parquet makes of one, by their names there."""
    if pa.types.is_struct(kind):
        for field in kind:
            yield from _leaves(field.type, f"{path}.{field.name}")
    elif pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        yield from _leaves(kind.value_type, f"{path}.list.element")
    else:
        yield path, kind
