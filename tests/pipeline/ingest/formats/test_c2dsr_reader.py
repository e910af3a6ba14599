import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.catalog import Domain
from pipeline.columns import PARTS, RAW_ITEMS, REVIEWS
from pipeline.ingest.formats.c2dsr import places, read_items, read_reviews
from pipeline.ingest.formats.rows import ReadLog

DAY = 86_400
Half = Literal["A", "B"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small set in the layout of the release: A0, A1, A2 are items 0, 1, 2; B0, B1 are 3, 4."""
    files = {
        "Alist.txt": ["64\tA0\t0", "7\tA1\t1", "15157\tA2\t2"],
        "Blist.txt": ["45309\tB0\t0", "46353\tB1\t1"],
        "traindata_new.txt": [
            _line(7, 8, (0, 1), (3, 2), (1, 3)),
            _line(7, 9, (3, 2), (1, 3), (4, 5)),
            _line(9, 11, (2, 4), (0, 6)),
        ],
        "validdata_new.txt": [_line(7, 10, (1, 3), (4, 5), (2, 9))],
        "testdata_new.txt": [_line(9, 12, (0, 6), (3, 8))],
    }
    for name, lines in files.items():
        (tmp_path / name).write_bytes("".join(f"{line}\r\n" for line in lines).encode())
    return tmp_path


def _line(user: int, number: int, *events: tuple[int, int]) -> str:
    """A line as the release writes it; times in days."""
    written = (f"{item}|{day * DAY}|1970-01-01 08:00:00|" for item, day in events)
    return "\t".join([str(user), str(number), *written])


def _log(half: Half, max_rejected_rows: int = 0) -> ReadLog:
    return ReadLog(
        domain=Domain(
            name=half.lower(),
            title="things",
            format="c2dsr",
            folder="raw/set",
            half=half,
            max_rejected_rows=max_rejected_rows,
        )
    )


def _paths(folder: Path) -> dict[str, Path]:
    roles = places(_log("A").domain).items()
    return {role: folder / Path(place).name for role, (place, _) in roles}


def _table(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    nullable = pa.schema([field.with_nullable(True) for field in schema])
    return pa.Table.from_batches(batches, schema=nullable)


def _reviews(folder: Path, half: Half, log: ReadLog | None = None) -> list[dict[str, Any]]:
    return _table(read_reviews(_paths(folder), log or _log(half)), REVIEWS).to_pylist()


def _short(rows: list[dict[str, Any]]) -> list[tuple[str, str, int, str]]:
    return [(row["user_id"], row["item_id"], row["timestamp"], row["part"]) for row in rows]


def test_both_halves_are_read_from_the_five_files_of_the_folder() -> None:
    assert places(_log("B").domain) == {
        "items_A": ("raw/set/Alist.txt", "folder"),
        "items_B": ("raw/set/Blist.txt", "folder"),
        "train": ("raw/set/traindata_new.txt", "folder"),
        "valid": ("raw/set/validdata_new.txt", "folder"),
        "test": ("raw/set/testdata_new.txt", "folder"),
    }


def test_each_half_gives_the_rows_of_its_items_with_one_user_for_a_line(folder: Path) -> None:
    assert _short(_reviews(folder, "A")) == [
        ("train:7:8", "A0", 1 * DAY, "overlap"),
        ("train:7:8", "A1", 3 * DAY, "overlap"),
        ("train:7:9", "A1", 3 * DAY, "overlap"),
        ("train:9:11", "A2", 4 * DAY, "single"),
        ("train:9:11", "A0", 6 * DAY, "single"),
        ("valid:7:10", "A1", 3 * DAY, "valid"),
        ("valid:7:10", "A2", 9 * DAY, "valid"),
        ("test:9:12", "A0", 6 * DAY, "test"),
    ]
    assert _short(_reviews(folder, "B")) == [
        ("train:7:8", "B0", 2 * DAY, "overlap"),
        ("train:7:9", "B0", 2 * DAY, "overlap"),
        ("train:7:9", "B1", 5 * DAY, "overlap"),
        ("valid:7:10", "B1", 5 * DAY, "valid"),
        ("test:9:12", "B0", 8 * DAY, "test"),
    ]
    assert {row["part"] for row in _reviews(folder, "A")} == set(PARTS)


def test_what_the_layout_has_not_is_null(folder: Path) -> None:
    for row in _reviews(folder, "A"):
        assert {row[name] for name in ("rating", "text", "behaviour", "verified")} == {None}


def test_time_orders_a_line_and_equal_times_keep_its_order_across_halves(folder: Path) -> None:
    line = _line(1, 1, (3, 5), (0, 5), (4, 5), (1, 7), (2, 2))
    (folder / "testdata_new.txt").write_text(line)
    rows = _short(_reviews(folder, "A") + _reviews(folder, "B"))
    ordered = sorted((time, item) for user, item, time, _ in rows if user == "test:1:1")
    assert [item for _, item in ordered] == ["A2", "B0", "A0", "B1", "A1"]
    assert [time for time, _ in ordered] == [2 * DAY, 5 * DAY, 5 * DAY + 1, 5 * DAY + 2, 7 * DAY]


def test_events_without_a_date_are_read_too(folder: Path) -> None:
    (folder / "testdata_new.txt").write_text("5\t0\t1|86400\t3|172800\n")
    assert _short(_reviews(folder, "B"))[-1] == ("test:5:0", "B0", 2 * DAY, "test")


def test_items_are_ids_alone(folder: Path) -> None:
    log = _log("B")
    table = _table(read_items(_paths(folder), log), RAW_ITEMS)
    nothing = dict.fromkeys(RAW_ITEMS.names)
    assert table.to_pylist() == [nothing | {"item_id": "B0"}, nothing | {"item_id": "B1"}]
    assert log.rows == 2


def test_compressed_files_give_the_same_rows(folder: Path) -> None:
    plain = _reviews(folder, "A")
    for path in folder.glob("*.txt"):
        path.write_bytes(gzip.compress(path.read_bytes()))
    assert _reviews(folder, "A") == plain


def test_empty_sequence_files_give_nothing(folder: Path) -> None:
    for name in ("traindata_new.txt", "validdata_new.txt", "testdata_new.txt"):
        (folder / name).write_bytes(b"")
    log = _log("A")
    assert _reviews(folder, "A", log) == []
    assert log.rows == 0


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"7 8 0|86400| 3|172800|", "has 1 fields parted by tabs"),
        (b"7\t8", "has 2 fields parted by tabs"),
        (b"7\t8\t", "has 2 fields parted by tabs"),
        (b"7\t0|86400|\t3|172800|", "number is '0|86400|'"),
        (b"x\t8\t0|86400|", "user is 'x'"),
        (b"7\t8\t0,86400", "event '0,86400' is not"),
        (b"7\t8\t0|86400|\t\t1|86400|", "event '' is not"),
        (b"7\t8\t5|86400|", "names item 5; Alist.txt and Blist.txt have 5 items"),
        (b"7\t8\t-1|86400|", "item is '-1'"),
        (b"7\t8\t0|1e9|", "time is '1e9'"),
        (b"7\t8\t0|", "time is ''"),
        (b"7\t8\t0|" + b"9" * 19, "time is '999"),
        (b"7\t8\t" + b"9" * 5000 + b"|1|", "item is '999"),
        (b"7\t8\t0|86400|\xff\xfe", "not UTF-8"),
        (b"7\t8\t0|86400|\n7\t8\t1|86400|", "repeats user and number '7:8'"),
    ],
)
def test_a_line_that_is_no_sequence_is_rejected_and_named(
    folder: Path, line: bytes, reason: str
) -> None:
    with (folder / "validdata_new.txt").open("ab") as file:
        file.write(line + b"\n")
    with pytest.raises(ValueError, match=r"validdata_new\.txt row [23]: "):
        _reviews(folder, "B")
    log = _log("B", max_rejected_rows=1)
    assert ("valid:7:10", "B1", 5 * DAY, "valid") in _short(_reviews(folder, "B", log))
    assert [entry.file for entry in log.rejected] == ["validdata_new.txt"]
    assert reason in log.rejected[0].reason


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "Alist.txt is empty"),
        (b"64\tA0\t0\n7\tA1\t2\n", r"Alist.txt row 2: index is 2; it must be 1"),
        (b"64\tA0\t1\n7\tA1\t2\n", r"Alist.txt row 1: index is 1; it must be 0"),
        (b"64\tA0\t0\n7\tA0\t1\n", r"Alist.txt row 2 repeats the item 'A0'"),
        (b"64,A0,0\n", r"Alist.txt row 1: a line must be"),
        (b"64\t \t0\n", r"Alist.txt row 1: a line must be"),
        (b"64\tA0\tzero\n", r"Alist.txt row 1: index is 'zero'"),
        (b"64\t\xff\t0\n", r"Alist.txt row 1: not UTF-8"),
    ],
)
def test_a_faulty_item_list_is_an_error_whatever_is_allowed(
    folder: Path, text: bytes, message: str
) -> None:
    (folder / "Alist.txt").write_bytes(text)
    for half in ("A", "B"):
        with pytest.raises(ValueError, match=message):
            _reviews(folder, half, _log(half, max_rejected_rows=9))


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "testdata_new.txt").unlink()
    with pytest.raises(ValueError, match=r"testdata_new\.txt is missing: put"):
        _reviews(folder, "A")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.binary(max_size=60) | st.text("01234\t|\n-é", max_size=60).map(str.encode))
def test_no_bytes_of_a_sequence_file_stop_the_reader(folder: Path, data: bytes) -> None:
    (folder / "traindata_new.txt").write_bytes(b"\n" + data)  # none starts as gzip or zstd do
    rows = _reviews(folder, "A", _log("A", max_rejected_rows=100))
    assert {row["item_id"] for row in rows} <= {"A0", "A1", "A2"}
