import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.catalog import Domain
from pipeline.columns import RAW_ITEMS, REVIEWS
from pipeline.ingest.formats.rows import BATCH_ROWS, ReadLog
from pipeline.ingest.formats.user_sequences import places, read_items, read_reviews


def _log(max_rejected_rows: int = 0, items: str | None = "items.txt") -> ReadLog:
    return ReadLog(
        domain=Domain(
            name="toys",
            title="toys",
            format="user-sequences",
            reviews="raw/sequences.txt",
            items=items,
            max_rejected_rows=max_rejected_rows,
        )
    )


def _table(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    nullable = pa.schema([field.with_nullable(True) for field in schema])
    return pa.Table.from_batches(batches, schema=nullable)


def _reviews(folder: Path, data: bytes, log: ReadLog | None = None) -> list[tuple[str, str, int]]:
    path = folder / "sequences.txt"
    path.write_bytes(data)
    rows = _table(read_reviews({"reviews": path}, log or _log()), REVIEWS).to_pylist()
    assert all(row[name] is None for row in rows for name in REVIEWS.names[3:])
    return [(row["user_id"], row["item_id"], row["timestamp"]) for row in rows]


def _items(folder: Path, data: bytes, log: ReadLog) -> list[dict[str, Any]]:
    path = folder / "items.txt"
    path.write_bytes(data)
    return _table(read_items({"items": path}, log), RAW_ITEMS).to_pylist()


def test_items_have_a_place_only_where_the_catalog_names_them() -> None:
    reviews = {"reviews": ("raw/sequences.txt", "reviews")}
    assert places(_log().domain) == reviews | {"items": ("items.txt", "items")}
    assert places(_log(items=None).domain) == reviews


def test_a_line_gives_a_row_for_each_item_at_its_position(tmp_path: Path) -> None:
    log = _log()
    rows = _reviews(tmp_path, b"U1 I1 I2 I1\r\nU2 I3\n\nU3 I1", log)
    assert rows == [
        ("U1", "I1", 0),
        ("U1", "I2", 1),
        ("U1", "I1", 2),
        ("U2", "I3", 0),
        ("U3", "I1", 0),
    ]
    assert log.rows == 5


def test_blanks_and_tabs_in_any_number_part_fields_and_nothing_else_does(tmp_path: Path) -> None:
    rows = _reviews(tmp_path, " U,1\tI;1  \t I\u00a02\t\n".encode())
    assert rows == [("U,1", "I;1", 0), ("U,1", "I\u00a02", 1)]


def test_compressed_files_give_the_same_rows(tmp_path: Path) -> None:
    data = b"U1 I1 I2\nU2 I3\n"
    assert _reviews(tmp_path, gzip.compress(data)) == _reviews(tmp_path, data)


def test_an_empty_file_gives_nothing(tmp_path: Path) -> None:
    assert _reviews(tmp_path, b"") == []
    assert _items(tmp_path, b"", _log()) == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"U2", "'U2' is all of the line"),
        (b"U2 \t", "'U2' is all of the line"),
        (b"U2,I1,I2", "'U2,I1,I2' is all of the line"),
        (b"U1 I9", "repeats the user 'U1'"),
        (b"U2 I\xff1", "not UTF-8"),
    ],
)
def test_a_line_that_is_no_sequence_is_rejected_and_named(
    tmp_path: Path, line: bytes, reason: str
) -> None:
    data = b"U1 I1 I2\n" + line + b"\nU3 I1\n"
    with pytest.raises(ValueError, match=r"sequences\.txt row 2: "):
        _reviews(tmp_path, data)
    log = _log(max_rejected_rows=1)
    assert _reviews(tmp_path, data, log) == [("U1", "I1", 0), ("U1", "I2", 1), ("U3", "I1", 0)]
    assert [(entry.file, entry.row) for entry in log.rejected] == [("sequences.txt", 2)]
    assert reason in log.rejected[0].reason


