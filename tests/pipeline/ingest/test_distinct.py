"""Duplicates go, the earliest row stays, the order too, however much fits into memory."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.ingest import distinct
from pipeline.ingest.distinct import write_distinct
from pipeline.store import Store

SCHEMA = pa.schema(
    [
        pa.field("user", pa.string(), nullable=False),
        pa.field("item", pa.string(), nullable=False),
        pa.field("behaviour", pa.string()),
        pa.field("time", pa.int64(), nullable=False),
        pa.field("names", pa.list_(pa.string()), nullable=False),
        pa.field("row", pa.int64(), nullable=False),
    ]
)
SAME = ["user", "item", "behaviour"]

Row = tuple[str, str, str | None, int]


def _frame(rows: list[Row], start: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "user": [row[0] for row in rows],
            "item": [row[1] for row in rows],
            "behaviour": [row[2] for row in rows],
            "time": [row[3] for row in rows],
            "names": [[row[0], row[1]] for row in rows],
            "row": range(start, start + len(rows)),
        },
        schema={
            "user": pl.String,
            "item": pl.String,
            "behaviour": pl.String,
            "time": pl.Int64,
            "names": pl.List(pl.String),
            "row": pl.Int64,
        },
    )


def _frames(batches: list[list[Row]]) -> Iterator[pl.DataFrame]:
    start = 0
    for rows in batches:
        yield _frame(rows, start)
        start += len(rows)


def _reference(rows: list[Row]) -> list[int]:
    """Row numbers that stay."""
    best: dict[tuple[str, str, str | None], int] = {}
    for number, (user, item, behaviour, time) in enumerate(rows):
        earlier = best.setdefault((user, item, behaviour), number)
        if time < rows[earlier][3]:
            best[user, item, behaviour] = number
    return sorted(best.values())


def _write(store: Store, frames: Iterator[pl.DataFrame]) -> tuple[pa.Table, int]:
    artifact, dropped = write_distinct(store, "t/x", SCHEMA, frames, SAME, pl.col("time"))
    table = store.read_table("t/x")
    assert artifact.num_rows == table.num_rows
    assert table.schema.equals(SCHEMA)
    return table, dropped


def _files(store: Store) -> list[str]:
    return sorted(path.name for path in store.root.rglob("*") if path.is_file())


ROWS = st.tuples(
    st.sampled_from(["a", "b", "ab", "", "é"]),
    st.sampled_from(["a", "b", "ab"]),
    st.sampled_from([None, "view", "buy", ""]),
    st.integers(0, 3) | st.sampled_from([-(1 << 63), (1 << 63) - 1]),
)


@given(batches=st.lists(st.lists(ROWS, max_size=12), max_size=5), at_a_time=st.integers(1, 20))
@settings(max_examples=120, deadline=None)
def test_the_earliest_of_each_stays_in_its_place(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[Row]], at_a_time: int
) -> None:
    store = Store(tmp_path_factory.mktemp("distinct"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distinct, "_ROWS_AT_A_TIME", at_a_time)
        table, dropped = _write(store, _frames(batches))
    rows = [row for batch in batches for row in batch]
    kept = _reference(rows)
    assert table["row"].to_pylist() == kept
    assert dropped == len(rows) - len(kept)
    assert table["names"].to_pylist() == [[*rows[number][:2]] for number in kept]
    assert _files(store) == ["x.parquet"]


def test_of_rows_of_one_time_the_first_stays_across_batches(store: Store) -> None:
    rows: list[Row] = [("u", "i", None, 5)]
    table, dropped = _write(store, _frames([rows, rows, [("u", "i", None, 6)], rows]))
    assert (table["row"].to_pylist(), dropped) == ([0], 3)


def test_a_null_is_like_a_null_and_unlike_a_value(store: Store) -> None:
    rows: list[Row] = [("u", "i", None, 1), ("u", "i", "", 1), ("u", "i", None, 1)]
    assert _write(store, _frames([rows]))[0]["row"].to_pylist() == [0, 1]


def test_values_may_not_swap_columns(store: Store) -> None:
    rows: list[Row] = [
        ("a", "b", "c", 1),
        ("b", "a", "c", 1),
        ("c", "b", "a", 1),
        ("a", "a", "a", 1),
    ]
    assert _write(store, _frames([rows]))[1] == 0


def test_order_may_be_a_flag(store: Store) -> None:
    frames = _frames([[("u", "i", None, 1), ("u", "i", "buy", 2), ("u", "i", "view", 3)]])
    flag = pl.col("behaviour").is_null()
    _, dropped = write_distinct(store, "t/x", SCHEMA, frames, ["user"], flag)
    assert store.read_table("t/x")["behaviour"].to_pylist() == ["buy"]
    assert dropped == 2


def test_no_rows_are_an_empty_table(store: Store) -> None:
    assert _write(store, iter(()))[0].num_rows == 0
    assert _write(store, _frames([[], []]))[1] == 0


def test_many_rows_are_as_their_reference(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distinct, "_ROWS_AT_A_TIME", 20_000)
    numbers = pl.int_range(100_000, eager=True)
    frame = pl.DataFrame(
        {
            "user": (numbers * 7919 % 1000).cast(pl.String),
            "item": (numbers * 104729 % 37).cast(pl.String),
            "behaviour": pl.repeat(None, 100_000, dtype=pl.String, eager=True),
            "time": numbers * 48271 % 1009,
            "names": pl.repeat([], 100_000, dtype=pl.List(pl.String), eager=True),
            "row": numbers,
        }
    )
    table, _ = _write(store, (frame.slice(start, 9_000) for start in range(0, 100_000, 9_000)))
    expected = frame.sort("time", "row").unique(SAME, keep="first").sort("row")
    assert table["row"].to_pylist() == expected["row"].to_list()


def _failing(batches: int) -> Iterator[pl.DataFrame]:
    yield from _frames([[("u", "i", None, 1)]] * batches)
    raise ValueError("raw row 7 is bad")


@pytest.mark.parametrize("batches", [0, 1, 3])
def test_an_error_stores_nothing_and_leaves_no_scratch_file(store: Store, batches: int) -> None:
    with pytest.raises(ValueError, match="raw row 7 is bad"):
        _write(store, _failing(batches))
    assert _files(store) == []
    _write(store, _frames([[("u", "i", None, 1)]]))
    with pytest.raises(ValueError, match="raw row 7 is bad"):
        _write(store, _failing(batches))
    assert store.read_table("t/x").num_rows == 1
    assert _files(store) == ["x.parquet"]


def test_a_null_in_a_required_column_stores_nothing(store: Store) -> None:
    frame = _frame([("u", "i", None, 1)], 0).with_columns(user=pl.lit(None, pl.String))
    with pytest.raises(ValueError, match="1 nulls in required column 'user'"):
        _write(store, iter([frame]))
    assert _files(store) == []


def test_the_scratch_file_lies_beside_the_table_until_it_is_written(store: Store) -> None:
    seen: list[str] = []

    def frames() -> Iterator[pl.DataFrame]:
        seen.extend(_files(store))
        yield from _frames([[("u", "i", None, 1)]])

    _write(store, frames())
    assert len(seen) == 1 and seen[0].startswith(".x.scratch.")
    assert _files(store) == ["x.parquet"]


def test_what_a_killed_run_left_is_swept(store: Store, tmp_path: Path) -> None:
    folder = store.root / "t"
    folder.mkdir(parents=True)
    left = folder / ".x.scratch.999999999-0123abcd.tmp"
    left.write_bytes(b"rows of a run that was killed")
    _write(store, _frames([[("u", "i", None, 1)]]))
    assert not left.exists()
