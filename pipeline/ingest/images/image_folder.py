"""Images that lie in a folder, by item: `<item id>.<ending>` or `<item id>_<number>.<ending>`.

The folder is listed and names are looked up among the items; no path is built from an item's id.
"""

import os
import re
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipeline.catalog import Images
from pipeline.ingest.images.stored_images import Answer, keep_image

_ENDINGS = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp"}
_NUMBERED = re.compile(r"(?P<item>.+)_(?P<number>[0-9]+)")


def files_by_item(folder: Path, item_ids: Collection[str]) -> tuple[dict[str, list[str]], int]:
    """The names of each item's image files, the unnumbered first, then by number; and how many
    image files belong to no item."""
    found: dict[str, list[tuple[int, str]]] = {}
    strangers = 0
    for path in folder.iterdir():
        if not is_image_name(path.name):
            continue
        item, number = _item(path.stem, item_ids)
        if item is None:
            strangers += 1
        else:
            found.setdefault(item, []).append((number, path.name))
    return {item: [name for _, name in sorted(files)] for item, files in found.items()}, strangers


def is_image_name(name: str) -> bool:
    """Whether a file of this name is taken for an image: what is still copied often ends so:
    `.part`, `.tmp`."""
    return Path(name).suffix.lower() in _ENDINGS


def keep_files(
    folder: Path, names: Collection[str], cache: Path, settings: Images
) -> dict[str, Answer]:
    """Copy images of the folder into the cache; of a file that is none the status says why.

    A link that leads out of the folder is "blocked", one that leads nowhere "missing".
    """
    with ThreadPoolExecutor(os.cpu_count(), "images") as threads:
        answers = threads.map(lambda name: _kept(folder, name, cache, settings), names)
        return dict(zip(names, answers, strict=True))


def _item(stem: str, item_ids: Collection[str]) -> tuple[str | None, int]:
    if stem in item_ids:
        return stem, -1
    match = _NUMBERED.fullmatch(stem)
    if match and match["item"] in item_ids:
        return match["item"], int(match["number"])
    return None, 0


def _kept(folder: Path, name: str, cache: Path, settings: Images) -> Answer:
    target = (folder / name).resolve()
    if not target.is_relative_to(folder.resolve()):
        return Answer(status="blocked")
    if not target.is_file():
        return Answer(status="missing")
    if target.stat().st_size > settings.max_bytes:
        return Answer(status="too-large")
    return keep_image(cache, target.read_bytes(), settings)
