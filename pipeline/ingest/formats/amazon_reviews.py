"""Reader of Amazon review dumps: JSON lines of the 2014, 2018 and 2023 releases.

A block of lines is parsed at once. Where anything about a block is odd, its lines are parsed one
by one, which finds the rows that cannot be used; both ways give the same rows. Of a field that a
line has twice, which JSON leaves open, either value may count.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pyarrow as pa

from pipeline.columns import REVIEWS
from pipeline.ingest.formats.amazon_releases import RELEASES, Release
from pipeline.ingest.formats.blocks import Block, decode, read_blocks
from pipeline.ingest.formats.parsed_lines import parsed
from pipeline.ingest.formats.python_literals import parse_literal
from pipeline.ingest.formats.rows import ReadLog, RowError, batches, shown

_PLAIN_ID = r"^(?:[0-9]{1,15}|[0-9-]*[A-Za-z_][A-Za-z0-9_-]*)$"
"""Of digits alone it may have been a number, which is exact up to 15 of them."""

_WORDS = ("true", "false", "null")
_LIKE_JSON = r"^(?:-?[0-9][0-9.]*$|true$|false$|\[|\{)"
_HALF_PAIR = re.compile(
    rb"\\u[dD](?:[89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..\\u[dD])[c-fC-F])"
)
"""Of surrogates: what no text can hold."""

_INT64 = 1 << 63
_MOST_FLOAT = 1e30
_EXACT_FLOAT = 1e15


def read_amazon_reviews(path: Path, log: ReadLog) -> Iterator[pa.RecordBatch]:
    """Reviews in REVIEWS columns; `behaviour` and `part` are null.

    Raises ValueError, naming file and row, where more rows are rejected than the domain allows.
    """
    release = RELEASES[str(log.domain.format)]
    for block in read_blocks(path, log=log):
        frame = _parsed_at_once(block, release)
        if frame is None:
            yield from batches(_parsed_one_by_one(block, release, log), REVIEWS, log)
        else:
            log.rows += frame.height
            # The parser leaves a chunk for every few hundred lines.
            yield from frame.rechunk().to_arrow(compat_level=pl.CompatLevel.newest()).to_batches()


def parse_object(line: bytes) -> dict[str, Any]:
    """A line's object, of JSON or of the older Python dialect. RowError where it is none."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        text = decode(line)
        if not text.lstrip().startswith("{'"):
            raise RowError(f"not a JSON object: {error.msg} at character {error.pos}") from error
        value = parse_literal(text)
    if not isinstance(value, dict):
        raise RowError(f"not a JSON object but of type {type(value).__name__}")
    return value


def id_of(entry: dict[str, Any], name: str) -> str:
    """A text, or a whole number written in decimal. RowError where there is neither."""
    value = _required(entry, name)
    if type(value) is float and value.is_integer() and abs(value) < _EXACT_FLOAT:
        value = int(value)
    if type(value) is not str and (type(value) is not int or abs(value) >= 2 * _INT64):
        raise RowError(f"field {name!r} is {shown(value)}; it must be a text")
    return str(value)


def text_of(entry: dict[str, Any], name: str) -> str | None:
    """A text as it is. RowError where there is something else."""
    value = entry.get(name)
    if value is not None and not isinstance(value, str):
        raise RowError(f"field {name!r} is {shown(value)}; it must be a text")
    return value


def _parsed_at_once(block: Block, release: Release) -> pl.DataFrame | None:
    """All rows of a block, or None where one of them may have to be rejected or read with care."""
    if block.seems_packed:
        return None
    try:
        raw = pl.read_ndjson(block.data, schema=_raw_schema(release))
    except pl.exceptions.PolarsError:
        return None  # some line is not what it must be: which one is found one by one
    if raw.height != block.num_lines or not _has_texts(raw, block, release):
        return None
    frame = raw.select(
        user_id=release.user,
        item_id=release.item,
        timestamp=release.time,
        rating=pl.col(release.rating).cast(pl.Float32),
        text=_joined(release.summary, release.text),
        behaviour=pl.lit(None, pl.String),
        verified=pl.col(release.verified) if release.verified else pl.lit(None, pl.Boolean),
        part=pl.lit(None, pl.String),
    )
    return frame if _is_plain(frame) and not _HALF_PAIR.search(block.data) else None


