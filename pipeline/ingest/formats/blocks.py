"""Text files of any size, plain, gzip or zstd, as blocks of whole lines.

How a file is compressed is read from its first bytes, not from its name. A file that is cut off,
damaged, no file or changed while it was read is a ValueError that names it; an empty one yields
nothing.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa

from pipeline.ingest.formats.rows import Reading, ReadLog, RowError, shown

BLOCK_BYTES = 16 << 20
_PIECE_BYTES = 1 << 20  # of one read: how exactly damage is placed
LONGEST_LINE = 256 << 20
"""Bytes. A longer line is no line of a dump: the file has other line breaks, or none."""

_GZIP, _ZSTD, _BOM = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xef\xbb\xbf"
_SEEM_PACKED = (_GZIP, _ZSTD, b"x\x01", b"x\x9c", b"x\xda")  # the last three are zlib's


@dataclass(frozen=True, kw_only=True)
class Block:
    """Whole lines of a file, with their line breaks; the file's last line may lack its own."""

    path: Path
    first_row: int  # 1-based number of the first line
    data: bytes

    @cached_property
    def num_lines(self) -> int:
        """How many lines there are, blank ones included."""
        return self.data.count(b"\n") + (not self.data.endswith(b"\n"))

    @property
    def seems_packed(self) -> bool:
        """Whether it begins, by chance or damage, as a packed file: Polars would unpack it."""
        return self.data.startswith(_SEEM_PACKED)

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Each line with its number, without its line break; blank lines are left out."""
        for number, line in enumerate(self.data.split(b"\n"), start=self.first_row):
            line = line.removesuffix(b"\r")
            if line.strip():
                yield number, line


def read_blocks(path: Path, size: int = BLOCK_BYTES, log: ReadLog | None = None) -> Iterator[Block]:
    """A file's lines in blocks of about `size` bytes, at most two of them in memory.

    `log` learns how far the file was read. Raises ValueError as said above. A byte order mark at
    the beginning is left out.
    """
    before = _state(path)
    row, rest = 1, b""
    started = time.perf_counter()
    with _opened(path) as (file, raw):
        while pieces := _read(file, size, path, row):
            if log is not None:
                share = min(raw.tell() / max(before[0], 1), 1.0)
                seconds = time.perf_counter() - started
                log.reading = Reading(path=path, share=share, seconds=seconds)
            data = b"".join([rest, *pieces])
            if row == 1 and not rest:
                data = data.removeprefix(_BOM)
            end = data.rfind(b"\n") + 1
            if end:
                block = Block(path=path, first_row=row, data=data[:end])
                yield block
                row += block.num_lines
            rest = data[end:]
            if len(rest) > LONGEST_LINE:
                raise ValueError(
                    f"{path} row {row}: a line of more than {LONGEST_LINE >> 20} MiB; lines must "
                    "end with a line feed. Check that the catalog names the right kind of file"
                )
    if rest:
        yield Block(path=path, first_row=row, data=rest)
    if _state(path) != before:
        raise ValueError(
            f"{path} changed while it was read: wait until it is whole, then materialize raw and "
            "what follows again"
        )


def read_lines(path: Path, log: ReadLog | None = None) -> Iterator[tuple[int, bytes]]:
    """A file's lines with their 1-based numbers, as `Block.lines` gives them."""
    for block in read_blocks(path, log=log):
        yield from block.lines()


def decode(line: bytes) -> str:
    """A line as text. RowError where it is not UTF-8."""
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        bad = line[error.start : error.start + 4]
        raise RowError(f"not UTF-8: bytes {shown(bad)} at position {error.start}") from error


@contextmanager
def opened_bytes(path: Path) -> Iterator[IO[bytes]]:
    """A file's unpacked bytes, for formats that are no lines. Errors as in `read_blocks`."""
    with _opened(path) as (file, _), _damage_named(path):
        yield file


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """A file's unpacked bytes, and what tells how many of the packed ones were read."""
    if not path.is_file():
        what = "is a folder; the catalog must name a file" if path.is_dir() else "is missing"
        raise ValueError(f"{path} {what}: put the file there, or correct the catalog")
    with path.open("rb") as probe:
        start = probe.read(4)
    if start.startswith(_GZIP):
        from isal import igzip

        with path.open("rb") as raw, igzip.open(raw, "rb") as file:
            yield file, raw
    elif start == _ZSTD:
        with pa.OSFile(str(path)) as raw, pa.CompressedInputStream(raw, "zstd") as file:
            yield file, raw
    else:
        with path.open("rb", buffering=0) as file:
            yield file, file


def _read(file: Any, size: int, path: Path, row: int) -> list[bytes]:
    """About `size` bytes more, the first of which belong to a row; fewer at the file's end."""
    pieces: list[bytes] = []
    while sum(map(len, pieces)) < size:
        with _damage_named(path, lambda: row + sum(piece.count(b"\n") for piece in pieces)):
            piece = file.read(min(size, _PIECE_BYTES))
        if not piece:
            break
        pieces.append(piece)
    return pieces


@contextmanager
def _damage_named(path: Path, row: Callable[[], int] | None = None) -> Iterator[None]:
    from isal.igzip_lib import IsalError

    damage = (EOFError, OSError, cast(type[Exception], IsalError))
    try:
        yield
    except damage as error:
        where = f" in row {row()} or soon after" if row else ""
        raise ValueError(
            f"{path} is cut off or damaged{where} ({error}). Fetch the file again"
        ) from error


def _state(path: Path) -> tuple[int, int]:
    """What changes when someone writes to a file."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return (-1, -1)  # opening it says so
    return status.st_size, status.st_mtime_ns
