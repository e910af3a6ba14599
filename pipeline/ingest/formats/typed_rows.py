"""Rows of a table's cells, texts or typed ones, become batches in REVIEWS columns.

Whole columns are converted at once. A cell that cannot be converted, and an empty one where a
value is required, rejects its row, with the name that the file gives to the column.

- ids are texts as they are, or whole numbers written in decimal;
- a time is a number, rounded down to a whole one, a timestamp or date of Parquet, or an ISO 8601
  text such as 2014-05-01, 2014-05-01 12:30:00 or 2014-05-01T12:30:00.5+02:00, in UTC where it
  names no offset;
- a rating is a finite number; NaN, in a column of floats, is an empty cell;
- a flag is true, false, yes, no, t, f, y, n, 1 or 0, in any case.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.columns import REVIEWS
from pipeline.ingest.formats.rows import ReadLog, shown

_MOST_FLOAT32 = float(np.finfo(np.float32).max)
_PAST_INT64 = 2.0**63
_SPACES = " \t"
_TRUE = ("true", "yes", "t", "y", "1", "1.0")
_FALSE = ("false", "no", "f", "n", "0", "0.0")
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_ISO = (
    r"^(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ](?P<minute>[0-9]{2}:[0-9]{2})(?P<second>:[0-9]{2}(?:[.,][0-9]+)?)?"
    r" ?(?:[Zz]|UTC|(?P<sign>[+-])(?P<hours>[01][0-9]|2[0-3]):?(?P<minutes>[0-5][0-9])?)?)?$"
)

_EXPECTED = {
    "timestamp": "a time: a number, or an ISO 8601 text",
    "rating": "a finite number",
    "verified": "true or false",
}


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Some of a file's rows, column by column, and those that were no rows at all."""

    numbers: np.ndarray  # (n,) int64, 1-based numbers in the file, rising
    columns: dict[str, pa.Array]  # column of REVIEWS to (n,) cells of any scalar type
    rejected: tuple[tuple[int, str], ...] = ()  # number and reason


def review_batch(
    path: Path, rows: Rows, names: dict[str, str], required: tuple[str, ...], log: ReadLog
) -> pa.RecordBatch:
    """The rows that can be used, in REVIEWS columns; a column that `rows` lacks is null.

    Arguments and errors as those of `usable_rows`.
    """
    typed = usable_rows(path, rows, names, required, log)
    length = len(typed["user_id"])
    columns = [
        typed.get(name, pa.nulls(length, REVIEWS.field(name).type)) for name in REVIEWS.names
    ]
    return pa.RecordBatch.from_arrays(columns, names=REVIEWS.names)


def usable_rows(
    path: Path, rows: Rows, names: dict[str, str], required: tuple[str, ...], log: ReadLog
) -> dict[str, pa.Array]:
    """The columns of the rows that can be used, converted; what is no column of REVIEWS is text.

    `names` says what the file calls each column, `required` which may not be empty. Counts the
    rows in `log`. Raises ValueError where more rows are rejected than the domain allows.
    """
    cells = {target: _without_empty(values) for target, values in rows.columns.items()}
    typed = {target: _CONVERTERS.get(target, _to_text)(values) for target, values in cells.items()}
    reasons = dict(rows.rejected)
    kept = np.ones(len(rows.numbers), dtype=bool)
    for target, values in typed.items():
        bad = _nulls(values)
        if target not in required:
            bad &= ~_nulls(cells[target])
        for index in np.flatnonzero(bad):
            value = cells[target][int(index)].as_py()
            reasons.setdefault(int(rows.numbers[index]), _reason(names[target], target, value))
        kept &= ~bad
    for number in sorted(reasons):
        log.reject(path, number, reasons[number])
    log.rows += int(kept.sum())
    if kept.all():
        return typed
    return {target: values.filter(pa.array(kept)) for target, values in typed.items()}


