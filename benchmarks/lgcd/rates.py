"""A learning rate that the search of settings left out, for the systems that were searched.

    OMP_NUM_THREADS=1 python -m benchmarks.lgcd.rates --data data --rate 0.01

Budget, seed and validation users are the scenario's, food-kitchen-tuning, so that the figures stand
beside those of its report. Weights stay in the store, below `weights/<scenario>/rates`: a second
run, for one, trains nothing again.
"""

import argparse
import logging
from dataclasses import replace
from pathlib import Path

from pipeline.catalog import Scenario, load_catalog
from pipeline.catalog.system_names import shown
from pipeline.catalog.systems import TUNED
from pipeline.store import Store
from pipeline.train.presets.runs import CountingRun
from pipeline.train.systems import StoredRun, stored_system, train_run
from pipeline.train.weights import load_report

DECAYS = {"plain": 0.0, "averaged": 0.999}  # of averaged weights, as in the search


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--scenario", default="food-kitchen-tuning")
    parser.add_argument("--systems", nargs="+", choices=TUNED, default=TUNED)
    parser.add_argument("--rate", type=float, required=True)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    scenario = load_catalog(options.data / "catalog.toml").scenarios[options.scenario]
    store = Store(options.data / "store")
    print(f"| system, learning rate {options.rate:g} | plain | averaged weights |")
    print("|---|---:|---:|")
    for system in options.systems:
        best = [_best(system, options.rate, decay, scenario, store) for decay in DECAYS]
        print(f"| {shown(system)} | {' | '.join(best)} |", flush=True)


def _best(system: str, rate: float, decay: str, scenario: Scenario, store: Store) -> str:
    """Validation NDCG@10 of the best epoch."""
    stored = _run(system, rate, decay, scenario, store)
    train_run(stored, scenario, store)
    (seed,) = stored.seeds
    report = load_report(store, stored.folder, seed)
    assert report is not None
    return f"{report.best_score:.4f}"


def _run(system: str, rate: float, decay: str, scenario: Scenario, store: Store) -> StoredRun:
    base = stored_system(system, scenario, store)
    assert not isinstance(base.run, CountingRun)  # those that were searched learn
    loop = replace(base.run.loop, learning_rate=rate, average_decay=DECAYS[decay])
    folder = f"weights/{scenario.name}/rates/{system}-{rate:g}-{decay}"
    return replace(base, run=replace(base.run, loop=loop), folder=folder)


if __name__ == "__main__":
    main()
