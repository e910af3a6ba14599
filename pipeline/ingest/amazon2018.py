"""Reader of the Amazon 2018 review dumps: JSON lines in gzip, one review or product a line.

The release is that of Ni, Li and McAuley, EMNLP 2019. Of a review: reviewerID, asin, overall,
unixReviewTime, summary and reviewText; of a product: asin, title, category, brand and the URLs
of its images. The reviewer's name and everything else is left in the file.
"""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from pipeline.catalog import Domain
from pipeline.columns import ITEMS, REVIEWS
from pipeline.ingest.clean import clean_path
from pipeline.ingest.rows import Tally, batches

_IMAGE_FIELDS = ("imageURLHighRes", "imageURL", "imUrl")  # the last one is of older releases
_SHOWN = 80  # characters of a malformed line that an error quotes


def read_reviews(path: Path, domain: Domain, tally: Tally) -> Iterator[pa.RecordBatch]:
    """Reviews in REVIEWS columns; `part` is null. ValueError names file, line and field."""
    objects = _objects(path, domain, tally)
    return batches((_review(entry, where) for where, entry in objects), REVIEWS, tally)


def read_items(path: Path, domain: Domain, tally: Tally) -> Iterator[pa.RecordBatch]:
    """Products in ITEMS columns. ValueError names file, line and field."""
    objects = _objects(path, domain, tally)
    return batches((_item(entry, where) for where, entry in objects), ITEMS, tally)


def _review(entry: dict[str, Any], where: str) -> tuple[Any, ...]:
    rating = _required(entry, "overall", where, (int, float))
    if not 1 <= rating <= 5:
        raise ValueError(f"{where}: field 'overall' is {rating!r}; ratings lie between 1 and 5")
    texts = (_optional(entry, key, where, str) for key in ("summary", "reviewText"))
    return (
        _id(entry, "reviewerID", where),
        _id(entry, "asin", where),
        _required(entry, "unixReviewTime", where, (int,)),
        float(rating),
        "\n".join(text for text in texts if text) or None,
        None,
    )


def _item(entry: dict[str, Any], where: str) -> tuple[Any, ...]:
    category = _optional(entry, "category", where, list) or []
    for name in category:
        if type(name) is not str:
            raise ValueError(
                f"{where}: field 'category' holds {name!r}; it must be a list of texts"
            )
    return (
        _id(entry, "asin", where),
        _optional(entry, "title", where, str),
        clean_path(category),
        _optional(entry, "brand", where, str),
        _image_urls(entry, where),
    )


def _image_urls(entry: dict[str, Any], where: str) -> list[str]:
    """The URLs of the largest images that the product has, each once."""
    for field in _IMAGE_FIELDS:
        value = _optional(entry, field, where, list, str) or []
        texts = [value] if isinstance(value, str) else [v for v in value if isinstance(v, str)]
        urls = [text.strip() for text in texts]
        urls = [url for url in urls if url.lower().startswith(("http://", "https://"))]
        if urls:
            return list(dict.fromkeys(urls))
    return []


def _id(entry: dict[str, Any], field: str, where: str) -> str:
    value = _required(entry, field, where, (str,)).strip()
    if not value:
        raise ValueError(f"{where}: field {field!r} is blank; remove the line or give it an id")
    return value


def _required(entry: dict[str, Any], field: str, where: str, kinds: tuple[type, ...]) -> Any:
    if entry.get(field) is None:
        raise ValueError(
            f"{where}: required field {field!r} is missing; the line holds {', '.join(entry)}. "
            "Check that the catalog key names the right kind of dump"
        )
    return _optional(entry, field, where, *kinds)


def _optional(entry: dict[str, Any], field: str, where: str, *kinds: type) -> Any:
    value = entry.get(field)
    if value is not None and type(value) not in kinds:
        wanted = " or ".join(kind.__name__ for kind in kinds)
        raise ValueError(f"{where}: field {field!r} is {value!r}; it must be of type {wanted}")
    return value


def _objects(path: Path, domain: Domain, tally: Tally) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every line's object with the place that errors name. Malformed lines are counted."""
    for number, line in _lines(path):
        where = f"{path} line {number}"
        entry = _parse(line)
        if entry is not None:
            yield where, entry
            continue
        tally.malformed += 1
        if tally.malformed > domain.max_malformed_lines:
            raise ValueError(_too_many(where, line, domain, tally))


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        entry = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return entry if isinstance(entry, dict) else None


def _too_many(where: str, line: bytes, domain: Domain, tally: Tally) -> str:
    start = line.decode(errors="replace").rstrip()[:_SHOWN]
    return (
        f"{where} is not a JSON object: {start!r}. It is malformed line {tally.malformed} of the "
        f"file; domain.{domain.name}.max_malformed_lines allows {domain.max_malformed_lines}. "
        "Repair the file, or raise that key in the catalog"
    )


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    number = 0
    try:
        with gzip.open(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                yield number, line
    except EOFError as error:
        raise ValueError(
            f"{path} is cut off: the gzip stream ends after line {number}, the last whole one. "
            "Fetch the file again"
        ) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(
            f"{path} is not a sound gzip file ({error}); the last good line is {number}. "
            "Fetch the file again"
        ) from error
