"""What a domain's raw files look like from outside: enough to tell that one was put in place,
replaced or is still growing, without reading any of it.
"""

import os
from pathlib import Path

from pipeline.catalog import Catalog, Domain
from pipeline.digest import digest_json
from pipeline.ingest.formats.readers import paths_of
from pipeline.ingest.images.image_folder import is_image_name

State = tuple[int, int]  # bytes, and nanoseconds since 1970 when they were last written


def raw_state(catalog: Catalog, domain: Domain) -> str | None:
    """A digest of sizes and times of the domain's files and images; None while some are missing.

    What lies beside them, such as a download's `.part`, does not count.
    """
    try:
        files = {role: _state(path.stat()) for role, path in paths_of(catalog, domain).items()}
        folder = domain.images and domain.images.folder
        images = _image_states(catalog.folder / folder) if folder else {}
    except (FileNotFoundError, NotADirectoryError):
        return None
    return digest_json({"files": files, "images": images})


def _image_states(folder: Path) -> dict[str, State]:
    with os.scandir(folder) as entries:
        return {entry.name: _state(entry.stat()) for entry in entries if is_image_name(entry.name)}


def _state(stat: os.stat_result) -> State:
    return stat.st_size, stat.st_mtime_ns
