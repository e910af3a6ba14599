"""The store on a folder, as it was at an earlier revision, and on a bucket, by turns.

    OMP_NUM_THREADS=1 python -m benchmarks.storage.throughput --before 4b98cdb

The bucket is one of moto's server on the loopback, started here; `--bucket s3://mine/bench` names
another, whose server and keys are those of the AWS variables.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from pipeline.store import Store
from tests.s3_server import BUCKET, s3_server

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = pa.schema(
    [
        pa.field("user", pa.string(), nullable=False),
        pa.field("item", pa.int64(), nullable=False),
        pa.field("value", pa.float64(), nullable=False),
    ]
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", required=True, help="the revision of pipeline/store.py")
    parser.add_argument("--bucket", help="s3://bucket/prefix")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--floats", type=int, default=10_000_000, help="of the tensor file")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        if not options.bucket:
            server = opened.enter_context(s3_server())
            os.environ.update(server.variables)
        stores = {
            f"folder, {options.before}": _module(options.before).Store(folder / "before"),
            "folder": Store(folder / "now"),
            "bucket": Store(options.bucket or f"s3://{BUCKET}/bench", temporary=folder / "tmp"),
        }
        _compare(stores, options)


def _module(revision: str) -> ModuleType:
    """pipeline/store.py as it was; what it imports is of today."""
    source = subprocess.run(
        ["git", "show", f"{revision}:pipeline/store.py"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    module = ModuleType("store_before")
    sys.modules[module.__name__] = module  # where its dataclasses look for their names
    exec(compile(source, f"store.py at {revision}", "exec"), module.__dict__)
    return module


def _compare(stores: dict[str, Any], options: argparse.Namespace) -> None:
    table, tensors = _table(options.rows), {"x": torch.rand(options.floats)}
    # The order matters: what is read was written by the line before it.
    works: dict[str, Callable[[Any], Any]] = {
        "write a table": lambda store: store.write_table("table", SCHEMA, table),
        "read it": lambda store: store.read_table("table"),
        "read it in batches": lambda store: sum(b.num_rows for b in store.read_batches("table")),
        "read one column": lambda store: store.read_table("table", ["item"]),
        "write tensors": lambda store: store.write_tensors("tensors", tensors),
        "read tensors": lambda store: store.read_tensors("tensors"),
        "write a text": lambda store: store.write_text("text", ".md", "a few words"),
        "read a text": lambda store: store.read_text("text", ".md"),
        "digest of a table": lambda store: store.digest("table"),
        "digest of tensors": lambda store: store.digest("tensors"),
    }
    print("| work | way | milliseconds | best | CPU milliseconds | best |")
    print("|---|---|---:|---:|---:|---:|")
    for work, do in works.items():
        for store in stores.values():
            do(store)  # once unmeasured: libraries are loaded, connections made
        taken: dict[str, list[tuple[float, float]]] = {way: [] for way in stores}
        for turn in range(options.repeats):
            ways = list(stores) if turn % 2 == 0 else list(reversed(stores))
            for way in ways:
                taken[way].append(_timed(do, stores[way]))
        for way, spent in taken.items():
            wall, cpu = zip(*spent, strict=True)
            print(
                f"| {work} | {way} | {statistics.median(wall):.1f} | {min(wall):.1f} |"
                f" {statistics.median(cpu):.1f} | {min(cpu):.1f} |",
                flush=True,
            )
    for key, suffix in (("table", ".parquet"), ("tensors", ".safetensors")):
        print(f"\n{key}: {stores['folder'].num_bytes(key, suffix) / 1e6:.1f} MB")


def _timed(do: Callable[[Any], Any], store: Any) -> tuple[float, float]:
    """Milliseconds by the wall, and of this process's CPU time."""
    wall, cpu = time.perf_counter(), time.process_time()
    do(store)
    return 1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - cpu)


def _table(rows: int) -> pa.Table:
    generator = np.random.default_rng(0)
    users = [f"user-{number:07}" for number in generator.integers(rows // 10, size=rows)]
    items, values = generator.integers(100_000, size=rows), generator.random(rows)
    return pa.table({"user": users, "item": items, "value": values}, SCHEMA)


if __name__ == "__main__":
    main()
