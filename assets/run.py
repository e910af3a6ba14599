"""`python -m assets.run NAME...`: bring scenarios up to date and print their leaderboards, or
domains with all that is made of them alone."""

import argparse
import logging
import time

from assets.command import check_names, errors_for_people, open_instance
from assets.definitions import all_assets
from assets.jobs import STAGES
from assets.partitions import Partitions
from assets.resources import Workspace
from assets.staleness.refresh import Step, refresh
from pipeline.catalog import Scenario
from pipeline.catalog.systems import artifacts_of


@errors_for_people()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+", help="scenarios or domains of data/catalog.toml")
    parser.add_argument("--only", choices=STAGES, help="one stage; all others stay as they are")
    parser.add_argument(
        "--force", default="", metavar="ASSET[,ASSET]", help="run these though they be fresh"
    )
    arguments = parser.parse_args()
    log_to_console()
    workspace = Workspace()
    check_names(parser, workspace.catalog, arguments.names)
    force = arguments.force.split(",") if arguments.force else []
    for name in arguments.names:
        _bring_up_to_date(workspace, name, arguments.only, force)
    print("UI:              make dev, then http://127.0.0.1:3000")


def _bring_up_to_date(workspace: Workspace, name: str, only: str | None, force: list[str]) -> None:
    started = time.perf_counter()
    catalog = workspace.catalog
    with open_instance() as instance:
        steps = refresh(all_assets(catalog), workspace, name, instance, only=only, force=force)
    if only is None and name in catalog.scenarios:
        print(workspace.store.read_text(f"dataset_card/{name}", ".md"))
    if only in (None, "evaluate") and name in Partitions(catalog).pairs:
        _print_leaderboard(workspace, catalog.scenarios[name])
    if only in (None, "evaluate") and name in Partitions(catalog).of_tasks("cold-start-rating"):
        print(workspace.store.read_text(f"rating_leaderboard/{name}", ".md"))
    if only in (None, "evaluate") and name in catalog.scenarios:
        print(f"Report:          {workspace.store.path(f'report/{name}', '.html')}")
    _print_done(steps, time.perf_counter() - started)


def log_to_console() -> None:
    """Show what the pipeline logs. Not by way of the root logger, which would get each record
    after Dagster has written its run and step into the message."""
    console = logging.StreamHandler()
    console.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("pipeline")
    logger.setLevel(logging.INFO)
    logger.addHandler(console)


def _print_leaderboard(workspace: Workspace, scenario: Scenario) -> None:
    store, name = workspace.store, scenario.name
    print(store.read_text(f"leaderboard/{name}", ".md"))
    if "generated_titles" in artifacts_of(scenario.systems):
        titles = store.read_table(f"generated_titles/{name}", ["part"])["part"].to_pylist()
        print(f"The LLM wrote titles for {titles.count('single')} single-domain users.")
    recommendations = store.path(f"recommendations/{name}", "")
    print(f"Recommendations: {recommendations}, a table for each system")


def _print_done(steps: list[Step], seconds: float) -> None:
    if steps:
        count = f"{len(steps)} asset partitions"
        print(f"Materialized {count}, those that were stale, in {seconds:.0f} s.")
    else:
        print(f"Nothing was missing or stale, nothing was recomputed ({seconds:.0f} s).")


if __name__ == "__main__":
    main()
