"""What docs/ratings.md says holds: its example loads, its table names every system."""

import re
from pathlib import Path

from pipeline.catalog import load_catalog
from pipeline.catalog.rating_systems import RATING_EXPERIMENTS, RATING_SYSTEMS

TEXT = (Path(__file__).resolve().parents[1] / "docs" / "ratings.md").read_text(encoding="utf-8")


def test_the_example_is_a_catalog(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "catalog.toml").write_text(example)
    scenario = load_catalog(tmp_path / "catalog.toml").scenarios["rock-rnb-ratings"]
    assert "music" in scenario.systems
    assert scenario.experiments == tuple(RATING_EXPERIMENTS)


def test_the_table_names_every_system() -> None:
    table = TEXT.split("## Systems")[1].split("## MuSiC")[0]
    first = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert re.findall(r"`(\w+)`", " ".join(first)) == list(RATING_SYSTEMS)
