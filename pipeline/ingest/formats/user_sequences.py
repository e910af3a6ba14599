"""Reader of user sequences: lines "<user> <item> <item> ..." in order of time, as of IDGenRec.

Fields are parted by blanks or tabs. There are no times: a row's timestamp is the position of the
item in its user's line, from 0, so positions of two files say nothing of each other. An optional
file of items has lines "<item> <phrase>". The phrase is what an ID generator took from the
product's text, no title, and becomes the description.
"""

import re
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.catalog import Domain
from pipeline.columns import RAW_ITEMS, REVIEWS
from pipeline.ingest.formats.parsed_lines import parsed_lines
from pipeline.ingest.formats.rows import ReadLog, RowError, batches, shown

_FIELD = re.compile(r"[^ \t]+")
_GAP = re.compile(r"[ \t]+")


def places(domain: Domain) -> dict[str, tuple[str, str]]:
    """Every file that the domain is read from: role to path below the data folder and its key."""
    assert domain.reviews is not None  # the catalog requires it of this format
    found = {"reviews": (domain.reviews, "reviews")}
    if domain.items is not None:
        found["items"] = (domain.items, "items")
    return found


def read_reviews(paths: dict[str, Path], log: ReadLog) -> Iterator[pa.RecordBatch]:
    """Interactions in REVIEWS columns; all but user, item and timestamp are null.

    A line without an item, or of a user who had a line before, is a rejected row. In memory are
    one line, of any number of items, and the ids of all users.
    """
    return batches(_interactions(paths["reviews"], log), REVIEWS, log)


def read_items(paths: dict[str, Path], log: ReadLog) -> Iterator[pa.RecordBatch]:
    """Items in RAW_ITEMS columns, the phrase as description; nothing where no file of them is."""
    if "items" in paths:
        yield from batches(parsed_lines(paths["items"], _item, log), RAW_ITEMS, log)


def _interactions(path: Path, log: ReadLog) -> Iterator[tuple[Any, ...]]:
    for user, items in parsed_lines(path, partial(_sequence, seen=set()), log):
        for position, item in enumerate(items):
            yield user, item, position, None, None, None, None, None


def _sequence(line: str, seen: set[str]) -> tuple[str, Iterator[str]]:
    """A line's user, new to `seen`, and the items, found one at a time: a line may be very long."""
    fields = (match.group() for match in _FIELD.finditer(line))
    user, first = next(fields, ""), next(fields, None)
    if first is None:
        raise RowError(
            f"{shown(user)} is all of the line; a line is '<user> <item> <item> ...', its fields "
            "parted by blanks or tabs"
        )
    if user in seen:
        raise RowError(f"repeats the user {shown(user)} of a line before")
    seen.add(user)
    return user, chain([first], fields)


def _item(line: str) -> tuple[Any, ...]:
    item, *phrase = _GAP.split(line.strip(" \t"), maxsplit=1)
    return item, None, None, None, None, phrase[0] if phrase else None, None, None
