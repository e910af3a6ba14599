"""Cells of every type become REVIEWS columns, or reject their row."""

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.catalog import Domain
from pipeline.columns import REVIEWS
from pipeline.ingest.formats.rows import ReadLog
from pipeline.ingest.formats.typed_rows import Rows, accepts, review_batch

NAMES = {name: f"my {name}" for name in REVIEWS.names}
IDS = ("user_id", "item_id", "timestamp")
PATH = Path("table.parquet")


def convert(
    target: str, values: pa.Array, required: tuple[str, ...] = ()
) -> tuple[list[Any], list[str]]:
    """The column of kept rows, and the reasons of the others."""
    count = len(values)
    columns = {"user_id": pa.array(["U"] * count), "item_id": pa.array(["I"] * count)}
    columns |= {"timestamp": pa.array([1] * count)} | {target: values}
    rows = Rows(numbers=np.arange(1, count + 1), columns=columns)
    log = ReadLog(domain=Domain(name="toys", title="toys", max_rejected_rows=1000))
    batch = review_batch(PATH, rows, NAMES, required, log)
    assert batch.schema.types == REVIEWS.types
    assert log.rows == batch.num_rows
    return batch[target].to_pylist(), [entry.reason for entry in log.rejected]


def test_whole_numbers_become_ids_without_a_point() -> None:
    assert convert("user_id", pa.array([7, -1], pa.int8()))[0] == ["7", "-1"]
    assert convert("item_id", pa.array([2**64 - 1], pa.uint64()))[0] == ["18446744073709551615"]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_texts_of_every_arrow_type_are_ids_as_they_are(kind: pa.DataType) -> None:
    assert convert("user_id", pa.array([" 007 ", "é"], kind))[0] == [" 007 ", "é"]


def test_an_empty_required_cell_rejects_its_row() -> None:
    found, reasons = convert("user_id", pa.array(["U", "", None]), IDS)

    assert found == ["U"]
    assert reasons == ["'my user_id' is empty"] * 2


def test_an_empty_cell_that_may_be_is_null() -> None:
    assert convert("rating", pa.array(["", None, "3"])) == ([None, None, 3.0], [])
    assert convert("text", pa.array(["", None, "ok"])) == ([None, None, "ok"], [])
    assert convert("rating", pa.array([float("nan"), 3.0])) == ([None, 3.0], [])
    assert convert("rating", pa.nulls(2)) == ([None, None], [])


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1_400_000_000], pa.int64()),
        pa.array([1_400_000_000], pa.uint32()),
        pa.array([1_400_000_000.9], pa.float64()),
        pa.array([Decimal("1400000000.5")], pa.decimal128(20, 1)),
        pa.array(["1400000000"]),
        pa.array([" 1.4e9 "]),
        pa.array([1_400_000_000], pa.timestamp("s")),
        pa.array([1_400_000_000_999], pa.timestamp("ms", tz="America/New_York")),
        pa.array([1_400_000_000_999_999], pa.timestamp("us", tz="+02:00")),
        pa.array([1_400_000_000_999_999_999], pa.timestamp("ns")),
        pa.array(["2014-05-13T16:53:20"]),
        pa.array(["2014-05-13 16:53:20.999999"]),
        pa.array([" 2014-05-13T18:53:20+02:00 "]),
        pa.array(["2014-05-13t14:23:20-0230"]),
        pa.array(["2014-05-13 16:53:20 UTC"]),
        pa.array(["2014-05-13T16:53:20,5Z"]),
        pa.array(["2014-05-13T17:53:20+01"]),
    ],
)
def test_times_of_every_type_are_seconds(values: pa.Array) -> None:
    assert convert("timestamp", values, IDS) == ([1_400_000_000], [])


@pytest.mark.parametrize(
    "values",
    [
        pa.array([dt.date(1969, 12, 31), dt.date(2014, 5, 13)], pa.date32()),
        pa.array([dt.date(1969, 12, 31), dt.date(2014, 5, 13)], pa.date64()),
        pa.array(["1969-12-31", "2014-05-13"]),
        pa.array(["1969-12-31 00:00", "2014-05-13T02:00+02:00"]),
    ],
)
def test_days_begin_at_midnight_in_utc(values: pa.Array) -> None:
    assert convert("timestamp", values, IDS) == ([-86_400, 1_399_939_200], [])


def test_texts_of_several_kinds_of_time_may_mix() -> None:
    values = pa.array(["9007199254740993", "1.5", "1970-01-02", None])

    found, reasons = convert("timestamp", values, IDS)

    assert found == [9_007_199_254_740_993, 1, 86_400]
    assert reasons == ["'my timestamp' is empty"]


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "2014-13-01",
        "2014-02-30",
        "2014-05-13T25:00",
        "2014-05-13+02:00",
        "13.05.2014",
        "2014-5-3",
        "\u0662014-05-13",
        "2014-05-13T16:53:20+24:00",
        "1e19",
        "nan",
        "0x10",
        "1_000",
        "--1",
    ],
)
def test_what_is_no_time_rejects_its_row(text: str) -> None:
    found, reasons = convert("timestamp", pa.array([text, "5"]), IDS)

    assert found == [5]
    assert reasons == [
        f"'my timestamp' is {text!r}; it must be a time: a number, or an ISO 8601 text"
    ]


