"""A learning rate that the search of settings left out, for the systems that were searched.

    OMP_NUM_THREADS=1 python -m benchmarks.lgcd.rates --data data --rate 0.01

Budget, seeds and validation users are those of food-kitchen-tuning, so that the figures stand
beside those of its report. Weights stay in the store, below `weights/food-kitchen-tuning/rates`:
what is trained already is not trained again.
"""

import argparse
import logging
from dataclasses import replace
from pathlib import Path

from pipeline.catalog import Scenario, load_catalog
from pipeline.catalog.system_names import shown
from pipeline.catalog.systems import TUNED
from pipeline.store import Store
from pipeline.train.experiments.definition import slugs
from pipeline.train.experiments.tuning import settings_at
from pipeline.train.systems import StoredRun, stored_system, train_run
from pipeline.train.weights import load_report

SCENARIO = "food-kitchen-tuning"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--systems", nargs="+", choices=TUNED)
    parser.add_argument("--rate", type=float, required=True)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    scenario = load_catalog(options.data / "catalog.toml").scenarios[SCENARIO]
    store = Store(options.data / "store")
    print("| system | setting | validation NDCG@10 |")
    print("|---|---|---:|")
    for system in options.systems or [one for one in TUNED if one in scenario.systems]:
        for label, stored in _settings(system, options.rate, scenario, store).items():
            train_run(stored, scenario, store)
            print(f"| {shown(system)} | {label} | {_best(stored, store):.4f} |", flush=True)


def _settings(system: str, rate: float, scenario: Scenario, store: Store) -> dict[str, StoredRun]:
    base = stored_system(system, scenario, store)
    runs = settings_at([rate], base.run)
    folder = f"weights/{scenario.name}/rates/{system}"
    return {
        label: replace(base, run=runs[label], folder=f"{folder}/{slug}")
        for label, slug in slugs("rates", list(runs)).items()
    }


def _best(stored: StoredRun, store: Store) -> float:
    """The score of the best epoch, the mean over seeds."""
    reports = [load_report(store, stored.folder, seed) for seed in stored.seeds]
    return sum(report.best_score for report in reports if report) / len(reports)


if __name__ == "__main__":
    main()
