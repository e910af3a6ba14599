"""Rows whose values say which they are: for tests of the row cache, in one process and several."""

import sys
from collections.abc import Iterable
from pathlib import Path
from subprocess import PIPE, Popen

import pyarrow as pa

from pipeline.extract.cache_parts import part_schema, write_part
from pipeline.extract.row_cache import CachedRows, RowCache

ROOT = Path(__file__).resolve().parents[3]
IDENTITY = {"operation": "generate", "model": "org/small", "prompt": "titles/1", "seed": 0}
ANSWER = pa.struct(
    [
        ("text", pa.string()),
        ("finished", pa.bool_()),
        ("prompt_tokens", pa.int32()),
        ("output_tokens", pa.int32()),
    ]
)


def open_rows(root: Path, since: int = 0, **facts: object) -> CachedRows:
    return RowCache(root, since).open(IDENTITY | facts, ANSWER)


def keys_of(rows: CachedRows, numbers: Iterable[int]) -> pa.Array:
    return rows.keys(b"prompt %d" % number for number in numbers)


def answers(numbers: Iterable[int]) -> pa.Array:
    """Of even numbers finished, of multiples of 7 without a text."""
    return pa.array(
        [
            {
                "text": None if number % 7 == 0 else f"answer {number}",
                "finished": number % 2 == 0,
                "prompt_tokens": number,
                "output_tokens": 5,
            }
            for number in numbers
        ],
        ANSWER,
    )


def add(rows: CachedRows, numbers: Iterable[int]) -> int:
    numbers = list(numbers)
    return rows.add(keys_of(rows, numbers), answers(numbers))


def add_at(rows: CachedRows, numbers: range, added: int, values: pa.Array | None = None) -> Path:
    """A part as `add` wrote it at a time, or one with other values."""
    times = pa.array([added] * len(numbers))
    columns = [keys_of(rows, numbers), times, answers(numbers) if values is None else values]
    return write_part(rows.folder, pa.table(columns, schema=part_schema(ANSWER)))


def holds(rows: CachedRows, numbers: Iterable[int]) -> bool:
    """Whether all are there, each with its own value."""
    numbers = list(numbers)
    keys = keys_of(rows, numbers)
    return bool(rows.known(keys).all()) and rows.fetch(keys).equals(answers(numbers))


def part_paths(rows: CachedRows) -> list[Path]:
    return sorted(rows.folder.glob("part-*.parquet"))


def flip(path: Path, position: int) -> None:
    """One bit of a file."""
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(bytes(content))


def start(script: str, *arguments: object) -> Popen[str]:
    """Another process, from the root of the project; it may import this module."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return Popen(command, cwd=ROOT, stdout=PIPE, text=True)
