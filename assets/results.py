"""`python -m assets.results NAME`: copy a scenario's reports into docs/results, for people who
read the repository and run nothing."""

import argparse
from pathlib import Path

from assets.command import errors_for_people
from assets.resources import PROJECT, Workspace
from pipeline.catalog import Scenario
from pipeline.store import Store

_OF_RANKING = ("leaderboard", "ablation_report")
_OF_RATINGS = ("rating_leaderboard", "rating_ablation_report")


@errors_for_people()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="a scenario of data/catalog.toml that has a leaderboard")
    arguments = parser.parse_args()
    workspace = Workspace()
    scenarios = workspace.catalog.scenarios
    if arguments.name not in scenarios:
        parser.error(f"unknown scenario {arguments.name!r}; known: {', '.join(scenarios)}")
    scenario = scenarios[arguments.name]
    for path in export(scenario, workspace.store, PROJECT / "docs" / "results"):
        print(path)


def export(scenario: Scenario, store: Store, folder: Path) -> list[Path]:
    """Write `<scenario>.md`, and `<scenario>-ablations.md` where it has experiments.

    ValueError names a report that is not there yet; then nothing is written.
    """
    is_rating = scenario.task == "cold-start-rating"
    leaderboard, ablations = _OF_RATINGS if is_rating else _OF_RANKING
    reports = {scenario.name: f"{leaderboard}/{scenario.name}"}
    if scenario.experiments:
        reports[f"{scenario.name}-ablations"] = f"{ablations}/{scenario.name}"
    texts = {name: store.read_text(key, ".md") for name, key in reports.items()}
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in texts.items():
        path = folder / f"{name}.md"
        path.write_text(_header(scenario.name) + text, encoding="utf-8")
        written.append(path)
    return written


def _header(scenario: str) -> str:
    return (
        f"> Written by `python -m assets.results {scenario}` from the stored report, which also"
        " has a page with charts.\n"
        f"> To repeat it from the raw files: `python -m assets.run {scenario}`, then that"
        " command.\n\n"
    )


if __name__ == "__main__":
    main()
