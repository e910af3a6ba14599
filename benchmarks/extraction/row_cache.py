"""How fast the row cache is: its index, reading vectors back, and committing them.

    python -m benchmarks.extraction.row_cache [--folder EMPTY_FOLDER] [--rows 1000000]

Prints a Markdown table. What is read is read in a fresh process, which has the keys and nothing
else; memory is by how much its peak resident set (VmHWM) exceeds what it held before (VmRSS).
"Parts" are those that are there in the end: commits merge small parts once there are many. What
the operating system keeps of files in memory is not dropped before.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.extract.cache_parts import part_schema, write_part
from pipeline.extract.cache_upkeep import compact
from pipeline.extract.row_cache import CachedRows, RowCache
from pipeline.extract.row_index import KEY_BYTES, words_of
from pipeline.extract.vectors import stored_vectors, vector_type, vectors_of

ROOT = Path(__file__).resolve().parents[2]
WIDTH = 576
VECTORS = 100_000
KEYS = "keys"  # the file of keys that a fresh process asks for
GENERATION = pa.struct(
    [
        ("text", pa.string()),
        ("finished", pa.bool_()),
        ("prompt_tokens", pa.int32()),
        ("output_tokens", pa.int32()),
    ]
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="an empty one; default: a temporary one")
    parser.add_argument("--rows", type=int, default=1_000_000, help="in the index")
    parser.add_argument("--measure", help=argparse.SUPPRESS)  # in a process of its own
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(MEASURED[options.measure](options.folder)))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        print("| what | parts | seconds | CPU seconds | rows/s | memory growth, MB |")
        print("| --- | --- | --- | --- | --- | --- |")
        _index(Path(folder) / "large", options.rows, chunk=10_000)
        _index(Path(folder) / "small", options.rows, chunk=1_000)
        for precision in ("float32", "float16"):
            for chunk in (10_000, 1_000):
                _commits(Path(folder) / f"{precision}-{chunk}", precision, chunk)
            _scattered(Path(folder) / f"{precision}-scattered", precision, chunk=1_000)


def _index(root: Path, rows: int, chunk: int) -> None:
    cached = _open(root, GENERATION)
    _write_parts(cached, rows, chunk, lambda start: _generations(start, chunk))
    _measure(f"{rows:,} keys answered, parts of {chunk:,}", root, rows, "keys")
    before = _parts(root)
    spent = _spent(partial(compact, root))
    print(f"| compaction, of {before} parts | {_parts(root)} | {_rate(spent, rows)} | |")
    _measure(f"{rows:,} keys answered, compacted", root, rows, "keys")


def _commits(root: Path, precision: Any, chunk: int) -> None:
    cached = _open(root, vector_type(WIDTH, precision))
    keys = _keys(cached, VECTORS)
    spent = np.zeros(2)
    for start in range(0, VECTORS, chunk):
        stored = _random_vectors(chunk, precision, seed=start)
        spent += _spent(partial(cached.add, keys.slice(start, chunk), stored))
    what = f"{VECTORS:,} vectors of {WIDTH} {precision}"
    print(f"| {what}, committed by {chunk:,} | {_parts(root)} | {_rate(spent, VECTORS)} | |")
    _measure(f"{what}, read in random order", root, VECTORS, precision)


def _scattered(root: Path, precision: Any, chunk: int) -> None:
    """Vectors in parts as commits write them, but never merged."""
    cached = _open(root, vector_type(WIDTH, precision))
    _write_parts(cached, VECTORS, chunk, lambda start: _random_vectors(chunk, precision, start))
    what = f"{VECTORS:,} vectors of {WIDTH} {precision}, parts of {chunk:,}"
    _measure(f"{what}, read in random order", root, VECTORS, precision)


def _random_vectors(rows: int, precision: Any, seed: int) -> pa.Array:
    values = np.random.default_rng(seed).standard_normal((rows, WIDTH), dtype=np.float32)
    return stored_vectors(values, precision)[0]


def _generations(start: int, rows: int) -> pa.Array:
    columns = [
        pa.array([f"a kettle of steel, number {row}" for row in range(start, start + rows)]),
        pa.array([True] * rows),
        pa.array(np.full(rows, 300, dtype=np.int32)),
        pa.array(np.full(rows, 12, dtype=np.int32)),
    ]
    return pa.StructArray.from_arrays(columns, fields=list(GENERATION))


def _write_parts(
    cached: CachedRows, rows: int, chunk: int, values_from: Callable[[int], pa.Array]
) -> None:
    keys, added = _keys(cached, rows), pa.array(np.full(chunk, int(time.time())))
    for start in range(0, rows, chunk):
        values = values_from(start)
        columns = [keys.slice(start, chunk), added, values]
        write_part(cached.folder, pa.table(columns, schema=part_schema(values.type)))


def _measure(what: str, root: Path, rows: int, name: Any) -> None:
    cached = _open(root, GENERATION if name == "keys" else vector_type(WIDTH, name))
    order = pa.array(np.random.default_rng(1).permutation(rows))
    words_of(_keys(cached, rows).take(order)).tofile(root / KEYS)
    command = [sys.executable, __file__, "--folder", str(root), "--measure", name]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)
    *spent, growth = json.loads(done.stdout)
    rate = _rate(np.array(spent), rows)
    print(f"| {what} | {_parts(root)} | {rate} | {growth:.0f} |", flush=True)


def _spent(act: Callable[[], Any]) -> np.ndarray:
    """Seconds by the clock and of this process on a CPU."""
    before = np.array([time.perf_counter(), time.process_time()])
    act()
    return np.array([time.perf_counter(), time.process_time()]) - before


def _asked(ask: Callable[[], Any]) -> list[float]:
    """What it took, and MB by which the peak of memory exceeds what there was before."""
    before = _memory("VmRSS")
    spent = _spent(ask)
    return [*spent, _memory("VmHWM") - before]


def _memory(name: str) -> float:
    status = Path("/proc/self/status").read_text()
    found = re.search(rf"{name}:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024 / 1e6


def _answer_keys(root: Path) -> list[float]:
    cached, keys = _open(root, GENERATION), _read_keys(root)

    def ask() -> None:
        assert cached.known(keys).all()

    return _asked(ask)


def _read_vectors(root: Path, precision: Any) -> list[float]:
    cached, keys = _open(root, vector_type(WIDTH, precision)), _read_keys(root)

    def ask() -> None:
        assert vectors_of(cached.fetch(keys)).shape == (len(keys), WIDTH)

    return _asked(ask)


def _read_keys(root: Path) -> pa.Array:
    content = (root / KEYS).read_bytes()
    size = len(content) // KEY_BYTES
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(KEY_BYTES), size, [None, pa.py_buffer(content)]
    )


MEASURED = {
    "keys": _answer_keys,
    "float32": lambda root: _read_vectors(root, "float32"),
    "float16": lambda root: _read_vectors(root, "float16"),
}


def _open(root: Path, value: pa.DataType) -> CachedRows:
    identity = {"operation": "benchmark", "model": "none", "prompt": "rows/1"}
    return RowCache(root).open(identity, value)


def _keys(cached: CachedRows, rows: int) -> pa.Array:
    return cached.keys(b"a prompt of some length, with its number: %d" % row for row in range(rows))


def _parts(root: Path) -> int:
    return len(list(root.glob("*/*/*/part-*.parquet")))


def _rate(spent: np.ndarray, rows: int) -> str:
    return f"{spent[0]:.2f} | {spent[1]:.2f} | {rows / spent[0]:,.0f}"


if __name__ == "__main__":
    main()
