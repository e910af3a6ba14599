"""Reader of a sample of Amazon Reviews 2023: a line is one user's history in one category.

The folder holds training.jsonl, validation.jsonl and test.jsonl, plain or gzip. A line is an
object {user_id, category, history}; an entry of the history is {parent_asin, rating,
timestamp_ms, review_title, review_full, product}, its product {title, brand, price,
main_category}. The three files part the users, not their histories, so all three are read and
`part` is null. A domain is one category: lines of others are passed over, not rejected.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import orjson
import pyarrow as pa

from pipeline.catalog import Domain
from pipeline.columns import RAW_ITEMS, REVIEWS
from pipeline.ingest.formats.blocks import read_lines
from pipeline.ingest.formats.parsed_lines import parsed
from pipeline.ingest.formats.rows import ReadLog, RowError, batches, shown

_ROLES = ("training", "validation", "test")
_INT64 = 1 << 63
_MOST_RATING = 1e30  # what a 32-bit number can hold


def places(domain: Domain) -> dict[str, tuple[str, str]]:
    """The three files of the folder, by the roles training, validation and test."""
    assert domain.folder is not None  # the catalog requires it of this format
    folder = PurePosixPath(domain.folder)
    return {role: (str(folder / f"{role}.jsonl"), "folder") for role in _ROLES}


def read_reviews(paths: dict[str, Path], log: ReadLog) -> Iterator[pa.RecordBatch]:
    """The category's reviews in REVIEWS columns; `timestamp` is in milliseconds.

    A rejected row is a line, or an entry of its history. Raises ValueError, naming the file,
    where more rows are rejected than the domain allows, and where no line is of the category.
    """
    return batches(_rows(paths, _review, log), REVIEWS, log)


def read_items(paths: dict[str, Path], log: ReadLog) -> Iterator[pa.RecordBatch]:
    """The products in RAW_ITEMS columns, one row a review: the same item may come again.

    `categories` holds `main_category` alone. Errors as in `read_reviews`.
    """
    return batches(_rows(paths, _item, log), RAW_ITEMS, log)


def _rows(
    paths: dict[str, Path], parse: Callable[[str, dict[str, Any]], tuple[Any, ...]], log: ReadLog
) -> Iterator[tuple[Any, ...]]:
    """What `parse` makes of a user and an entry of its history."""
    for path, number, user, entry in _entries(paths, log):
        yield from parsed(path, [(number, entry)], partial(parse, user), log)


def _entries(
    paths: dict[str, Path], log: ReadLog
) -> Iterator[tuple[Path, int, str, dict[str, Any]]]:
    """Each entry of the category's histories, with its line and user."""
    seen: set[str] = set()
    for role in _ROLES:
        for number, line in read_lines(paths[role], log):
            try:
                record = _object(line)
                category = _required(record, "category", str)
                seen.add(category)
                if category != log.domain.category:
                    continue
                user = _required(record, "user_id", str)
                history = _required(record, "history", list)
            except RowError as error:
                log.reject(paths[role], number, str(error))
                continue
            for entry in history:
                if isinstance(entry, dict):
                    yield paths[role], number, user, entry
                else:
                    reason = f"field 'history' holds {shown(entry)}; it must hold objects"
                    log.reject(paths[role], number, reason)
    if log.domain.category not in seen:
        raise ValueError(
            f"{paths[_ROLES[0]].parent} has no line of the category {log.domain.category!r}; "
            f"domain.{log.domain.name}.category must be one of: {', '.join(sorted(seen))}"
        )


def _object(line: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise RowError(f"not a JSON object: {error.msg} at character {error.pos}") from error
    if not isinstance(value, dict):
        raise RowError(f"not a JSON object but of type {type(value).__name__}")
    return value


def _review(user: str, entry: dict[str, Any]) -> tuple[Any, ...]:
    texts = (_optional(entry, name, str) for name in ("review_title", "review_full"))
    text = "\n".join(text for text in texts if text) or None
    item = _required(entry, "parent_asin", str)
    return user, item, _time(entry), _rating(entry), text, None, None, None


def _item(_: str, entry: dict[str, Any]) -> tuple[Any, ...]:
    item = _required(entry, "parent_asin", str)
    product = _optional(entry, "product", dict) or {}
    category = _optional(product, "main_category", str)
    price = _optional(product, "price", int, float, str)
    return (
        item,
        _optional(product, "title", str),
        category,
        [category] if category else [],
        _optional(product, "brand", str),
        None,
        [],
        None if price is None else str(price),
    )


def _time(entry: dict[str, Any]) -> int:
    value: int = _required(entry, "timestamp_ms", int)
    if not -_INT64 <= value < _INT64:
        raise RowError(f"field 'timestamp_ms' is {value}; it must fit into 64 bits")
    return value


def _rating(entry: dict[str, Any]) -> float:
    value = _required(entry, "rating", int, float)
    if not -_MOST_RATING < value < _MOST_RATING:
        raise RowError(f"field 'rating' is {shown(value)}; it must be a number")
    return float(value)


def _required(entry: dict[str, Any], name: str, *kinds: type) -> Any:
    if entry.get(name) is None:
        fields = shown(", ".join(entry))
        raise RowError(f"required field {name!r} is missing; the row's fields are {fields}")
    return _optional(entry, name, *kinds)


def _optional(entry: dict[str, Any], name: str, *kinds: type) -> Any:
    value = entry.get(name)
    if value is not None and type(value) not in kinds:
        wanted = " or ".join(kind.__name__ for kind in kinds)
        raise RowError(f"field {name!r} is {shown(value)}; it must be of type {wanted}")
    return value
