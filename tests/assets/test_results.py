"""Reports copied into the repository."""

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from assets import results
from assets.resources import Workspace
from assets.results import export


def test_stored_reports_are_copied_with_how_to_repeat_them(
    workspace: Callable[..., Workspace], tmp_path: Path
) -> None:
    built = workspace()
    scenario = replace(built.scenario("small"), experiments=("lgcd_steps",))
    built.store.write_text("leaderboard/small", ".md", "# Leaderboard: small\n")
    built.store.write_text("ablation_report/small", ".md", "# Experiments: small\n")
    paths = export(scenario, built.store, tmp_path / "docs")
    assert [path.name for path in paths] == ["small.md", "small-ablations.md"]
    board, ablations = (path.read_text() for path in paths)
    assert board.endswith("\n\n# Leaderboard: small\n")
    assert ablations.endswith("\n\n# Experiments: small\n")
    for command in ("python -m assets.run small", "python -m assets.results small"):
        assert f"`{command}`" in board and f"`{command}`" in ablations


def test_reports_of_ratings_are_copied_too(
    workspace: Callable[..., Workspace], tmp_path: Path
) -> None:
    built = workspace()
    scenario = replace(
        built.scenario("small"), task="cold-start-rating", experiments=("music_steps",)
    )
    built.store.write_text("rating_leaderboard/small", ".md", "# Ratings: small\n")
    built.store.write_text("rating_ablation_report/small", ".md", "# Variants: small\n")
    board, ablations = export(scenario, built.store, tmp_path / "docs")
    assert board.read_text().endswith("# Ratings: small\n")
    assert ablations.read_text().endswith("# Variants: small\n")


def test_a_scenario_without_experiments_has_no_ablations(
    workspace: Callable[..., Workspace], tmp_path: Path
) -> None:
    built = workspace()
    built.store.write_text("leaderboard/small", ".md", "x")
    paths = export(built.scenario("small"), built.store, tmp_path / "docs")
    assert [path.name for path in paths] == ["small.md"]


def test_a_missing_report_is_named_and_nothing_is_written(
    workspace: Callable[..., Workspace], tmp_path: Path
) -> None:
    built = workspace()
    scenario = replace(built.scenario("small"), experiments=("lgcd_steps",))
    built.store.write_text("leaderboard/small", ".md", "x")
    with pytest.raises(ValueError, match="materialize ablation_report of small first"):
        export(scenario, built.store, tmp_path / "docs")
    assert not (tmp_path / "docs").exists()


def test_an_unknown_scenario_is_refused_with_the_known_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["results", "nonsense"])
    with pytest.raises(SystemExit):
        results.main()
    assert re.search("unknown scenario 'nonsense'; known: .*food-kitchen", capsys.readouterr().err)
