"""docs/tutorial.md leads from a clone to own data: its blocks are run, in order."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from assets import run
from assets.resources import PROJECT, Workspace
from pipeline.catalog import load_catalog

TUTORIAL = (PROJECT / "docs" / "tutorial.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", TUTORIAL, re.M | re.S)
START, EXPORT, RUN = "make dev\n", "mkdir -p", "python -m assets.run my-shop\n"


def shell_blocks() -> list[str]:
    return [block for language, block in BLOCKS if not language]


def catalog_block() -> str:
    (block,) = [block for language, block in BLOCKS if language == "toml"]
    return block


def settings(state: Path) -> str:
    """The project's Dagster settings, with state of this test's own."""
    text = (PROJECT / "dagster.yaml").read_text(encoding="utf-8")
    return text.replace("data/.dagster", str(state))


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a clone in which the exports are made, and the catalog is the tutorial's."""
    (block,) = [block for block in shell_blocks() if block.startswith(EXPORT)]
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    path = f"{python.parent}:{os.environ['PATH']}"
    shown = subprocess.check_output(["bash", "-ec", block], cwd=tmp_path, env={"PATH": path})
    assert b"customer,sku,sold_at,stars" in shown
    (tmp_path / "data" / "catalog.toml").write_text(catalog_block(), encoding="utf-8")
    (tmp_path / "dagster.yaml").write_text(settings(tmp_path / "state"), encoding="utf-8")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setattr(run, "Workspace", lambda: Workspace(data=str(tmp_path / "data")))
    monkeypatch.chdir(PROJECT)  # where the command goes, and whence the test comes back
    return tmp_path


def test_two_exports_become_a_leaderboard_without_a_language_model(
    shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["run", "my-shop"])
    run.main()
    printed = capsys.readouterr().out
    assert "# Dataset card: my-shop" in printed and "# Leaderboard: my-shop" in printed
    for row in ("users active in two domains or more", "items with title"):
        assert f"`{row}`" in TUTORIAL and f"| {row} |" in printed
    assert "The LLM wrote titles" not in printed
    store = shop / "data" / "store"
    assert not (store / "generated_titles").exists() and not (store / "item_text").exists()
    for block in shell_blocks():
        for path in re.findall(r"data/store/[\w/.-]+", block):
            assert (shop / path).is_file(), path
    board = pq.read_table(store / "leaderboard" / "my-shop.parquet").to_pylist()
    hits = {
        (row["system"], row["target_domain"]): (row["mean"], row["num_users"])
        for row in board
        if (row["metric"], row["pool"]) == ("HR@10", "full")
    }
    for domain in ("my-books", "my-films"):
        assert hits["cooccurrence", domain][0] == 1 and hits["popularity", domain][0] < 0.5
    assert sum(users for (system, _), (_, users) in hits.items() if system == "popularity") == 20
    recommended = pq.read_table(store / "recommendations/my-shop/cooccurrence.parquet").to_pylist()
    assert len(recommended) == 10 * 20 and all(row["title"] for row in recommended)
    run.main()
    assert "nothing was recomputed" in capsys.readouterr().out


def test_the_page_adds_to_the_projects_catalog(tmp_path: Path) -> None:
    path = tmp_path / "catalog.toml"
    path.write_text((PROJECT / "data/catalog.toml").read_text() + catalog_block())
    assert {"demo", "my-shop"} <= set(load_catalog(path).scenarios)


@pytest.mark.slow
def test_every_command_of_the_page_works_in_a_clone(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    clone.mkdir()
    for name in ("assets", "models", "pipeline", "dagster.yaml", "pyproject.toml"):
        place = PROJECT / name
        (shutil.copytree if place.is_dir() else shutil.copy)(place, clone / name)
    (clone / "data").mkdir()
    shutil.copy(PROJECT / "data" / "catalog.toml", clone / "data" / "catalog.toml")
    (clone / ".venv").symlink_to(sys.prefix)
    # `make dev` is started and stopped in tests/e2e/test_ui.py; the catalog is edited by hand.
    blocks = [block for block in shell_blocks() if block != START]
    edit = f"cat >> data/catalog.toml <<'END_OF_EDIT'\n{catalog_block()}END_OF_EDIT\n"
    blocks.insert(next(i for i, block in enumerate(blocks) if block == RUN), edit)
    done = subprocess.run(
        ["bash", "-exc", "\n".join(blocks)],
        cwd=clone,
        env={**os.environ, "PYTHONPATH": str(clone), "HF_HUB_OFFLINE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert done.stdout.count("# Leaderboard: my-shop") == 3
    assert "nothing was recomputed" in done.stdout
    assert "shape: (200, " in done.stdout
