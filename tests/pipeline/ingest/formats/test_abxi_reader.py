import gzip
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.catalog import Domain
from pipeline.columns import RAW_ITEMS, REVIEWS
from pipeline.ingest.formats.abxi import places, read_items, read_reviews
from pipeline.ingest.formats.rows import ReadLog

Half = Literal["A", "B"]
HALVES: tuple[Half, ...] = ("A", "B")
ITEMS = {"A-one": [1, 0], "A-two": [2, 0], "B-one": [3, 1]}
USERS = {"U-zero": 0, "U-one": 1}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tiny_50_preprocessed.txt").write_text("0 1|100 3|100 2|200\n1 3|50\n")
    (tmp_path / "map_item_50.txt").write_text(json.dumps(ITEMS))
    (tmp_path / "map_user_50.txt").write_text(json.dumps(USERS))
    return tmp_path


def _log(half: Half, max_rejected_rows: int = 0, folder: str = "raw/tiny") -> ReadLog:
    return ReadLog(
        domain=Domain(
            name=half.lower(),
            title="things",
            format="abxi",
            folder=folder,
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


def _short(rows: list[dict[str, Any]]) -> list[tuple[str, str, int]]:
    return [(row["user_id"], row["item_id"], row["timestamp"]) for row in rows]


def test_the_folders_name_begins_the_name_of_the_sequence_file() -> None:
    expected = {
        "sequences": ("raw/sets/afk/afk_50_preprocessed.txt", "folder"),
        "users": ("raw/sets/afk/map_user_50.txt", "folder"),
        "items": ("raw/sets/afk/map_item_50.txt", "folder"),
    }
    assert places(_log("A", folder="raw/sets/afk").domain) == expected
    assert places(_log("B", folder="raw/sets/afk/").domain) == expected


@pytest.mark.parametrize("folder", [".", "/", "raw/.."])
def test_a_folder_without_a_name_is_an_error(folder: str) -> None:
    with pytest.raises(ValueError, match=r"domain\.a\.folder = .*must end with the set's name"):
        places(_log("A", folder=folder).domain)


def test_each_half_gives_the_rows_of_its_domain_with_raw_ids_and_times(folder: Path) -> None:
    assert _short(_reviews(folder, "A")) == [("U-zero", "A-one", 100), ("U-zero", "A-two", 200)]
    assert _short(_reviews(folder, "B")) == [("U-zero", "B-one", 100), ("U-one", "B-one", 50)]


def test_what_the_layout_has_not_is_null(folder: Path) -> None:
    for row in _reviews(folder, "A"):
        assert {row[name] for name in REVIEWS.names[3:]} == {None}


def test_items_are_ids_alone(folder: Path) -> None:
    log = _log("A")
    table = _table(read_items(_paths(folder), log), RAW_ITEMS)
    nothing = dict.fromkeys(RAW_ITEMS.names)
    assert table.to_pylist() == [nothing | {"item_id": "A-one"}, nothing | {"item_id": "A-two"}]
    assert log.rows == 2


def test_compressed_files_give_the_same_rows(folder: Path) -> None:
    plain = _reviews(folder, "B")
    for path in folder.glob("*.txt"):
        path.write_bytes(gzip.compress(path.read_bytes()))
    assert _reviews(folder, "B") == plain


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"1", "has 1 fields parted by blanks"),
        ("\u00a0".encode(), "has 0 fields parted by blanks"),
        (b"1,3|50,1|60", "has 1 fields parted by blanks"),
        (b"1 3,50", "event '3,50' is not '<item>|<time>'"),
        (b"one 3|50", "user is 'one'"),
        (b"2 3|50", "names user 2; the map has users 0 to 1"),
        (b"-1 3|50", "user is '-1'"),
        (b"0 3|50", "repeats user 0"),
        (b"1 0|50", "names item 0; the map has items 1 to 3"),
        (b"1 4|50", "names item 4; the map has items 1 to 3"),
        (b"1 3|50.5", "time is '50.5'"),
        (b"1 3|50|60", "time is '50|60'"),
        (b"1 3|" + b"9" * 19, "time is '999"),
        (b"1 " + b"9" * 5000 + b"|50", "item is '999"),
        (b"1 3|50 \xff", "not UTF-8"),
    ],
)
def test_a_line_that_is_no_sequence_is_rejected_and_named(
    folder: Path, line: bytes, reason: str
) -> None:
    path = folder / "tiny_50_preprocessed.txt"
    path.write_bytes(b"0 1|100 3|100\n" + line + b"\n")
    with pytest.raises(ValueError, match=r"tiny_50_preprocessed\.txt row 2: "):
        _reviews(folder, "B")
    log = _log("B", max_rejected_rows=1)
    assert _short(_reviews(folder, "B", log)) == [("U-zero", "B-one", 100)]
    assert [(entry.file, entry.row) for entry in log.rejected] == [(path.name, 2)]
    assert reason in log.rejected[0].reason


