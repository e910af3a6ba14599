import gzip
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.catalog import Catalog, Domain
from pipeline.columns import RAW_ITEMS, REVIEWS
from pipeline.ingest.formats.llmcdsr import places, read_items, read_reviews
from pipeline.ingest.formats.rows import ReadLog

Build = Callable[..., Catalog]
HALVES: tuple[Literal["A", "B"], ...] = ("A", "B")


def _log(catalog: Catalog, name: str, max_rejected_rows: int = 0) -> ReadLog:
    old = catalog.domains[name]
    return ReadLog(
        domain=Domain(
            name=old.name,
            title=old.title,
            format="llmcdsr",
            folder=old.folder,
            half=old.half,
            max_rejected_rows=max_rejected_rows,
        )
    )


def _paths(catalog: Catalog, log: ReadLog) -> dict[str, Path]:
    return {role: catalog.folder / place for role, (place, _) in places(log.domain).items()}


def _table(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    nullable = pa.schema([field.with_nullable(True) for field in schema])
    return pa.Table.from_batches(batches, schema=nullable)


def _reviews(catalog: Catalog, name: str, log: ReadLog | None = None) -> list[dict[str, Any]]:
    log = log or _log(catalog, name)
    return _table(read_reviews(_paths(catalog, log), log), REVIEWS).to_pylist()


def _short(rows: list[dict[str, Any]]) -> list[tuple[str, str, int, str]]:
    return [(row["user_id"], row["item_id"], row["timestamp"], row["part"]) for row in rows]


def test_a_half_is_read_from_its_own_and_the_shared_files_of_the_folder() -> None:
    domain = Domain(name="b", title="b", format="llmcdsr", folder="raw/food-kitchen", half="B")
    assert places(domain) == {
        "items": ("raw/food-kitchen/items_B.parquet", "folder"),
        "num": ("raw/food-kitchen/num.txt", "folder"),
        "instance_num": ("raw/food-kitchen/instance_num.txt", "folder"),
        "train_B": ("raw/food-kitchen/train_B.txt", "folder"),
        "train_overlap": ("raw/food-kitchen/train_overlap.txt", "folder"),
        "valid": ("raw/food-kitchen/valid.txt", "folder"),
        "test": ("raw/food-kitchen/test.txt", "folder"),
    }


def test_each_half_gives_the_rows_of_its_items_at_their_positions(sequences: Build) -> None:
    catalog = sequences()
    assert _short(_reviews(catalog, "a")) == [
        ("train_A:1", "A0", 0, "single"),
        ("train_A:1", "A1", 1, "single"),
        ("train_A:2", "A2", 0, "single"),
        ("train_A:2", "A0", 1, "single"),
        ("train_overlap:1", "A0", 1, "overlap"),
        ("train_overlap:1", "A1", 3, "overlap"),
        ("valid:1", "A1", 0, "valid"),
        ("test:1", "A2", 1, "test"),
    ]
    assert _short(_reviews(catalog, "b")) == [
        ("train_B:1", "B1", 0, "single"),
        ("train_B:1", "B0", 1, "single"),
        ("train_overlap:1", "B0", 0, "overlap"),
        ("train_overlap:1", "B1", 2, "overlap"),
        ("valid:1", "B0", 1, "valid"),
        ("test:1", "B1", 0, "test"),
    ]


def test_what_the_release_has_not_is_null(sequences: Build) -> None:
    for row in _reviews(sequences(), "a"):
        assert {row[name] for name in ("rating", "text", "behaviour", "verified")} == {None}


def test_items_have_titles_and_nothing_else(sequences: Build) -> None:
    catalog = sequences()
    log = _log(catalog, "b")
    table = _table(read_items(_paths(catalog, log), log), RAW_ITEMS)
    nothing = dict.fromkeys(RAW_ITEMS.names)
    assert table.to_pylist() == [
        nothing | {"item_id": id, "title": f"Title {id}"} for id in ("B0", "B1")
    ]
    assert log.rows == 2


def test_compressed_text_files_give_the_same_rows(sequences: Build, tmp_path: Path) -> None:
    catalog = sequences()
    plain = _reviews(catalog, "a")
    for path in tmp_path.glob("*.txt"):
        path.write_bytes(gzip.compress(path.read_bytes()))
    assert _reviews(catalog, "a") == plain


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"valid": "1\t1,3\n2\t99999,3\n"},
            "valid.txt row 2: names item 99999; the catalogue has 5",
        ),
        ({"test": "1\t-1,3\n"}, "test.txt row 1: item is '-1'; it must be a whole number"),
        ({"train_A": "1\t0,3\n2\t1\n"}, "train_A.txt row 1: names item 3 of the other domain"),
        ({"valid": "1 0,1\n"}, "valid.txt row 1: has no line id and tab"),
        ({"valid": "1\t\n"}, "valid.txt row 1: has no line id and tab"),
        ({"valid": "1\t0,x\n"}, "valid.txt row 1: item is 'x'"),
        ({"valid": "1\t0;3\n"}, "valid.txt row 1: item is '0;3'"),
        ({"valid": "1\t0,,3\n"}, "valid.txt row 1: item is ''"),
        ({"valid": "1\t1_0\n"}, "valid.txt row 1: item is '1_0'"),
        ({"valid": "1\t\u0661\n"}, "valid.txt row 1: item is '\u0661'"),
        ({"valid": "1\t" + "9" * 5000 + "\n"}, "valid.txt row 1: item is '999"),
        ({"valid": "1\t0,3\n1\t1,4\n"}, "valid.txt row 2: repeats the line id '1'"),
    ],
)
def test_a_line_that_is_no_sequence_is_named(
    sequences: Build, changes: dict[str, str], message: str
) -> None:
    catalog = sequences(**changes)
    with pytest.raises(ValueError, match=message):
        _reviews(catalog, "a")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"instance_num": "3\n1\n1\n"}, "train_A.txt has 2 sequences; .* line 1 says 3"),
        ({"instance_num": "2\n1\n7\n"}, "train_overlap.txt has 1 sequences; .* line 3 says 7"),
        ({"instance_num": "2\n1\n"}, "instance_num.txt has 2 lines with numbers; it must hold 3"),
        ({"train_A": ""}, "train_A.txt has 0 sequences; .* line 1 says 2"),
        ({"num": "4\n2\n"}, "items_A.parquet has 3 items; .*num.txt line 1 says 4"),
        ({"num": "three\n2\n"}, "num.txt: line 1 is 'three'"),
        ({"num": ""}, "num.txt has 0 lines with numbers; it must hold 2"),
    ],
)
def test_counts_that_differ_are_named(
    sequences: Build, changes: dict[str, str], message: str
) -> None:
    catalog = sequences(**changes)
    with pytest.raises(ValueError, match=message):
        _reviews(catalog, "a", _log(catalog, "a", max_rejected_rows=9))