def accepts(target: str, kind: pa.DataType) -> bool:
    """Whether cells of an Arrow type can become a column of REVIEWS, or else a text."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    checks = pa.types
    if checks.is_null(kind) or is_text(kind) or checks.is_integer(kind):
        return True
    numbers = checks.is_floating(kind) or checks.is_decimal(kind)
    if target in ("user_id", "item_id"):
        return False  # a float holds no long id exactly, and 1.0 is not the id 1 of another file
    if target == "timestamp":
        return numbers or checks.is_timestamp(kind) or checks.is_date(kind)
    if target == "rating":
        return numbers
    return numbers or checks.is_boolean(kind)


def is_text(kind: pa.DataType) -> bool:
    checks = pa.types
    return checks.is_string(kind) or checks.is_large_string(kind) or checks.is_string_view(kind)


def _without_empty(values: pa.Array) -> pa.Array:
    """With null for an empty text and for NaN."""
    if is_text(values.type) or pa.types.is_null(values.type):
        values = values.cast(pa.string())
        empty = pc.equal(pc.binary_length(values), 0)
    elif pa.types.is_floating(values.type):
        empty = pc.is_nan(values)
    else:
        return values
    return pc.if_else(empty, pa.scalar(None, values.type), values)


def _to_text(values: pa.Array) -> pa.Array:
    return values.cast(pa.string())


def _to_number(values: pa.Array) -> pa.Array:
    if pa.types.is_decimal(values.type):
        values = values.cast(pa.float64())
    series = _parsed(_series(values), pl.Float64)
    series = series.set(series.abs() > _MOST_FLOAT32, None).set(series.is_nan(), None)
    return series.cast(pl.Float32).to_arrow()


def _to_time(values: pa.Array) -> pa.Array:
    if pa.types.is_date32(values.type):
        return pc.multiply(values.cast(pa.int32()).cast(pa.int64()), 86_400)
    if pa.types.is_date64(values.type) or pa.types.is_timestamp(values.type):
        unit = "ms" if pa.types.is_date64(values.type) else values.type.unit
        return (_series(values.cast(pa.int64())) // _PER_SECOND[unit]).to_arrow()
    if pa.types.is_decimal(values.type):
        values = values.cast(pa.float64())
    series = _series(values)
    found = _floored(series) if series.dtype.is_float() else _parsed(series, pl.Int64)
    if series.dtype == pl.String:
        for way in (_floored, _from_iso):
            if found.null_count() > series.null_count():
                found = found.zip_with(found.is_not_null(), way(series))
    return found.to_arrow()


def _floored(series: pl.Series) -> pl.Series:
    numbers = _parsed(series, pl.Float64)
    return numbers.set(numbers.abs() >= _PAST_INT64, None).floor().cast(pl.Int64, strict=False)


def _from_iso(texts: pl.Series) -> pl.Series:
    parts = texts.str.strip_chars(_SPACES).str.extract_groups(_ISO).struct.unnest()
    clock = pl.concat_str(
        pl.col("day"),
        pl.lit("T"),
        pl.col("minute").fill_null("00:00"),
        pl.col("second").str.slice(0, 3).fill_null(":00"),
    )
    local = clock.str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="ms", strict=False)
    minutes = 60 * pl.col("hours").cast(pl.Int64) + pl.col("minutes").cast(pl.Int64).fill_null(0)
    ahead = pl.when(pl.col("sign") == "-").then(-60 * minutes).otherwise(60 * minutes)
    return parts.select(seconds=local.dt.epoch("s") - ahead.fill_null(0))["seconds"]


def _to_flag(values: pa.Array) -> pa.Array:
    words = _series(values).cast(pl.String).str.strip_chars(_SPACES).str.to_lowercase()
    known = dict.fromkeys(_TRUE, True) | dict.fromkeys(_FALSE, False)
    return words.replace_strict(known, default=None, return_dtype=pl.Boolean).to_arrow()


def _series(values: pa.Array) -> pl.Series:
    series = pl.from_arrow(values)
    assert isinstance(series, pl.Series)
    return series


def _parsed(series: pl.Series, kind: type[pl.DataType]) -> pl.Series:
    """Numbers, null where there is none; spaces around a text do not matter."""
    found = series.cast(kind, strict=False)
    if series.dtype == pl.String and found.null_count() > series.null_count():
        found = series.str.strip_chars(_SPACES).cast(kind, strict=False)
    return found


def _nulls(values: pa.Array) -> np.ndarray:
    return values.is_null().to_numpy(zero_copy_only=False)


def _reason(name: str, target: str, value: object) -> str:
    if value is None:
        return f"{name!r} is empty"
    return f"{name!r} is {shown(value)}; it must be {_EXPECTED.get(target, 'a text')}"


_CONVERTERS: dict[str, Callable[[pa.Array], pa.Array]] = {
    "timestamp": _to_time,
    "rating": _to_number,
    "verified": _to_flag,
}