@settings(deadline=None)
@given(
    st.datetimes(min_value=dt.datetime(1, 1, 2), max_value=dt.datetime(9999, 12, 30)),
    st.one_of(st.none(), st.integers(-23 * 60, 23 * 60)),
    st.sampled_from([" ", "T"]),
)
def test_iso_texts_are_read_as_python_reads_them(
    moment: dt.datetime, offset: int | None, between: str
) -> None:
    zone = dt.timezone(dt.timedelta(minutes=offset)) if offset is not None else None
    text = moment.replace(tzinfo=zone).isoformat(between)
    seconds = moment.replace(tzinfo=zone or dt.UTC, microsecond=0) - dt.datetime(
        1970, 1, 1, tzinfo=dt.UTC
    )

    assert convert("timestamp", pa.array([text]), IDS)[0] == [seconds // dt.timedelta(seconds=1)]


@pytest.mark.parametrize(
    "values",
    [
        pa.array([4], pa.int8()),
        pa.array([4.0], pa.float16()),
        pa.array([Decimal("4.00")], pa.decimal128(5, 2)),
        pa.array(["4"]),
        pa.array([" 4.0"]),
        pa.array(["+.4e1"]),
    ],
)
def test_ratings_of_every_type_are_numbers(values: pa.Array) -> None:
    assert convert("rating", values) == ([4.0], [])


@pytest.mark.parametrize(
    "value", [float("inf"), -1e39, "inf", "nan", "1e39", "five", "\uff14", "1,5"]
)
def test_what_is_no_finite_number_rejects_its_row(value: Any) -> None:
    found, reasons = convert("rating", pa.array([value]))

    assert found == []
    assert reasons == [f"'my rating' is {value!r}; it must be a finite number"]


def test_flags_of_every_type() -> None:
    assert convert("verified", pa.array([True, False, None]))[0] == [True, False, None]
    assert convert("verified", pa.array([1, 0, None]))[0] == [True, False, None]
    assert convert("verified", pa.array([1.0, 0.0, float("nan")]))[0] == [True, False, None]
    texts = ["TRUE", "Y", "yes ", "1", "false", "N", "0", ""]
    assert convert("verified", pa.array(texts))[0] == [True] * 4 + [False] * 3 + [None]


@pytest.mark.parametrize("value", ["maybe", 2, 0.5])
def test_what_is_no_flag_rejects_its_row(value: Any) -> None:
    assert convert("verified", pa.array([value])) == (
        [],
        [f"'my verified' is {value!r}; it must be true or false"],
    )


def test_behaviours_that_are_numbers_become_texts() -> None:
    assert convert("behaviour", pa.array([3, None])) == (["3", None], [])


def test_the_first_faulty_column_is_the_reason_and_rows_keep_their_order() -> None:
    columns = {
        "user_id": pa.array(["U", None, "V"]),
        "item_id": pa.array(["I", "I", "J"]),
        "timestamp": pa.array(["1", "x", "y"]),
    }
    rows = Rows(numbers=np.array([4, 9, 12]), columns=columns, rejected=((7, "no row"),))
    log = ReadLog(domain=Domain(name="toys", title="toys", max_rejected_rows=3))

    batch = review_batch(PATH, rows, NAMES, IDS, log)

    assert batch["user_id"].to_pylist() == ["U"]
    assert [(entry.row, entry.reason.split(";")[0]) for entry in log.rejected] == [
        (7, "no row"),
        (9, "'my user_id' is empty"),
        (12, "'my timestamp' is 'y'"),
    ]


@pytest.mark.parametrize(
    ("target", "kind", "is_accepted"),
    [
        ("user_id", pa.int64(), True),
        ("user_id", pa.dictionary(pa.int8(), pa.string()), True),
        ("user_id", pa.dictionary(pa.int8(), pa.float64()), False),
        ("user_id", pa.float64(), False),
        ("item_id", pa.bool_(), False),
        ("item_id", pa.list_(pa.string()), False),
        ("timestamp", pa.timestamp("ns"), True),
        ("timestamp", pa.bool_(), False),
        ("timestamp", pa.time32("s"), False),
        ("rating", pa.decimal128(3, 1), True),
        ("rating", pa.bool_(), False),
        ("verified", pa.bool_(), True),
        ("verified", pa.date32(), False),
        ("title", pa.float32(), True),
        ("title", pa.binary(), False),
        ("text", pa.struct([]), False),
        ("text", pa.null(), True),
    ],
)
def test_which_types_are_accepted(target: str, kind: pa.DataType, is_accepted: bool) -> None:
    assert accepts(target, kind) is is_accepted