def test_allowed_rejected_lines_are_left_out_and_counts_of_their_file_not_compared(
    sequences: Build, tmp_path: Path
) -> None:
    catalog = sequences()
    (tmp_path / "train_A.txt").write_bytes(b"1\t0,1\n2\t\xff\n")
    log = _log(catalog, "a", max_rejected_rows=1)
    rows = _short(_reviews(catalog, "a", log))
    assert [row for row in rows if row[3] == "single"] == [
        ("train_A:1", "A0", 0, "single"),
        ("train_A:1", "A1", 1, "single"),
    ]
    assert [(entry.file, entry.row) for entry in log.rejected] == [("train_A.txt", 2)]
    assert "not UTF-8" in log.rejected[0].reason
    assert log.rows == len(rows)


def test_the_other_halfs_counts_are_checked_by_the_other_half(sequences: Build) -> None:
    catalog = sequences(instance_num="2\n5\n1\n")
    assert _reviews(catalog, "a")
    with pytest.raises(ValueError, match=r"train_B\.txt has 1 sequences; .* line 2 says 5"):
        _reviews(catalog, "b")


@pytest.mark.parametrize(
    ("index", "asin", "message"),
    [
        ([0, 1, 1], ["A0", "A1", "A2"], "column 'index' must hold 0 to 2"),
        ([0, 1, None], ["A0", "A1", "A2"], "column 'index' must hold 0 to 2"),
        ([0, 1, 1], ["A0", None, "A2"], "column 'index' must hold 0 to 2"),
        (["x", "y", "z"], ["A0", "A1", "A2"], "no readable Parquet file of index, asin, title"),
        ([0, 1, 2], [["A0"], [], []], "no readable Parquet file of index, asin, title"),
        ([0, 1, 2], ["A0", "A1", "A1"], "column 'asin' must hold 3 different ids"),
        ([0, 1, 2], ["A0", "A1", "A1 "], "column 'asin' must hold 3 different ids"),
        ([0, 1, 2], ["A0", None, "A2"], "column 'asin' must hold 3 different ids"),
    ],
)
def test_a_faulty_item_table_is_named(
    sequences: Build, tmp_path: Path, index: list[Any], asin: list[Any], message: str
) -> None:
    catalog = sequences()
    table = pa.table({"index": index, "asin": asin, "title": ["x", "y", "z"]})
    pq.write_table(table, tmp_path / "items_A.parquet")
    with pytest.raises(ValueError, match=message):
        _reviews(catalog, "a")


