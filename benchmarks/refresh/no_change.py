"""What a refresh costs when nothing changed, and when one key did, on a large scenario.

Two generated domains of shared and single-domain users, one scenario of ratings with the systems
that count: no language model has a part in it. It is materialized once, by `python -m assets.run`,
in a folder of its own; then each command is run in a fresh process, which also says which heavy
libraries it had loaded when it ended.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pipeline.ingest.sample import Dump, write_world
from pipeline.ingest.sample_world import WorldConfig

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "vllm", "transformers", "sentence_transformers", "faiss", "matplotlib")
CATALOG = """
[domain.food]
title = "groceries"
format = "amazon-2018"
reviews = "raw/food.json.gz"
items = "raw/meta_food.json.gz"
max_rejected_rows = 5

[domain.kitchen]
title = "household products"
format = "amazon-2018"
reviews = "raw/kitchen.json.gz"
items = "raw/meta_kitchen.json.gz"
max_rejected_rows = 5

[scenario.large]
domains = ["food", "kitchen"]
filters = { k_core = 4 }
task = "cold-start-rating"
systems = ["global_mean", "user_mean", "item_mean", "biases"]
"""
SCRIPT = """
import runpy, sys
module, *sys.argv[1:] = sys.argv[1:]
sys.argv[0] = module
try:
    runpy.run_module(module, run_name="__main__")
finally:
    print("HEAVY", *sorted(set({heavy!r}) & set(sys.modules)))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--users", type=int, default=42_000, help="one in twenty is of both domains"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--folder", type=Path, help="keep the data here, and go on with what is there"
    )
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="refresh-"))
    _prepare(folder, arguments.users)
    _report("first refresh", folder, 1, "assets.run", "large")
    _report("nothing changed: assets.run", folder, arguments.repeats, "assets.run", "large")
    _report("nothing changed: assets.stale", folder, arguments.repeats, "assets.stale", "large")
    catalog = folder / "data/catalog.toml"
    catalog.write_text(CATALOG.replace('title = "groceries"', 'title = "food"'))
    _report("a domain's title: assets.stale", folder, 1, "assets.stale", "large")
    catalog.write_text(CATALOG.replace("k_core = 4 }", "k_core = 4, start = 0 }"))
    _report("a filter that takes nothing away", folder, 1, "assets.run", "large")
    catalog.write_text(CATALOG)
    _report("and back", folder, 1, "assets.run", "large")


def _prepare(folder: Path, users: int) -> None:
    raw = folder / "data/raw"
    raw.mkdir(parents=True, exist_ok=True)
    (folder / "data/catalog.toml").write_text(CATALOG)
    settings = (ROOT / "dagster.yaml").read_text()
    (folder / "dagster.yaml").write_text(
        settings.replace("data/.dagster", str(folder / "data/.dagster"))
    )
    dumps = [
        Dump(reviews=raw / f"{name}.json.gz", items=raw / f"meta_{name}.json.gz")
        for name in ("food", "kitchen")
    ]
    if not all(dump.items.exists() for dump in dumps):
        shared, rest = users // 20, users - users // 20
        world = WorldConfig(
            food_users=rest // 2, kitchen_users=rest - rest // 2, shared_users=shared
        )
        write_world((dumps[0], dumps[1]), world)


def _report(what: str, folder: Path, repeats: int, *command: str) -> None:
    for _ in range(repeats):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT.format(heavy=HEAVY), *command],
            cwd=ROOT,
            env={
                **os.environ,
                "COLDBRIDGE_DATA": str(folder / "data"),
                "DAGSTER_HOME": str(folder),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            raise SystemExit(done.stdout[-2000:] + done.stderr[-4000:])
        lines = done.stdout.splitlines()
        print(
            json.dumps(
                {
                    "what": what,
                    "seconds": round(seconds, 2),
                    "cpu": round(
                        after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2
                    ),
                    "heavy": next(line.split()[1:] for line in lines if line.startswith("HEAVY")),
                    "said": [
                        one
                        for one in lines
                        if "aterialized" in one or "fresh." in one or "recomputed" in one
                    ],
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