def test_a_user_of_a_million_items_comes_in_batches_of_bounded_size(tmp_path: Path) -> None:
    count = 1_000_000
    path = tmp_path / "sequences.txt"
    path.write_text("U1 " + " ".join(map(str, range(count))) + "\nU2 7\n")
    log, rows, largest, last = _log(), 0, 0, None
    for batch in read_reviews({"reviews": path}, log):
        rows, largest = rows + batch.num_rows, max(largest, batch.num_rows)
        last = batch
    assert last is not None
    assert (rows, log.rows, largest) == (count + 1, count + 1, BATCH_ROWS)
    assert last.slice(last.num_rows - 2).to_pydict()["timestamp"] == [count - 1, 0]
    assert last.slice(last.num_rows - 2).to_pydict()["item_id"] == [str(count - 1), "7"]


def test_items_have_their_phrase_as_description_and_no_title(tmp_path: Path) -> None:
    log = _log()
    rows = _items(tmp_path, b"I1 blue  cup, 5 oz\nI2\tred cup \n I3 \n", log)
    nothing = dict.fromkeys(RAW_ITEMS.names)
    assert rows == [
        nothing | {"item_id": "I1", "description": "blue  cup, 5 oz"},
        nothing | {"item_id": "I2", "description": "red cup"},
        nothing | {"item_id": "I3"},
    ]
    assert log.rows == 3


def test_an_item_that_is_not_utf8_is_a_rejected_row(tmp_path: Path) -> None:
    log = _log(max_rejected_rows=1)
    assert [row["item_id"] for row in _items(tmp_path, b"I1 cup\nI2 \xe9\n", log)] == ["I1"]
    assert (log.rejected[0].file, log.rejected[0].row) == ("items.txt", 2)


def test_a_domain_without_a_file_of_items_has_none(tmp_path: Path) -> None:
    assert list(read_items({"reviews": tmp_path / "sequences.txt"}, _log(items=None))) == []


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"sequences\.txt is missing: put"):
        _table(read_reviews({"reviews": tmp_path / "sequences.txt"}, _log()), REVIEWS)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.binary(max_size=60) | st.text("ab \t\n\r\x0b\x1c\u00a0\u2028é").map(str.encode))
def test_no_bytes_stop_the_reader(tmp_path: Path, data: bytes) -> None:
    data = b"\n" + data  # so that none starts as gzip or zstd do
    rows = _reviews(tmp_path, data, _log(max_rejected_rows=100))
    assert all(user and item for user, item, _ in rows)
    assert all(row["item_id"] for row in _items(tmp_path, data, _log(max_rejected_rows=100)))


def test_the_published_categories_have_their_counts(real: Callable[[str], Path]) -> None:
    folder = real("idgenrec-beauty-sports-toys")
    expected = {
        "Beauty": (22_363, 12_101, 198_502, 1),
        "Sports": (35_598, 18_357, 296_337, 0),
        "Toys": (19_412, 11_924, 167_597, 0),
    }
    users: dict[str, set[str]] = {}
    for name, (num_users, num_items, num_rows, without_phrase) in expected.items():
        paths = {
            "reviews": folder / name / "user_sequence.txt.gz",
            "items": folder / name / "item_generative_indexing_phase_0.txt.gz",
        }
        log = _log()
        table = _table(read_reviews(paths, log), REVIEWS)
        items = _table(read_items(paths, _log()), RAW_ITEMS)
        users[name] = set(table["user_id"].to_pylist())
        assert (len(users[name]), table.num_rows, log.rows) == (num_users, num_rows, num_rows)
        assert pc.count_distinct(table["item_id"]).as_py() == num_items
        assert set(items["item_id"].to_pylist()) == set(table["item_id"].to_pylist())
        assert (items.num_rows, items["description"].null_count) == (num_items, without_phrase)
        assert items["title"].null_count == num_items
    assert len(users["Beauty"] & users["Sports"]) == 1625
    assert len(users["Beauty"] & users["Toys"]) == 2073
    assert len(users["Sports"] & users["Toys"]) == 1734