def test_an_item_table_without_titles_is_named(sequences: Build, tmp_path: Path) -> None:
    catalog = sequences()
    pq.write_table(pa.table({"index": [0], "asin": ["A0"]}), tmp_path / "items_A.parquet")
    with pytest.raises(ValueError, match=r"items_A\.parquet is no readable Parquet file"):
        _reviews(catalog, "a")


def test_an_item_table_that_is_no_parquet_is_named(sequences: Build, tmp_path: Path) -> None:
    catalog = sequences()
    (tmp_path / "items_A.parquet").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"items_A\.parquet is no readable Parquet file"):
        _reviews(catalog, "a")


def test_a_missing_file_is_named(sequences: Build, tmp_path: Path) -> None:
    catalog = sequences()
    (tmp_path / "train_overlap.txt").unlink()
    with pytest.raises(ValueError, match=r"train_overlap\.txt is missing: put"):
        _reviews(catalog, "a")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.binary(max_size=60) | st.text("01234\t,\n-é", max_size=60).map(str.encode))
def test_no_bytes_of_a_sequence_file_stop_the_reader(sequences: Build, data: bytes) -> None:
    catalog = sequences()
    (catalog.folder / "valid.txt").write_bytes(b"\n" + data)  # none starts as gzip or zstd do
    rows = _reviews(catalog, "a", _log(catalog, "a", max_rejected_rows=100))
    assert {row["item_id"] for row in rows} <= {"A0", "A1", "A2"}


def _real(folder: Path, half: Literal["A", "B"]) -> tuple[dict[str, Path], ReadLog]:
    domain = Domain(name=half, title=half, format="llmcdsr", folder=folder.name, half=half)
    return {role: folder.parent / place for role, (place, _) in places(domain).items()}, ReadLog(
        domain=domain
    )


def test_food_kitchen_has_its_published_counts(real: Callable[[str], Path]) -> None:
    folder = real("food-kitchen")
    rows = Counter[str]()
    users: dict[str, set[str]] = {}
    for half in HALVES:
        paths, log = _real(folder, half)
        table = _table(read_reviews(paths, log), REVIEWS)
        assert log.rows == table.num_rows
        files = [user.split(":")[0] for user in table["user_id"].to_pylist()]
        rows.update(files)
        rows.update(f"{file} {half}" for file in files)
        for user in table["user_id"].unique().to_pylist():
            users.setdefault(user.split(":")[0], set()).add(user)
    lines = Counter({file: len(ids) for file, ids in users.items()})
    assert lines == {
        "train_A": 5472,
        "train_B": 38191,
        "train_overlap": 7501,
        "valid": 960,
        "test": 937,
    }
    assert (rows["train_A"], rows["train_B"]) == (37281, 265817)
    assert (rows["train_overlap A"], rows["train_overlap B"]) == (45849, 53321)
    assert (rows["train_overlap"], rows["valid"], rows["test"]) == (99170, 18133, 15726)


def test_food_kitchen_has_its_published_items(real: Callable[[str], Path]) -> None:
    folder = real("food-kitchen")
    for half, count in zip(HALVES, (8661, 27637), strict=True):
        paths, log = _real(folder, half)
        table = _table(read_items(paths, log), RAW_ITEMS)
        assert (table.num_rows, table["title"].null_count) == (count, 0)
