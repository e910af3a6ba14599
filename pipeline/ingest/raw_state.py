"""What a domain's raw files look like from outside: enough to tell that one was put in place,
replaced or is still growing, without reading any of it.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from pipeline.catalog import Catalog, Domain
from pipeline.digest import digest_json
from pipeline.ingest.formats.readers import paths_of
from pipeline.ingest.images.image_folder import is_image_name

State = tuple[int, int]  # bytes, and nanoseconds since 1970 when they were last written


@dataclass(frozen=True)
class RawState:
    """Digests of sizes and times."""

    files: str
    images: str | None  # None: the folder that the catalog names is missing

    def __str__(self) -> str:
        return f"{self.files}-{self.images}"


def raw_state(catalog: Catalog, domain: Domain) -> RawState | None:
    """Of the domain's files and of the images in its folder; None while a file is missing.

    What lies beside them, such as a download's `.part`, does not count.
    """
    try:
        files = {role: _state(path.stat()) for role, path in paths_of(catalog, domain).items()}
    except (FileNotFoundError, NotADirectoryError):
        return None
    folder = domain.images and domain.images.folder
    try:
        images = _image_states(catalog.folder / folder) if folder else {}
    except (FileNotFoundError, NotADirectoryError):
        return RawState(files=digest_json(files), images=None)
    return RawState(files=digest_json(files), images=digest_json(images))


def _image_states(folder: Path) -> dict[str, State]:
    with os.scandir(folder) as entries:
        return {entry.name: _state(entry.stat()) for entry in entries if is_image_name(entry.name)}


def _state(stat: os.stat_result) -> State:
    return stat.st_size, stat.st_mtime_ns
