"""How fast and in how much memory a dump of reviews becomes Parquet, beside three plain ways.

    python -m benchmarks.ingest.throughput [--rows 500000 1000000 2000000] [--repeats 3]

All read the same generated gzip file and write user, item, time, rating and text as Parquet
(zstd), taking turns, each in a process of its own whose peak resident set is measured:

- ours: `ingest_reviews`, which also checks every row, cleans texts, drops duplicates wherever in
  the file they are, keeps the earliest, digests, and syncs what it wrote;
- loop, same rows: a loop over lines with `json`, cleaning each text by the same rules and keeping
  a set of the pairs that it has seen (the first in the file stays: the rows differ in that alone);
- loop, as is: the same without cleaning and without the set;
- pandas, as is: `pandas.read_json(lines=True, chunksize=100000)`, written chunk by chunk.

"... reading" stops before anything is cleaned or written: rows are parsed into record batches or
frames and dropped.

pandas is no dependency of the project: install it beside. Prints a Markdown table.
"""

import argparse
import gzip
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.ingest.generated_reviews import write_reviews
from pipeline.catalog import Catalog, Domain
from pipeline.ingest.clean import clean_text
from pipeline.ingest.formats.amazon_reviews import read_amazon_reviews
from pipeline.ingest.formats.rows import ReadLog
from pipeline.ingest.reviews import ingest_reviews
from pipeline.store import Store

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = pa.schema(
    [
        ("user_id", pa.string()),
        ("item_id", pa.string()),
        ("timestamp", pa.int64()),
        ("rating", pa.float32()),
        ("text", pa.string()),
    ]
)
_CHUNK = 100_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[500_000, 1_000_000, 2_000_000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)  # in a process of its own
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(_measured(WAYS[options.way], options.file)))
        return
    print("| reviews | way | seconds | rows/s | times ours | CPU seconds | times ours | peak MB |")
    print("|---:|---|---:|---:|---:|---:|---:|---:|")
    for rows in options.rows:
        _compare(rows, options.repeats)


def _compare(rows: int, repeats: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "reviews.json.gz")
        write_reviews(path, rows)
        turns = [{way: _child(way, path) for way in WAYS} for _ in range(repeats)]
    for way in WAYS:
        rival = "ours, reading" if way.endswith("reading") else "ours"
        ours = {key: _best(turns, rival, key) for key in ("seconds", "cpu_seconds")}
        seconds, cpu = _best(turns, way, "seconds"), _best(turns, way, "cpu_seconds")
        peak = max(turn[way]["peak_mb"] for turn in turns)
        print(
            f"| {rows:,} | {way} | {seconds:.2f} | {rows / seconds:,.0f} | "
            f"{seconds / ours['seconds']:.1f} | {cpu:.2f} | {cpu / ours['cpu_seconds']:.1f} | "
            f"{peak:.0f} |",
            flush=True,
        )


def _best(turns: list[dict[str, dict[str, float]]], way: str, key: str) -> float:
    """Of several turns the quickest: what else runs on the machine only ever adds time."""
    return min(turn[way][key] for turn in turns)


def _child(way: str, path: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.ingest.throughput", "--way", way]
    done = subprocess.run(
        [*command, "--file", str(path)], cwd=ROOT, check=True, capture_output=True, text=True
    )
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _measured(way: Callable[[Path, Path], None], path: Path) -> dict[str, float]:
    """Seconds without the imports, which are done before."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        started, used = time.perf_counter(), time.process_time()
        way(path, Path(folder))
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mb": peak}


def _ours(path: Path, folder: Path) -> None:
    catalog = Catalog(folder=path.parent, domains={"x": _domain(path)}, scenarios={})
    ingest_reviews(catalog, "x", Store(folder))


def _ours_reading(path: Path, folder: Path) -> None:
    del folder
    log = ReadLog(domain=_domain(path))
    assert sum(batch.num_rows for batch in read_amazon_reviews(path, log)) == log.rows


def _domain(path: Path) -> Domain:
    return Domain(name="x", title="x", format="amazon-2018", reviews=path.name)


def _loop_same_rows(path: Path, folder: Path) -> None:
    _write(_loop(path, clean=True), folder)


def _loop_as_is(path: Path, folder: Path) -> None:
    _write(_loop(path, clean=False), folder)


def _loop_reading(path: Path, folder: Path) -> None:
    del folder
    rows = _loop(path, clean=False)
    while chunk := list(islice(rows, _CHUNK)):
        _batch(chunk)


def _loop(path: Path, clean: bool) -> Iterator[tuple[Any, ...]]:
    seen: set[tuple[str, str]] = set()
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            entry = json.loads(line)
            pair = entry["reviewerID"].strip(), entry["asin"].strip()
            text = f"{entry['summary']}\n{entry['reviewText']}"
            if clean:
                if pair in seen:
                    continue
                seen.add(pair)
                text = clean_text(text)
            yield *pair, entry["unixReviewTime"], entry["overall"], text


def _write(rows: Iterator[tuple[Any, ...]], folder: Path) -> None:
    with pq.ParquetWriter(folder / "reviews.parquet", SCHEMA, compression="zstd") as writer:
        chunk: list[tuple[Any, ...]] = []
        for row in rows:
            chunk.append(row)
            if len(chunk) == _CHUNK:
                writer.write_batch(_batch(chunk))
                chunk = []
        writer.write_batch(_batch(chunk))


def _batch(rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
    columns = zip(*rows, strict=True) if rows else [[] for _ in SCHEMA]
    return pa.record_batch(
        [pa.array(column, kind) for column, kind in zip(columns, SCHEMA.types, strict=True)],
        schema=SCHEMA,
    )


def _pandas_reading(path: Path, folder: Path) -> None:
    del folder
    for chunk in _pandas_chunks(path):
        assert len(chunk) <= _CHUNK


def _pandas_chunks(path: Path) -> Any:
    try:
        import pandas as pd
    except ImportError:
        raise SystemExit("this comparison needs pandas: pip install pandas") from None
    return pd.read_json(path, lines=True, chunksize=_CHUNK, convert_dates=False)


def _pandas_as_is(path: Path, folder: Path) -> None:
    names = {
        "reviewerID": "user_id",
        "asin": "item_id",
        "unixReviewTime": "timestamp",
        "overall": "rating",
    }
    with pq.ParquetWriter(folder / "reviews.parquet", SCHEMA, compression="zstd") as writer:
        for chunk in _pandas_chunks(path):
            frame = chunk.rename(columns=names)
            frame["text"] = frame["summary"] + "\n" + frame["reviewText"]
            writer.write_table(pa.Table.from_pandas(frame[SCHEMA.names], schema=SCHEMA))


WAYS: dict[str, Callable[[Path, Path], None]] = {
    "ours": _ours,
    "loop, same rows": _loop_same_rows,
    "loop, as is": _loop_as_is,
    "pandas, as is": _pandas_as_is,
    "ours, reading": _ours_reading,
    "loop, reading": _loop_reading,
    "pandas, reading": _pandas_reading,
}


if __name__ == "__main__":
    main()
