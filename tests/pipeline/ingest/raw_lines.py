"""Raw files of reviews as tests write them, and what a store holds after."""

import json
from pathlib import Path
from typing import Any

from pipeline.catalog import Catalog
from pipeline.store import Store


def put_reviews(catalog: Catalog, data: bytes) -> Path:
    path = catalog.folder / "reviews.json.gz"
    path.unlink()
    path.write_bytes(data)
    return path


def json_line(entry: dict[str, Any]) -> bytes:
    return json.dumps(entry).encode() + b"\n"


def stored_files(store: Store) -> list[str]:
    return sorted(str(path.relative_to(store.root)) for path in store.root.rglob("*.*"))
