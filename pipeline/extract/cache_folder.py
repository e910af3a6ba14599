"""The folders of a row cache, one for each model, prompt and settings, and what lies in them:

<operation>/<model>/<prompt>-<digest>/about.json    the identity in full
                                      part-*.parquet
                                      corrupt/      parts that were set aside
                                      .lock         held while parts are written or deleted
"""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from filelock import FileLock

from pipeline.atomic import replacing
from pipeline.digest import digest_json
from pipeline.extract.cache_parts import CORRUPT, part_names, told_of_space

_ABOUT = "about.json"
_NAMED_BY = ("operation", "model", "prompt")
_SLUG_LENGTH = 80  # of a path, the end says most


@dataclass(frozen=True, kw_only=True)
class Identity:
    """All that decides the outputs in one folder. `facts` are JSON-able and name at least the
    operation, the model and the prompt."""

    facts: Mapping[str, Any]
    value: pa.DataType

    @property
    def digest(self) -> str:
        return digest_json({"identity": self.facts, "value": str(self.value)})

    def folder(self, root: Path) -> Path:
        """Where the rows lie. ValueError where operation, model or prompt is not named."""
        for name in _NAMED_BY:
            if not isinstance(self.facts.get(name), str):
                raise ValueError(f"a cache's identity needs a text {name!r}: {dict(self.facts)}")
        operation, model, prompt = (_slug(self.facts[name]) for name in _NAMED_BY)
        return root / operation / model / f"{prompt}-{self.digest}"


@dataclass(frozen=True, kw_only=True)
class Title:
    """What people call a folder."""

    operation: str
    model: str
    prompt: str


def lock(folder: Path) -> FileLock:
    """The right to write and delete parts. The kernel releases it when its holder is killed."""
    return FileLock(folder / ".lock", poll_interval=0.01, fallback_to_soft=False)


def write_about(folder: Path, identity: Identity) -> None:
    """Say whose rows these are, once."""
    path = folder / _ABOUT
    if path.exists():
        return
    about = {
        "identity": dict(identity.facts),
        "value": str(identity.value),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with told_of_space(folder), replacing(path) as temporary:
        temporary.write_text(json.dumps(about, indent=2, ensure_ascii=False), encoding="utf-8")


def check_about(folder: Path, identity: Identity) -> None:
    """ValueError where a folder's about.json cannot be read or names another identity."""
    about = _read_about(folder)
    if about is None:
        return
    found = digest_json({"identity": about["identity"], "value": about["value"]})
    if found != identity.digest:
        raise ValueError(
            f"{folder / _ABOUT} is of another identity than the folder's name: {about}. It was "
            "edited or moved: put it back, or delete the folder to compute its rows again"
        )


def title(folder: Path) -> Title:
    """By its about.json, or by its path where that was deleted. ValueError: unreadable."""
    about = _read_about(folder)
    if about is None:
        prompt = folder.name.rpartition("-")[0]
        return Title(operation=folder.parts[-3], model=folder.parts[-2], prompt=prompt)
    return Title(**{name: about["identity"][name] for name in _NAMED_BY})


def cache_folders(root: Path) -> list[Path]:
    """Those that hold rows, or did."""
    found = sorted(path for path in root.glob("*/*/*") if path.is_dir())
    return [path for path in found if (path / _ABOUT).exists() or part_names(path)]


def forget(folder: Path) -> None:
    """Delete all but the lock, of a folder without rows; the caller holds the lock.

    The lock stays: processes may wait for it, and they would wait for a deleted file.
    """
    (folder / _ABOUT).unlink(missing_ok=True)
    shutil.rmtree(folder / CORRUPT, ignore_errors=True)


def _read_about(folder: Path) -> dict[str, Any] | None:
    path = folder / _ABOUT
    try:
        about = json.loads(path.read_bytes())
        named = all(isinstance(about["identity"][name], str) for name in _NAMED_BY)
        if not named or not isinstance(about["value"], str):
            raise TypeError("it does not name its operation, model, prompt and value")
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is unreadable ({error}): delete it, it is written again and the rows stay"
        ) from error
    return dict(about)


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)[-_SLUG_LENGTH:].strip(".-") or "unnamed"