def _joined(*names: str) -> pl.Expr:
    """Texts joined by line breaks, empty ones left out; null where none is left."""
    texts = [pl.when(pl.col(name) != "").then(pl.col(name)) for name in names]
    joined = pl.concat_str(texts, separator="\n", ignore_nulls=True)
    return pl.when(joined != "").then(joined)


def _raw_schema(release: Release) -> dict[str, Any]:
    names = (release.user, release.item, release.summary, release.text)
    schema: dict[str, Any] = dict.fromkeys(names, pl.String)
    schema |= {release.time: pl.Int64, release.rating: pl.Float64}
    return schema | ({release.verified: pl.Boolean} if release.verified else {})


def _has_texts(raw: pl.DataFrame, block: Block, release: Release) -> bool:
    """Whether what the parser at once takes for summaries and texts is no number or list."""
    texts = pl.col(release.summary, release.text)
    is_odd = pl.any_horizontal(texts.str.contains(_LIKE_JSON).fill_null(False))
    odd = raw.select(is_odd.arg_true()).to_series()
    lines = block.data.split(b"\n") if len(odd) else []
    try:
        for index in odd:
            _review(parse_object(lines[index]), release)
    except RowError:
        return False
    return True


def _is_plain(frame: pl.DataFrame) -> bool:
    """Whether every row is as it would be, parsed alone.

    The parser at once turns numbers and lists into texts, and a lone surrogate into a NUL.
    """
    ids = pl.col("user_id", "item_id")
    odd = pl.any_horizontal(
        ids.is_null().any(),
        pl.col("timestamp", "rating").is_null().any(),
        (~ids.str.contains(_PLAIN_ID)).any(),
        ids.is_in(_WORDS).any(),
        pl.col("text").str.contains("\0", literal=True).any(),
        (~(pl.col("rating").abs() < _MOST_FLOAT)).any(),
    )
    return not frame.select(odd).item()


def _parsed_one_by_one(block: Block, release: Release, log: ReadLog) -> Iterator[tuple[Any, ...]]:
    return parsed(block.path, block.lines(), lambda line: _review(parse_object(line), release), log)


def _review(entry: dict[str, Any], release: Release) -> tuple[Any, ...]:
    texts = (text_of(entry, name) for name in (release.summary, release.text))
    return (
        id_of(entry, release.user),
        id_of(entry, release.item),
        _time(entry, release.time),
        _rating(entry, release.rating),
        "\n".join(text for text in texts if text) or None,
        None,
        _verified(entry, release),
        None,
    )


def _required(entry: dict[str, Any], name: str) -> Any:
    if entry.get(name) is None:
        raise RowError(f"required field {name!r} is missing; the row has {shown([*entry])}")
    return entry[name]


def _time(entry: dict[str, Any], name: str) -> int:
    value = _required(entry, name)
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int or not -_INT64 <= value < _INT64:
        raise RowError(f"field {name!r} is {shown(value)}; it must be a whole number")
    return value


def _rating(entry: dict[str, Any], name: str) -> float:
    value = _required(entry, name)
    if type(value) not in (int, float) or not -_MOST_FLOAT < value < _MOST_FLOAT:
        raise RowError(f"field {name!r} is {shown(value)}; it must be a number")
    return float(value)


def _verified(entry: dict[str, Any], release: Release) -> bool | None:
    value = entry.get(release.verified) if release.verified else None
    if value is not None and type(value) is not bool:
        raise RowError(f"field {release.verified!r} is {shown(value)}; it must be true or false")
    return value
