"""From stored reviews to a scenario's interactions: hashing, numbering, k-core, writing.

    python -m benchmarks.ingest.interactions [--rows 20000000] [--folder FOLDER]

Generates the reviews of two domains without texts (some 10 bytes a row on disk), then runs
`build_interactions` (5-core on the union) in a process of its own. Prints a Markdown table.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from pipeline.catalog import Catalog, Domain, Filters, Scenario
from pipeline.columns import ITEMS, REVIEWS
from pipeline.prepare.interactions import build_interactions
from pipeline.store import Store

ROOT = Path(__file__).resolve().parents[2]
DOMAINS = ("first", "second")
_ROWS_AT_A_TIME = 1_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--folder", type=Path, help="for the tables; default: a temporary one")
    parser.add_argument("--store", type=Path, help=argparse.SUPPRESS)  # in a process of its own
    options = parser.parse_args()
    if options.store:
        print(json.dumps(_measured(Store(options.store))))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        _generate(Store(Path(folder)), options.rows)
        figures = _child(Path(folder))
    print("| rows | seconds | CPU seconds | rows/s | rows left | peak MB |")
    print("|---:|---:|---:|---:|---:|---:|")
    print(
        f"| {options.rows:,} | {figures['seconds']:.1f} | {figures['cpu_seconds']:.1f} | "
        f"{options.rows / figures['seconds']:,.0f} | {figures['rows_left']:,.0f} | "
        f"{figures['peak_mb']:,.0f} |"
    )


def _generate(store: Store, rows: int) -> None:
    for place, domain in enumerate(DOMAINS):
        generator = np.random.default_rng(place)
        store.write_table(f"reviews/{domain}", REVIEWS, _reviews(generator, domain, rows // 2))
        store.write_table(f"items/{domain}", ITEMS, ITEMS.empty_table())


def _reviews(generator: np.random.Generator, domain: str, rows: int) -> Iterator[pa.RecordBatch]:
    """Long-tailed users, shared by the domains, and items, in random order."""
    for start in range(0, rows, _ROWS_AT_A_TIME):
        count = min(_ROWS_AT_A_TIME, rows - start)
        users = (generator.random(count) ** 2 * rows / 3).astype(np.int64)
        items = (generator.random(count) ** 3 * rows / 12).astype(np.int64)
        times = generator.integers(1_000_000_000, 1_500_000_000, count)
        frame = pl.DataFrame({"user": users, "item": items, "timestamp": times}).select(
            pl.format("A{}", pl.col("user").cast(pl.String).str.zfill(13)).alias("user_id"),
            pl.format("B{}", pl.col("item").cast(pl.String).str.zfill(9)).alias("item_id"),
            "timestamp",
        )
        empty = pl.DataFrame(pl.from_arrow(REVIEWS.empty_table()))
        whole = pl.concat([empty, frame], how="diagonal").select(REVIEWS.names)
        yield from whole.to_arrow(compat_level=pl.CompatLevel.oldest()).to_batches()


def _child(store: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.ingest.interactions", "--store", str(store)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _measured(store: Store) -> dict[str, float]:
    domains = {
        name: Domain(name=name, title=name, format="amazon-2018", reviews=name) for name in DOMAINS
    }
    scenario = Scenario(name="both", domains=DOMAINS, filters=Filters(k_core=5))
    catalog = Catalog(folder=store.root, domains=domains, scenarios={"both": scenario})
    started, used = time.perf_counter(), time.process_time()
    outcome = build_interactions(scenario, catalog, store)
    return {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - used,
        "rows_left": float(outcome.facts["in_k_core"]),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


if __name__ == "__main__":
    main()
