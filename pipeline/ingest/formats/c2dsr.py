"""Reader of sets in the layout of C2DSR: merged sequences over the items of two domains, A and B.

The layout is known from the loader of the authors' code (Cao et al., github cjx96/C2DSR) and from
the Food-Kitchen and Movie-Book files of their release, as the FedCSR repository ships them:

- Alist.txt, Blist.txt: "<older index> TAB <ASIN> TAB <index>", indices 0, 1, ... in line order.
- traindata_new.txt, validdata_new.txt, testdata_new.txt: "<user> TAB <number> TAB <event> TAB
  <event>...". An event is "<item>|<seconds since 1970>", then perhaps "|<date>|". An item of A is
  its index, an item of B its index plus the number of items of A.

One line is one sequence, of both domains and not always in order of time: as in the authors'
loader, time orders it (events of one time stay as they stand) and the last event is the label.
A user has one line in validdata or testdata and any number of lines in traindata, which overlap,
each with another <number>. So a line stands for a user, named <file>:<user>:<number>, in both
halves alike. Times are days; an event at the time of the one before it, or earlier than what that
one was given, is put one second after it, so that the sequence survives sorting by time.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from pipeline.catalog import Domain
from pipeline.columns import RAW_ITEMS, REVIEWS
from pipeline.ingest.formats.blocks import decode, read_lines
from pipeline.ingest.formats.parsed_lines import parsed_lines
from pipeline.ingest.formats.rows import ReadLog, RowError, batches, shown
from pipeline.ingest.formats.whole_numbers import whole_number

NAMES = {
    "items_A": "Alist.txt",
    "items_B": "Blist.txt",
    "train": "traindata_new.txt",
    "valid": "validdata_new.txt",
    "test": "testdata_new.txt",
}

Event = tuple[int, int]  # item, time


def places(domain: Domain) -> dict[str, tuple[str, str]]:
    """Every file that the domain is read from: role to path below the data folder and its key."""
    folder = PurePosixPath(domain.folder or ".")
    return {role: (str(folder / name), "folder") for role, name in NAMES.items()}


def read_reviews(paths: dict[str, Path], log: ReadLog) -> Iterator[pa.RecordBatch]:
    """The half's interactions in REVIEWS columns; all but user, item, time and part are null.

    A training line is "overlap" where it has items of both domains, else "single". A line that
    is no sequence, repeats user and number of another, or names an item that does not exist is a
    rejected row. Raises ValueError where an item list is faulty.
    """
    return batches(_interactions(paths, log), REVIEWS, log)


def read_items(paths: dict[str, Path], log: ReadLog) -> Iterator[pa.RecordBatch]:
    """The half's items in RAW_ITEMS columns: ids alone."""
    asins = _item_list(paths[f"items_{log.domain.half}"])
    return batches(((asin, *[None] * 7) for asin in asins), RAW_ITEMS, log)


def _interactions(paths: dict[str, Path], log: ReadLog) -> Iterator[tuple[Any, ...]]:
    items_of_a, items_of_b = _item_list(paths["items_A"]), _item_list(paths["items_B"])
    asins = items_of_a + items_of_b
    of_a, of_b = range(len(items_of_a)), range(len(items_of_a), len(asins))
    own = of_a if log.domain.half == "A" else of_b
    for role in ("train", "valid", "test"):
        parse = partial(_sequence, seen=set(), num_items=len(asins))
        for name, events in parsed_lines(paths[role], parse, log):
            both = len({item in of_a for item, _ in events}) == 2
            part = ("overlap" if both else "single") if role == "train" else role
            user = f"{role}:{name}"
            for item, time in _in_order(events):
                if item in own:
                    yield user, asins[item], time, None, None, None, None, part


def _sequence(line: str, seen: set[str], num_items: int) -> tuple[str, list[Event]]:
    """A line's "<user>:<number>", new to `seen`, and events. RowError where it is no sequence."""
    fields = line.strip().split("\t")
    if len(fields) < 3:
        raise RowError(
            f"has {len(fields)} fields parted by tabs; a line is '<user> TAB <number> TAB "
            "<item>|<time> TAB ...'"
        )
    name = f"{whole_number(fields[0], 'user')}:{whole_number(fields[1], 'number')}"
    if name in seen:
        raise RowError(f"repeats user and number {name!r} of a line before")
    events = [_event(field, num_items) for field in fields[2:]]
    seen.add(name)
    return name, events


def _event(field: str, num_items: int) -> Event:
    values = field.split("|")
    if len(values) < 2:
        raise RowError(f"event {shown(field)} is not '<item>|<time>'")
    item = whole_number(values[0], "item")
    if item >= num_items:
        raise RowError(f"names item {item}; Alist.txt and Blist.txt have {num_items} items")
    return item, whole_number(values[1], "time")


def _in_order(events: list[Event]) -> Iterator[Event]:
    """Events by time, each at least a second after the one before it."""
    latest = -1
    for item, time in sorted(events, key=lambda event: event[1]):
        latest = max(time, latest + 1)
        yield item, latest


def _item_list(path: Path) -> list[str]:
    """Item ids by index. ValueError naming file and line: a missing line would shift all after."""
    asins: dict[str, None] = {}
    for row, line in read_lines(path):
        try:
            asin = _item_id(decode(line), expected=len(asins))
        except RowError as error:
            raise ValueError(
                f"{path} row {row}: {error}. Fetch the folder's files again"
            ) from error
        if asin in asins:
            raise ValueError(f"{path} row {row} repeats the item {shown(asin)}")
        asins[asin] = None
    if not asins:
        raise ValueError(f"{path} is empty: it must list the domain's items")
    return list(asins)


def _item_id(line: str, expected: int) -> str:
    fields = line.strip().split("\t")
    if len(fields) != 3 or not fields[1].strip():
        raise RowError("a line must be '<older index> TAB <item id> TAB <index>'")
    if whole_number(fields[2], "index") != expected:
        raise RowError(f"index is {fields[2]}; it must be {expected}, for lines count from 0")
    return fields[1].strip()
