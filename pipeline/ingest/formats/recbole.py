"""Reader of RecBole's atomic files: tab-separated, each column named "<field>:<type>".

An .inter file needs a user, an item and a time; without a rating, ratings are null. An .item
file needs an item; of the rest, what is named like a title, categories, a brand or a price is
read. A .user file, which has people's age and sex, is never read.

`class` and genres are sequences of words, each one a category ("Animation Comedy"). Of
`categories`, whose names hold spaces, commas part the names ("Food, Coffee"); a text without
commas is one name. Whether names nest, the format cannot say: each is a path of its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.catalog import Domain
from pipeline.columns import RAW_ITEMS
from pipeline.ingest.formats.blocks import decode
from pipeline.ingest.formats.delimited import Layout, first_line, read_review_lines, wrong_width
from pipeline.ingest.formats.parsed_lines import parsed_lines
from pipeline.ingest.formats.rows import ReadLog, RowError, batches, shown

REQUIRED = ("user_id", "item_id", "timestamp")

_REVIEW_FIELDS = {
    "user_id": ("user_id", "userid", "user"),
    "item_id": ("item_id", "itemid", "item"),
    "timestamp": ("timestamp", "time"),
    "rating": ("rating", "ratings", "stars"),
}
_WORDS = ("class", "genre", "genres")
_ITEM_FIELDS = {
    "item_id": ("item_id", "itemid", "item"),
    "title": ("title", "movie_title", "item_name", "name"),
    "categories": ("categories", "category", *_WORDS),
    "brand": ("brand",),
    "description": ("description",),
    "price": ("price",),
}
_LISTS = ("token_seq", "float_seq")
_TYPES = ("token", "float", *_LISTS)


@dataclass(frozen=True, kw_only=True)
class _Header:
    path: Path
    row: int  # 1-based line
    fields: tuple[str, ...]
    types: tuple[str, ...]


def places(domain: Domain) -> dict[str, tuple[str, str]]:
    assert domain.reviews is not None  # the catalog requires it of this format
    items = {"items": (domain.items, "items")} if domain.items else {}
    return {"reviews": (domain.reviews, "reviews"), **items}


def read_reviews(paths: dict[str, Path], log: ReadLog) -> Iterator[pa.RecordBatch]:
    """Interactions in REVIEWS columns; text, behaviour, verified and part are null.

    Raises ValueError, naming the file, where its header is none or lacks a field, and where more
    rows are rejected than the domain allows.
    """
    header = _header(paths["reviews"])
    if header is None:
        return
    found = _places(header, _REVIEW_FIELDS, REQUIRED)
    for target, place in found.items():
        if header.types[place] in _LISTS:
            raise ValueError(
                f"{header.path}: {header.fields[place]!r} is of type {header.types[place]}; a "
                f"{target} is one token or float"
            )
    layout = Layout(
        separator="\t",
        width=len(header.fields),
        places=found,
        names={target: header.fields[place] for target, place in found.items()},
    )
    yield from read_review_lines(header.path, layout, log, required=REQUIRED, after=header.row)


def read_items(paths: dict[str, Path], log: ReadLog) -> Iterator[pa.RecordBatch]:
    """The items in RAW_ITEMS columns; errors as in `read_reviews`."""
    header = _header(paths["items"]) if "items" in paths else None
    if header is None:
        return
    found = _places(header, _ITEM_FIELDS, ("item_id",))
    rows = parsed_lines(header.path, partial(_item, header=header, found=found), log)
    yield from batches(islice(rows, 1, None), RAW_ITEMS, log)  # the first row is the header


def _header(path: Path) -> _Header | None:
    """A file's header; None where the file is empty."""
    first = first_line(path)
    if first is None:
        return None
    row, line = first
    try:
        columns = [column.strip().split(":") for column in decode(line).split("\t")]
    except RowError as error:
        raise ValueError(f"{path} row {row}: the header is {error}") from error
    if not all(len(column) == 2 and column[1] in _TYPES for column in columns):
        raise ValueError(
            f"{path} row {row} is no header of a RecBole file: each column must be named "
            f"<field>:<type>, parted by tabs, its type one of {', '.join(_TYPES)}. It is "
            f"{shown(line)}"
        )
    fields, types = zip(*columns, strict=True)
    return _Header(path=path, row=row, fields=fields, types=types)


def _places(
    header: _Header, known: dict[str, tuple[str, ...]], required: tuple[str, ...]
) -> dict[str, int]:
    """Column to its place in the header, for each that the header has by one of its names."""
    lower = [field.lower() for field in header.fields]
    found = {}
    for target, names in known.items():
        place = next((lower.index(name) for name in names if name in lower), None)
        if place is not None:
            found[target] = place
        elif target in required:
            raise ValueError(
                f"{header.path} has no column named {' or '.join(names)}; its header has "
                f"{', '.join(header.fields)}. Rename the one that is the {target}"
            )
    return found


def _item(line: str, header: _Header, found: dict[str, int]) -> tuple[Any, ...]:
    fields = line.split("\t")
    if len(fields) != len(header.fields):
        raise RowError(wrong_width(len(fields), len(header.fields), "\t"))
    cells = {target: fields[place].strip() or None for target, place in found.items()}
    if cells["item_id"] is None:
        raise RowError(f"{header.fields[found['item_id']]!r} is empty")
    categories = _names(cells.get("categories"), header, found)
    return (
        cells["item_id"],
        cells.get("title"),
        categories[0] if categories else None,
        categories,
        cells.get("brand"),
        cells.get("description"),
        [],
        cells.get("price"),
    )


def _names(text: str | None, header: _Header, found: dict[str, int]) -> list[str]:
    if text is None:
        return []
    place = found["categories"]
    is_words = header.fields[place].lower() in _WORDS and header.types[place] == "token_seq"
    names = text.replace("|", " ").split() if is_words else text.split(",")
    return [name.strip() for name in names if name.strip()]
