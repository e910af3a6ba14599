"""`python -m assets.run NAME`: bring a scenario up to date and print its leaderboard, or a
domain with all that is made of it alone."""

import argparse
import logging
import os
import time

import dagster as dg

from assets.definitions import all_assets
from assets.partitions import Partitions
from assets.refresh import refresh
from assets.resources import PROJECT, Workspace


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="a scenario or a domain of data/catalog.toml")
    arguments = parser.parse_args()
    log_to_console()
    started = time.perf_counter()
    workspace = Workspace()
    catalog = workspace.catalog
    if arguments.name not in {**catalog.scenarios, **catalog.domains}:
        parser.error(
            f"unknown scenario {arguments.name!r}; known: {', '.join(catalog.scenarios)}; "
            f"domains: {', '.join(catalog.domains)}"
        )
    os.chdir(PROJECT)  # dagster.yaml keeps its state in data/.dagster, relative to the root
    os.environ.setdefault("DAGSTER_HOME", str(PROJECT))
    with dg.DagsterInstance.get() as instance:
        done = refresh(all_assets(catalog), workspace, arguments.name, instance)
    if arguments.name in catalog.scenarios:
        print(workspace.store.read_text(f"dataset_card/{arguments.name}", ".md"))
    if arguments.name in Partitions(catalog).pairs:
        _print_leaderboard(workspace, arguments.name)
    if arguments.name in catalog.scenarios:
        print(f"Report:          {workspace.store.path(f'report/{arguments.name}', '.html')}")
    _print_done(done, time.perf_counter() - started)


def log_to_console() -> None:
    """Show what the pipeline logs. Not by way of the root logger, which would get each record
    after Dagster has written its run and step into the message."""
    console = logging.StreamHandler()
    console.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("pipeline")
    logger.setLevel(logging.INFO)
    logger.addHandler(console)


def _print_leaderboard(workspace: Workspace, scenario: str) -> None:
    store = workspace.store
    print(store.read_text(f"leaderboard/{scenario}", ".md"))
    titles = store.read_table(f"generated_titles/{scenario}", ["part"])["part"].to_pylist()
    print(f"The LLM wrote titles for {titles.count('single')} single-domain users.")
    print(f"Recommendations: {store.path(f'recommendations/{scenario}/lgcd', '.parquet')}")


def _print_done(done: list[str], seconds: float) -> None:
    if done:
        print(
            f"Materialized {len(done)} asset partitions, those that were stale, in {seconds:.0f} s."
        )
    else:
        print(f"Nothing was missing or stale, nothing was recomputed ({seconds:.0f} s).")
    print("UI:              make dev, then http://127.0.0.1:3000")


if __name__ == "__main__":
    main()
