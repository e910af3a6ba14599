"""Reader of sets in the layout of ABXI (Bian et al.): users' merged sequences over two domains.

A folder holds, as the preprocessing of the authors' repository writes it, where <set> is the
folder's own name ("afk", "abe", "amb"):

- <set>_50_preprocessed.txt: "<user index> <item index>|<seconds since 1970> ...", a user a line.
- map_user_50.txt: a JSON object of reviewerID to user index, from 0.
- map_item_50.txt: a JSON object of ASIN to [item index, from 1, and domain, 0 or 1].

Half A is domain 0, half B domain 1. Users have their reviewerIDs in both. Times are days, and the
file orders what a user did on one day by item index: that order means nothing and is not kept.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from pipeline.catalog import Domain
from pipeline.columns import RAW_ITEMS, REVIEWS
from pipeline.ingest.formats.blocks import opened_bytes
from pipeline.ingest.formats.parsed_lines import parsed_lines
from pipeline.ingest.formats.rows import ReadLog, RowError, batches, shown
from pipeline.ingest.formats.whole_numbers import whole_number

DOMAINS = {"A": 0, "B": 1}


@dataclass(frozen=True, kw_only=True)
class Maps:
    users: list[str]  # reviewerIDs by user index
    items: list[str]  # ASINs by item index - 1
    domains: list[int]  # 0 or 1, of each item


def places(domain: Domain) -> dict[str, tuple[str, str]]:
    """Every file that the domain is read from: role to path below the data folder and its key.

    Raises ValueError where the folder's path does not end with a name, which the files bear.
    """
    folder = PurePosixPath(domain.folder or ".")
    if folder.name in ("", ".."):
        raise ValueError(
            f"domain.{domain.name}.folder = {domain.folder!r}; it must end with the set's name, "
            "which the name of its file begins with: .../afk of afk_50_preprocessed.txt"
        )
    names = {
        "sequences": f"{folder.name}_50_preprocessed.txt",
        "users": "map_user_50.txt",
        "items": "map_item_50.txt",
    }
    return {role: (str(folder / name), "folder") for role, name in names.items()}


def read_reviews(paths: dict[str, Path], log: ReadLog) -> Iterator[pa.RecordBatch]:
    """The half's interactions in REVIEWS columns; all but user, item and time are null.

    A line that is no sequence, repeats a user, or names a user or an item that the maps lack is a
    rejected row. Raises ValueError where a map is faulty or, with no row rejected, where a user
    of the map has no line.
    """
    return batches(_interactions(paths, log), REVIEWS, log)


def read_items(paths: dict[str, Path], log: ReadLog) -> Iterator[pa.RecordBatch]:
    """The half's items in RAW_ITEMS columns: ids alone."""
    asins, domains = _items(paths["items"])
    own = DOMAINS[str(log.domain.half)]
    rows = (
        (asin, *[None] * 7) for asin, domain in zip(asins, domains, strict=True) if domain == own
    )
    return batches(rows, RAW_ITEMS, log)


def _interactions(paths: dict[str, Path], log: ReadLog) -> Iterator[tuple[Any, ...]]:
    asins, domains = _items(paths["items"])
    maps = Maps(users=_users(paths["users"]), items=asins, domains=domains)
    own, rejected_before = DOMAINS[str(log.domain.half)], len(log.rejected)
    sequences, seen = paths["sequences"], set[int]()
    for user, events in parsed_lines(sequences, partial(_sequence, maps=maps, seen=seen), log):
        for item, time in events:
            if domains[item - 1] == own:
                yield maps.users[user], asins[item - 1], time, None, None, None, None, None
    if len(log.rejected) == rejected_before and len(seen) != len(maps.users):
        raise ValueError(
            f"{sequences} has lines of {len(seen)} users; {paths['users']} has "
            f"{len(maps.users)}. It is cut off or of another set: fetch the folder's files again"
        )


def _sequence(line: str, maps: Maps, seen: set[int]) -> tuple[int, list[tuple[int, int]]]:
    """A line's user, new to `seen`, and its (item, time). RowError where it is no sequence."""
    fields = line.split()
    if len(fields) < 2:
        raise RowError(
            f"has {len(fields)} fields parted by blanks; a line is '<user> <item>|<time> ...'"
        )
    user = whole_number(fields[0], "user")
    if user >= len(maps.users):
        raise RowError(f"names user {user}; the map has users 0 to {len(maps.users) - 1}")
    if user in seen:
        raise RowError(f"repeats user {user} of a line before")
    events = [_event(field, len(maps.items)) for field in fields[1:]]
    seen.add(user)
    return user, events


def _event(text: str, num_items: int) -> tuple[int, int]:
    item_text, bar, time = text.partition("|")
    if not bar:
        raise RowError(f"event {shown(text)} is not '<item>|<time>'")
    item = whole_number(item_text, "item")
    if not 1 <= item <= num_items:
        raise RowError(f"names item {item}; the map has items 1 to {num_items}")
    return item, whole_number(time, "time")


def _users(path: Path) -> list[str]:
    """ReviewerIDs by index."""
    indices = _json_map(path)
    for user, index in indices.items():
        if type(index) is not int:
            raise ValueError(f"{path} maps {shown(user)} to what is no whole number")
    return _by_index(indices, 0, path)


def _items(path: Path) -> tuple[list[str], list[int]]:
    """ASINs, and the domain of each, by index."""
    entries = _json_map(path)
    for asin, entry in entries.items():
        if type(entry) is not list or [type(value) for value in entry] != [int, int]:
            raise ValueError(f"{path} maps {shown(asin)} to what is no [index, domain]")
        if entry[1] not in DOMAINS.values():
            raise ValueError(f"{path} maps {shown(asin)} to domain {entry[1]}; there are 0 and 1")
    asins = _by_index({asin: entry[0] for asin, entry in entries.items()}, 1, path)
    return asins, [entries[asin][1] for asin in asins]


def _by_index(indices: dict[str, int], first: int, path: Path) -> list[str]:
    """Ids in order of their indices, which must be `first`, `first` + 1, ..., each once."""
    ids = sorted(indices, key=lambda key: indices[key])
    for expected, key in enumerate(ids, start=first):
        if indices[key] != expected:
            raise ValueError(
                f"{path} maps {shown(key)} to index {shown(indices[key])} where {expected} is due; "
                f"{len(ids)} ids must have the indices {first} to {first + len(ids) - 1}, each once"
            )
    return ids


def _json_map(path: Path) -> dict[str, Any]:
    """A file's JSON object. ValueError where it is none, is empty or repeats a key."""
    with opened_bytes(path) as file:
        data = file.read()
    try:
        value = json.loads(data, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} is no JSON object of ids: {error}. Fetch the folder's files again"
        ) from error
    if type(value) is not dict or not value:
        raise ValueError(
            f"{path} holds a {type(value).__name__} of JSON; it must hold an object of ids that "
            "is not empty"
        )
    return value


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    "".join(mapping).encode()  # an escaped half of a surrogate pair is no text: ValueError
    if len(mapping) != len(pairs):
        raise ValueError(f"{len(pairs) - len(mapping)} of its {len(pairs)} keys are repeats")
    return mapping
