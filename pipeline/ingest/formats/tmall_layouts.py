"""How the raw behaviour logs of Tmall and Taobao are laid out, and what one line of them says.

- Rec-Tmall (Tianchi data set 140281): item, user ("u9774184"), action (click, collect, cart,
  alipay) and a time text "yyyy-mm-dd hh:mm:ss", parted by the byte 0x01 and without a header.
  Its sample is re-exported with commas or tabs, a header (item_id, user_id, action, vtime) and
  times such as "2014/9/18 15:03". The log comes in three parts; join them into one file.
- IJCAI-15 (user_log_format1.csv): a header user_id, item_id, cat_id, seller_id, brand_id,
  time_stamp, action_type; a time is a day of 2014 as mmdd (0511 to 1112, the leading zero may
  be lost), an action 0 click, 1 cart, 2 purchase, 3 favourite. brand_id may be empty.
- UserBehavior.csv (Tianchi data set 649): user, item, category, behaviour (pv, buy, cart, fav)
  and seconds since 1970, without a header.

Fields, separators and action codes are those of the publisher's description of Rec-Tmall and of
public code that reads the three releases; no release itself has been read with this module. The
year of IJCAI-15 is not in its file: it is that of the contest's data.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from pipeline.ingest.formats.blocks import Block
from pipeline.ingest.formats.rows import RowError, shown

_PROBED_LINES = 100
SECONDS = r"^-?[0-9]{1,18}$"  # below 2 ** 63; UserBehavior.csv has negative ones
_ANY_TIME_TEXT = re.compile(
    r"([0-9]{4})[-/]([0-9]{1,2})[-/]([0-9]{1,2})"
    r"(?:[ T]([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.[0-9]+)?)?)?"
)
_DAYS_OF_2014 = [date(2014, 1, 1) + timedelta(days=day) for day in range(365)]
MIDNIGHTS = {
    form.format(day): int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
    for day in _DAYS_OF_2014
    for form in ("{:%m%d}", "{0.month}{0:%d}")
}


@dataclass(frozen=True, kw_only=True)
class Layout:
    names: tuple[str, str, str, str]  # of user, item, action and time in a header
    positions: tuple[int, int, int, int] | None  # of the same without a header
    width: int  # fields of a line without a header
    users_begin: str  # with this, so that swapped columns are seen
    time: Literal["text", "mmdd", "seconds"]
    behaviours: dict[str, str]


LAYOUTS = {
    "Rec-Tmall": Layout(
        names=("user_id", "item_id", "action", "vtime"),
        positions=(1, 0, 2, 3),
        width=4,
        users_begin="u",
        time="text",
        behaviours={"click": "view", "collect": "collect", "cart": "cart", "alipay": "buy"},
    ),
    "IJCAI-15": Layout(
        names=("user_id", "item_id", "action_type", "time_stamp"),
        positions=None,  # seven numbers: any two columns could be swapped unseen
        width=7,
        users_begin="",
        time="mmdd",
        behaviours={"0": "view", "1": "cart", "2": "buy", "3": "collect"},
    ),
    "UserBehavior": Layout(
        names=("user_id", "item_id", "behavior_type", "timestamp"),
        positions=(0, 1, 3, 4),
        width=5,
        users_begin="",
        time="seconds",
        behaviours={"pv": "view", "buy": "buy", "cart": "cart", "fav": "collect"},
    ),
}


@dataclass(frozen=True, kw_only=True)
class Lines:
    """How one file's lines are read."""

    layout: Layout
    separator: str
    positions: tuple[int, int, int, int]  # of user, item, action and time
    width: int
    header_row: int  # 0 where there is none


def recognised(block: Block) -> Lines:
    """The layout of the file that a block begins. ValueError where it is none."""
    rows = [
        (number, line.decode(errors="replace"))
        for number, line in islice(block.lines(), _PROBED_LINES)
    ]
    if not rows:
        raise ValueError(f"{block.path} begins with blank lines alone; {_wanted()}")
    number, first = rows[0]
    separator = _separator(first)
    names = [name.strip().lower() for name in first.split(separator)]
    if "user_id" in names or "item_id" in names:
        return _of_header(block.path, number, names, separator)
    for _, line in rows:
        for layout in LAYOUTS.values():
            if found := _without_header(line, layout):
                return found
    raise ValueError(
        f"{block.path} row {number}: {len(names)} fields parted by {separator!r}, and no line "
        f"near it is of a known layout; {_wanted()}"
    )


def _wanted() -> str:
    named = "; ".join(f"{name} ({', '.join(of.names)})" for name, of in LAYOUTS.items())
    return (
        f"a Tmall or Taobao log is one of: {named}; IJCAI-15 with its header line. Check the "
        "file, or describe it to the catalog as a table"
    )


def _separator(line: str) -> str:
    return next((mark for mark in ("\x01", "\t") if mark in line), ",")


def _of_header(path: Path, number: int, names: list[str], separator: str) -> Lines:
    layout = max(LAYOUTS.values(), key=lambda layout: len(set(layout.names) & set(names)))
    for name in layout.names:
        if names.count(name) != 1:
            raise ValueError(
                f"{path} row {number}: the header {shown(', '.join(names))} needs one column "
                f"{name!r}; {_wanted()}"
            )
    user, item, action, time = (names.index(name) for name in layout.names)
    return Lines(
        layout=layout,
        separator=separator,
        positions=(user, item, action, time),
        width=len(names),
        header_row=number,
    )


def _without_header(line: str, layout: Layout) -> Lines | None:
    """How lines like this one are read, or None where it is not of the layout."""
    if layout.positions is None:
        return None
    separator = _separator(line)
    lines = Lines(
        layout=layout,
        separator=separator,
        positions=layout.positions,
        width=layout.width,
        header_row=0,
    )
    try:
        user, *_ = parse_event(line, lines)
    except RowError:
        return None
    return lines if user.startswith(layout.users_begin) else None


def parse_event(line: str, lines: Lines) -> tuple[Any, ...]:
    fields = line.split(lines.separator)
    if len(fields) != lines.width:
        raise RowError(f"{len(fields)} fields parted by {lines.separator!r}, not {lines.width}")
    user, item, action, time = (fields[position] for position in lines.positions)
    behaviour = lines.layout.behaviours.get(action)
    if behaviour is None:
        known = ", ".join(lines.layout.behaviours)
        raise RowError(f"field {lines.layout.names[2]!r} is {shown(action)}; it must be of {known}")
    return user, item, _seconds(time, lines.layout), None, None, behaviour, None, None


def _seconds(time: str, layout: Layout) -> int:
    name = layout.names[3]
    if layout.time == "mmdd":
        if time not in MIDNIGHTS:
            raise RowError(f"field {name!r} is {shown(time)}; it must be a day of 2014 as mmdd")
        return MIDNIGHTS[time]
    if layout.time == "seconds":
        if not re.fullmatch(SECONDS, time):
            raise RowError(f"field {name!r} is {shown(time)}; it must be whole seconds")
        return int(time)
    return _moment(time, name)


def _moment(time: str, name: str) -> int:
    wrong = RowError(f"field {name!r} is {shown(time)}; it must be yyyy-mm-dd hh:mm:ss")
    found = _ANY_TIME_TEXT.fullmatch(time)
    if not found:
        raise wrong
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups())
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError as error:
        raise wrong from error
    return int(moment.timestamp())
