"""Models are found in folders, in packages and on the hub."""

import json
from pathlib import Path

import pytest

from pipeline.extract.local_models import resolve_model


def test_a_folder_is_a_model_whose_revision_is_its_content(tmp_path: Path) -> None:
    model = tmp_path / "models" / "mine"
    model.mkdir(parents=True)
    (model / "config.json").write_text("{}")
    first = resolve_model("folder:models/mine", tmp_path)
    assert (first.name, first.path) == ("folder:models/mine", str(model))
    (model / "README.md").write_text("prose changes no answer")
    assert resolve_model("folder:models/mine", tmp_path) == first
    (model / "config.json").write_text('{"hidden": 3}')
    changed = resolve_model("folder:models/mine", tmp_path)
    assert changed.revision != first.revision and changed.config() == {"hidden": 3}
    (model / "model.safetensors").write_bytes(b"weights")
    assert resolve_model("folder:models/mine", tmp_path).revision != changed.revision


def test_a_missing_folder_and_a_broken_config_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'folder:none': .*none holds no config\.json; put or"):
        resolve_model("folder:none", tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"'folder:\.': .*config\.json cannot be read"):
        resolve_model("folder:.", tmp_path).config()


def _hub_snapshot(cache: Path, commit: str) -> None:
    """What the hub's client leaves of a download."""
    repository = cache / "models--somebody--some-model"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    (repository / "snapshots" / commit).mkdir(parents=True)
    (repository / "snapshots" / commit / "config.json").write_text("{}")


def test_a_hub_id_is_found_in_the_hubs_cache_and_known_by_its_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    _hub_snapshot(tmp_path, commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for name in ("somebody/some-model", f"somebody/some-model@{commit}"):
        model = resolve_model(name, tmp_path)
        assert model.revision == commit
        assert model.config() == {}


@pytest.mark.parametrize("name", ["somebody/unknown-model", "not a hub id", "a/b/c"])
def test_a_model_that_is_nowhere_is_named_with_how_names_are_written(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match=rf"model '{name}' is not in the hub's cache.*'folder:"):
        resolve_model(name, tmp_path)


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
