"""`[tracking]` of the catalog: off by default, and every key checked."""

from pathlib import Path

import pytest

from pipeline.catalog import Tracking, load_catalog


def load(folder: Path, text: str) -> Tracking | None:
    path = folder / "catalog.toml"
    path.write_text(text)
    return load_catalog(path).tracking


def test_it_is_off_by_default(tmp_path: Path) -> None:
    assert load(tmp_path, "") is None


@pytest.mark.parametrize("uri", ["local", "http://127.0.0.1:5000", "sqlite:////tmp/runs.db"])
def test_a_place_is_enough_to_switch_it_on(tmp_path: Path, uri: str) -> None:
    tracking = load(tmp_path, f'[tracking]\nmlflow = "{uri}"')
    assert tracking == Tracking(mlflow=uri, experiment="coldbridge")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("experiment = 'x'", r"tracking\.mlflow is missing"),
        ("mlflow = true", r"tracking\.mlflow = True; it must be of type str"),
        ("mlflow = 'local'\nuri = 'x'", r"tracking\.uri is not a known key"),
        ("mlflow = 'file:mlruns'", r"tracking\.mlflow = 'file:mlruns'; name 'local'"),
        ("mlflow = 'local'\nexperiment = ' '", r"tracking\.experiment = ' '; it must be a name"),
    ],
)
def test_what_cannot_be_is_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        load(tmp_path, f"[tracking]\n{text}")
