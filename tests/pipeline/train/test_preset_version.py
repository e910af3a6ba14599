"""Versions of presets, read from source: they follow what decides a run and nothing else."""

import functools
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.catalog.rating_systems import RATING_SYSTEMS
from pipeline.catalog.systems import SYSTEMS
from pipeline.train import preset_version as versions

ROOT = Path(__file__).resolve().parents[3]
RATINGS = "pipeline.train.ratings.presets"

Edit = Callable[[str, str, str], set[str]]


@pytest.fixture
def edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Edit:
    """Replace a text in a file of a copy of the code; returns the systems with new versions."""
    before = _all_versions()
    for folder in ("models", "pipeline/train"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    monkeypatch.setattr(versions, "_ROOT", tmp_path)
    fresh = functools.cache(versions._definitions.__wrapped__)
    monkeypatch.setattr(versions, "_definitions", fresh)

    def replace(name: str, old: str, new: str) -> set[str]:
        path = tmp_path / name
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))
        return {system for system, version in _all_versions().items() if version != before[system]}

    return replace


def _all_versions() -> dict[str, str]:
    found = {system: versions.preset_version(system) for system in SYSTEMS}
    found |= {system: versions.preset_version(system, RATINGS) for system in RATING_SYSTEMS}
    encoders = versions.function_version("pipeline.train.presets.lgcd", "encoders_run")
    return {**found, "encoders": encoders}


def test_every_system_has_one() -> None:
    assert all(len(version) == 8 for version in _all_versions().values())


def test_a_changed_preset_is_that_of_its_system(edit: Edit) -> None:
    presets = "pipeline/train/presets/baselines.py"
    changed = edit(presets, "PopularityConfig(", "PopularityConfig(*(), ")
    assert changed == {"popularity"}


def test_an_ablation_follows_the_preset_that_it_changes(edit: Edit) -> None:
    changed = edit("pipeline/train/presets/lgcd.py", "average_decay=0.999", "average_decay=0.9")
    assert changed == {"lgcd", "lgcd_blind"}


def test_a_models_default_counts_though_no_preset_names_it(edit: Edit) -> None:
    changed = edit(
        "models/baselines/sasrec.py", "num_negatives: int = 512", "num_negatives: int = 9"
    )
    assert changed == {"sasrec", "sasrec_bce"}


def test_a_default_of_the_loop_concerns_all_that_learn_by_it(edit: Edit) -> None:
    changed = edit("pipeline/train/loop.py", "clip_norm: float = 5.0", "clip_norm: float = 1.0")
    assert {"encoders", "lgcd", "sasrec", "music", "emcdr"} <= changed
    assert not {"popularity", "cooccurrence", "ease", "global_mean", "biases"} & changed


def test_an_entry_of_the_table_is_part_of_it(edit: Edit) -> None:
    changed = edit("pipeline/train/ratings/presets.py", '"cmf": _factorised(', '"cmf": _counting(')
    assert changed == {"cmf"}


SASREC = "models/baselines/sasrec.py"


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        (SASREC, "    num_negatives: int = 512", "    # many\n    num_negatives: int = 512"),
        ("pipeline/train/presets/lgcd.py", "LGCD with the paper's", "LGCD having the paper's"),
        (SASREC, "class SASRec(nn.Module):", "class SASRec(nn.Module):\n    x = 1"),
    ],
    ids=["a comment", "a docstring", "how a model computes"],
)
def test_what_is_said_of_a_run_and_how_a_model_computes_do_not_count(
    edit: Edit, name: str, old: str, new: str
) -> None:
    assert edit(name, old, new) == set()


def test_an_unknown_system_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown system 'nonsense'"):
        versions.preset_version("nonsense")


def test_reading_them_loads_no_torch() -> None:
    script = (
        "import sys; from pipeline.train.preset_version import preset_version; "
        "preset_version('lgcd'); print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
