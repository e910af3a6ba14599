"""Reader of Amazon metadata dumps of the 2014, 2018 and 2023 releases, one product a line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.columns import RAW_ITEMS
from pipeline.ingest.clean import clean_path
from pipeline.ingest.formats.amazon_releases import RELEASES, Release
from pipeline.ingest.formats.amazon_reviews import id_of, parse_object, text_of
from pipeline.ingest.formats.blocks import read_lines
from pipeline.ingest.formats.parsed_lines import parsed
from pipeline.ingest.formats.rows import ReadLog, RowError, batches, shown

_LARGEST_FIRST = ("hi_res", "large", "thumb")  # of an image object of 2023


def read_amazon_items(path: Path, log: ReadLog) -> Iterator[pa.RecordBatch]:
    """Products in RAW_ITEMS columns. Errors as in `read_amazon_reviews`."""
    release = RELEASES[str(log.domain.format)]
    rows = parsed(path, read_lines(path, log), lambda line: _item(parse_object(line), release), log)
    return batches(rows, RAW_ITEMS, log)


def _item(entry: dict[str, Any], release: Release) -> tuple[Any, ...]:
    paths = _paths(entry, release)
    values = {
        "item_id": id_of(entry, release.item),
        "title": text_of(entry, release.item_title),
        "category": paths[0] if paths else None,
        "categories": paths,
        "brand": text_of(entry, release.brand),
        "description": _description(entry, release.description),
        "price": _price(entry, release.price),
        "image_urls": _image_urls(entry, release),
    }
    return tuple(values[name] for name in RAW_ITEMS.names)


def _description(entry: dict[str, Any], name: str) -> str | None:
    """Of 2014 a text, since then a list of paragraphs."""
    value = entry.get(name)
    paragraphs = [value] if isinstance(value, str) else value or []
    if not isinstance(paragraphs, list) or not all(isinstance(text, str) for text in paragraphs):
        raise RowError(f"field {name!r} is {shown(value)}; it must be a text or a list of texts")
    return "\n".join(paragraphs) or None


def _price(entry: dict[str, Any], name: str) -> str | None:
    value = entry.get(name)
    is_long = type(value) is int and value.bit_length() > 64
    if value is not None and (type(value) not in (str, int, float) or is_long):
        raise RowError(f"field {name!r} is {shown(value)}; it must be a number or a text")
    return None if value is None else str(value)


def _paths(entry: dict[str, Any], release: Release) -> list[str]:
    """Every category path: one list of names is one path, a list of lists are several."""
    name = next((name for name in release.categories if entry.get(name)), release.categories[0])
    value = entry.get(name) or []
    lists = value if isinstance(value, list) and value and isinstance(value[0], list) else [value]
    for names in lists:
        if not isinstance(names, list) or not all(isinstance(text, str) for text in names):
            raise RowError(f"field {name!r} is {shown(value)}; it must be a list of texts")
    paths = (clean_path(names) for names in lists)
    return list(dict.fromkeys(path for path in paths if path))


def _image_urls(entry: dict[str, Any], release: Release) -> list[str]:
    """The URLs of the largest images that the product has, each once."""
    for name in release.images:
        value = entry.get(name) or []
        if not isinstance(value, str | list):
            raise RowError(f"field {name!r} is {shown(value)}; it must be a text or a list")
        urls = [_url(image) for image in ([value] if isinstance(value, str) else value)]
        found = [url for url in urls if url]
        if found:
            return list(dict.fromkeys(found))
    return []


def _url(image: Any) -> str | None:
    if isinstance(image, dict):
        sizes = (image.get(size) for size in _LARGEST_FIRST)
        image = next((url for url in sizes if url), None)
    text = image.strip() if isinstance(image, str) else ""
    return text if text.lower().startswith(("http://", "https://")) else None
