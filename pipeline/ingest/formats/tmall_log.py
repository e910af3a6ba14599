"""Reader of the raw behaviour logs of Tmall and Taobao, in the layouts of `tmall_layouts`.

Clicks and page views become "view", favourites "collect", payments and purchases "buy"; the
cart stays "cart". Time texts name no zone and are read as UTC. `rating` and `text` are null.

A block of lines is parsed at once. Where one of them is not plain, the block's lines are parsed
one by one, which finds the rows that cannot be used; both ways give the same rows.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from pipeline.catalog import Domain
from pipeline.columns import REVIEWS
from pipeline.ingest.formats.blocks import Block, decode, read_blocks
from pipeline.ingest.formats.parsed_lines import parsed
from pipeline.ingest.formats.rows import BATCH_ROWS, ReadLog, batches
from pipeline.ingest.formats.tmall_layouts import (
    MIDNIGHTS,
    SECONDS,
    Layout,
    Lines,
    parse_event,
    recognised,
)

_PLAIN_TIME = (
    r"^[12][0-9]{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
    r" (?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$"
)


def places(domain: Domain) -> dict[str, tuple[str, str]]:
    """The log alone: the products' attributes are not read."""
    assert domain.reviews is not None  # the catalog requires it of this format
    return {"reviews": (domain.reviews, "reviews")}


def read_reviews(paths: dict[str, Path], log: ReadLog) -> Iterator[pa.RecordBatch]:
    """Events in REVIEWS columns; `timestamp` is in seconds, of IJCAI-15 the day's midnight.

    Raises ValueError, naming the file, where it is of none of the layouts, and where more rows
    are rejected than the domain allows.
    """
    lines = None
    for block in read_blocks(paths["reviews"], log=log):
        lines = lines or recognised(block)
        if block.first_row <= lines.header_row:
            block = _below(block, lines.header_row)
        frame = _parsed_at_once(block, lines)
        if frame is None:
            yield from batches(_parsed_one_by_one(block, lines, log), REVIEWS, log)
        else:
            log.rows += frame.height
            yield from _of_types(frame).to_batches(max_chunksize=BATCH_ROWS)


def read_items(paths: dict[str, Path], log: ReadLog) -> Iterator[pa.RecordBatch]:
    """Nothing: a log describes no items."""
    yield from ()


def _below(block: Block, header_row: int) -> Block:
    """A block without its lines up to the header."""
    rest = block.data.split(b"\n", header_row)[header_row:]
    return Block(path=block.path, first_row=header_row + 1, data=b"".join(rest))


def _parsed_at_once(block: Block, lines: Lines) -> pl.DataFrame | None:
    """All rows of a block, or None where one of them is not plain."""
    data = block.data
    if (
        not data
        or block.seems_packed
        or not data.isascii()
        or data.count(b"\r") != data.count(b"\r\n")
    ):
        return None
    names = [str(position) for position in range(lines.width)]
    try:
        raw = pl.read_csv(
            data,
            has_header=False,
            separator=lines.separator,
            quote_char=None,
            schema=dict.fromkeys(names, pl.String),
            empty_string_is_null=False,
        )
    except (pl.exceptions.ComputeError, pl.exceptions.SchemaError):
        return None  # a line has too many fields, or the first one too few
    if data.count(lines.separator.encode()) != raw.height * (lines.width - 1):
        return None  # a line has too few fields
    user, item, action, time = (pl.col(str(position)) for position in lines.positions)
    nothing = pl.lit(None, pl.String)
    frame = raw.select(
        user_id=user,
        item_id=item,
        timestamp=_seconds_at_once(time, lines.layout),
        rating=pl.lit(None, pl.Float32),
        text=nothing,
        behaviour=action.replace_strict(
            lines.layout.behaviours, default=None, return_dtype=pl.String
        ),
        verified=pl.lit(None, pl.Boolean),
        part=nothing,
    )
    unread = frame.select(pl.col("timestamp", "behaviour").is_null().any()).row(0)
    return None if any(unread) else frame


def _of_types(frame: pl.DataFrame) -> pa.Table:
    table: pa.Table = frame.to_arrow()
    return table.cast(pa.schema(list(zip(REVIEWS.names, REVIEWS.types, strict=True))))


def _seconds_at_once(time: pl.Expr, layout: Layout) -> pl.Expr:
    """Seconds since 1970, null where a time is not written plainly."""
    if layout.time == "mmdd":
        return time.replace_strict(MIDNIGHTS, default=None, return_dtype=pl.Int64)
    if layout.time == "seconds":
        return pl.when(time.str.contains(SECONDS)).then(time.cast(pl.Int64, strict=False))
    moment = time.str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False)
    return pl.when(time.str.contains(_PLAIN_TIME)).then(moment.dt.epoch("s"))


def _parsed_one_by_one(block: Block, lines: Lines, log: ReadLog) -> Iterator[tuple[Any, ...]]:
    return parsed(block.path, block.lines(), lambda line: parse_event(decode(line), lines), log)