@pytest.mark.parametrize("text", ["", "0 1|100 3|100 2|200\n"])
def test_a_sequence_file_that_lacks_users_of_the_map_is_an_error(folder: Path, text: str) -> None:
    (folder / "tiny_50_preprocessed.txt").write_text(text)
    with pytest.raises(ValueError, match=r"has lines of [01] users; .*map_user_50\.txt has 2"):
        _reviews(folder, "A", _log("A", max_rejected_rows=9))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no JSON object of ids: Expecting value"),
        (json.dumps(ITEMS)[:-9], "is no JSON object of ids: Expecting"),
        ("[" * 200_000, "is no JSON object of ids: maximum recursion depth"),
        ('{"A": ' + "[" * 500 + "]" * 500 + "}", "maps 'A' to what is no"),
        ('{"A": [1' + "0" * 5000 + ", 0]}", "is no JSON object of ids: Exceeds the limit"),
        ('{"A": [1' + "0" * 30 + ", 0]}", "maps 'A' to index 1000.* where 1 is due"),
        ("[]", "holds a list of JSON"),
        ("7", "holds a int of JSON"),
        ("{}", "not empty"),
        ('{"A": [1, 0], "A": [2, 0]}', "1 of its 2 keys are repeats"),
        ('{"\\ud800": [1, 0]}', "is no JSON object of ids: .*surrogates not allowed"),
        ('{"A": 1}', "maps 'A' to what is no .index, domain."),
        ('{"A": {"1": 0}}', "maps 'A' to what is no .index, domain."),
        ('{"A": [1]}', "maps 'A' to what is no .index, domain."),
        ('{"A": [1, "0"]}', "maps 'A' to what is no .index, domain."),
        ('{"A": [1.0, 0]}', "maps 'A' to what is no .index, domain."),
        ('{"A": [1, true]}', "maps 'A' to what is no .index, domain."),
        ('{"A": [1, 2]}', "maps 'A' to domain 2; there are 0 and 1"),
        ('{"A": [0, 0]}', "maps 'A' to index 0 where 1 is due"),
        ('{"A": [1, 0], "B": [1, 1]}', "maps 'B' to index 1 where 2 is due"),
        ('{"A": [1, 0], "B": [3, 1]}', "maps 'B' to index 3 where 2 is due"),
    ],
)
def test_a_faulty_item_map_is_an_error_whatever_is_allowed(
    folder: Path, text: str, message: str
) -> None:
    (folder / "map_item_50.txt").write_text(text)
    for read, schema in ((read_reviews, REVIEWS), (read_items, RAW_ITEMS)):
        with pytest.raises(ValueError, match=f"map_item_50.txt .*{message}"):
            _table(read(_paths(folder), _log("A", max_rejected_rows=9)), schema)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"U": "0"}', "maps 'U' to what is no whole number"),
        ('{"U": false}', "maps 'U' to what is no whole number"),
        ('{"U": 1}', "maps 'U' to index 1 where 0 is due"),
        ('{"U": 0, "V": 0}', "maps 'V' to index 0 where 1 is due"),
        ('{"U": 0, "V": -1}', "maps 'V' to index -1 where 0 is due"),
        ('["U"]', "holds a list of JSON"),
    ],
)
def test_a_faulty_user_map_is_an_error_whatever_is_allowed(
    folder: Path, text: str, message: str
) -> None:
    (folder / "map_user_50.txt").write_text(text)
    with pytest.raises(ValueError, match=f"map_user_50.txt .*{message}"):
        _reviews(folder, "A", _log("A", max_rejected_rows=9))


def test_a_map_of_bytes_that_are_no_text_is_named(folder: Path) -> None:
    (folder / "map_user_50.txt").write_bytes(b'{"\xff": 0}')
    with pytest.raises(ValueError, match=r"map_user_50\.txt is no JSON object of ids"):
        _reviews(folder, "A")


def test_a_missing_map_is_named(folder: Path) -> None:
    (folder / "map_item_50.txt").unlink()
    with pytest.raises(ValueError, match=r"map_item_50\.txt is missing: put"):
        _reviews(folder, "A")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.binary(max_size=60) | st.text("0123 |\n-é", max_size=60).map(str.encode))
def test_no_bytes_after_a_rejected_line_stop_the_reader(folder: Path, data: bytes) -> None:
    (folder / "tiny_50_preprocessed.txt").write_bytes(b"rejected\n" + data)
    rows = _reviews(folder, "A", _log("A", max_rejected_rows=100))
    assert {row["item_id"] for row in rows} <= {"A-one", "A-two"}


def _real(folder: Path, half: Half) -> tuple[dict[str, Path], ReadLog]:
    log = _log(half, folder="abxi-food-kitchen/afk")
    roles = places(log.domain).items()
    return {role: folder.parent / place for role, (place, _) in roles}, log


def test_food_kitchen_has_its_published_counts(real: Callable[[str], Path]) -> None:
    folder = real("abxi-food-kitchen")
    frames = []
    for half in HALVES:
        paths, log = _real(folder, half)
        frames.append(pl.DataFrame(pl.from_arrow(_table(read_reviews(paths, log), REVIEWS))))
        assert log.rows == frames[-1].height and not log.rejected
    assert [frame.height for frame in frames] == [83_663, 89_885]
    assert [frame["user_id"].n_unique() for frame in frames] == [7144, 7144]
    assert [frame["item_id"].n_unique() for frame in frames] == [11_837, 16_258]
    both = pl.concat(frames)
    assert both["user_id"].n_unique() == 7144
    assert both.group_by("user_id").len()["len"].median() == 20
    first, last = both["timestamp"].to_numpy().min(), both["timestamp"].to_numpy().max()
    days = [datetime.fromtimestamp(time, UTC).date().isoformat() for time in (first, last)]
    assert days == ["2000-05-02", "2014-07-23"]


def test_food_kitchen_has_its_published_items(real: Callable[[str], Path]) -> None:
    folder = real("abxi-food-kitchen")
    for half, count in zip(HALVES, (11_837, 16_258), strict=True):
        paths, log = _real(folder, half)
        table = _table(read_items(paths, log), RAW_ITEMS)
        assert (table.num_rows, table["title"].null_count) == (count, count)
