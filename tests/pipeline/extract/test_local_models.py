"""Models are found in folders, in packages and on the hub."""

import json
from pathlib import Path

import pytest

from pipeline.extract.local_models import resolve_model


def test_a_folder_is_a_model_whose_revision_is_its_content(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    first = resolve_model(str(model), tmp_path)
    assert (first.name, first.path) == (str(model), str(model))
    (model / "README.md").write_text("prose changes no answer")
    assert resolve_model(str(model), tmp_path) == first
    (model / "config.json").write_text('{"hidden": 3}')
    assert resolve_model(str(model), tmp_path).revision != first.revision


def test_another_name_is_left_to_the_hub(tmp_path: Path) -> None:
    model = resolve_model("somebody/some-model", tmp_path)
    assert (model.path, model.revision) == ("somebody/some-model", "hub")


@pytest.mark.parametrize("package", ["no_such_package", "no_such.package", ""])
def test_a_package_that_is_not_installed_is_named_with_a_remedy(
    tmp_path: Path, package: str
) -> None:
    with pytest.raises(ValueError, match=rf"'package:{package}'.*is not installed.*make install"):
        resolve_model(f"package:{package}", tmp_path)


def test_a_package_without_a_model_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'email' ships neither config\.json nor a GGUF file"):
        resolve_model("package:email", tmp_path)


def test_a_packages_outermost_config_is_its_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "shipped_model"
    for folder in (package / "weights", package / "weights" / "1_Pooling"):
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps({"where": folder.name}))
    (package / "__init__.py").write_text("raise ImportError('never imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert resolve_model("package:shipped_model", tmp_path).path == str(package / "weights")
