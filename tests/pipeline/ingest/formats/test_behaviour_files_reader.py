"""Handmade folders of text and Parquet files, and two released sets of Tmall."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.catalog import BehaviourFile, Domain
from pipeline.columns import REVIEWS
from pipeline.ingest.formats import behaviour_files
from pipeline.ingest.formats.rows import ReadLog

Part = Literal["train", "valid", "test"]
_BUYS: tuple[str, str, Part] = ("buy", "buy", "train")


def _domain(*files: tuple[str, str, Part], rejected: int = 0) -> Domain:
    return Domain(
        name="tmall",
        title="tmall",
        format="behaviour-files",
        folder="tmall",
        behaviour_files=tuple(
            BehaviourFile(behaviour=behaviour, file=file, part=part)
            for behaviour, file, part in files
        ),
        max_rejected_rows=rejected,
    )


def _read(data: Path, log: ReadLog) -> pl.DataFrame:
    places = behaviour_files.places(log.domain)
    paths = {role: data / path for role, (path, _) in places.items()}
    batches = list(behaviour_files.read_reviews(paths, log))
    assert all(batch.schema.types == REVIEWS.types for batch in batches)
    assert sum(batch.num_rows for batch in batches) == log.rows
    schema = pa.schema(list(zip(REVIEWS.names, REVIEWS.types, strict=True)))
    return pl.DataFrame(pa.Table.from_batches(batches, schema))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tmall").mkdir()
    return tmp_path / "tmall"


def _pairs(frame: pl.DataFrame) -> list[tuple[str, str, int]]:
    return frame.select("user_id", "item_id", "timestamp").rows()


def test_each_file_gives_its_behaviour_and_part(folder: Path) -> None:
    (folder / "buy.txt").write_text("1 10 11\n")
    (folder / "test").write_bytes(gzip.compress(b"1\t12\n"))
    (folder / "view.zst").write_bytes(pa.compress(b"2 10\n", codec="zstd", asbytes=True))
    files: list[tuple[str, str, Part]] = [
        ("buy", "buy.txt", "train"),
        ("buy", "test", "test"),
        ("view", "view.zst", "train"),
    ]
    frame = _read(folder.parent, ReadLog(domain=_domain(*files)))
    rows = frame.select("user_id", "item_id", "behaviour", "part").rows()
    assert rows == [
        ("1", "10", "buy", "train"),
        ("1", "11", "buy", "train"),
        ("1", "12", "buy", "test"),
        ("2", "10", "view", "train"),
    ]
    assert frame.select("rating", "text", "verified").null_count().row(0) == (4, 4, 4)


def test_lists_and_pairs_of_the_same_sequences_read_the_same(folder: Path) -> None:
    expected = [("a", "x", 0), ("a", "y", 1), ("a", "x", 2), ("b", "y", 0)]
    for text in ("a x\ty   x \r\n\n b y", "a x\na y\na\tx\nb y\n", "\ufeffa x y\na x\nb y\n"):
        (folder / "buy").write_text(text)
        assert _pairs(_read(folder.parent, ReadLog(domain=_domain(_BUYS)))) == expected


def test_positions_run_on_through_chunks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(behaviour_files, "_PAIRS_AT_ONCE", 2)
    text = "a 1\nb 2\na 3\nc 4 5 6\nb 7\na 8\n"
    (folder / "buy").write_text(text)
    pairs = _pairs(_read(folder.parent, ReadLog(domain=_domain(_BUYS))))
    assert [pair for pair in pairs if pair[0] == "a"] == [
        ("a", "1", 0),
        ("a", "3", 1),
        ("a", "8", 2),
    ]
    assert [pair[2] for pair in pairs] == [0, 0, 1, 0, 1, 2, 1, 2]
    pq.write_table(
        pa.table({"user": [p[0] for p in pairs], "item": [p[1] for p in pairs]}), folder / "buy"
    )
    assert _pairs(_read(folder.parent, ReadLog(domain=_domain(_BUYS)))) == pairs


@pytest.mark.parametrize(
    ("user", "item"),
    [
        (pa.array([1, 1], pa.int32()), pa.array([2**63, 5], pa.uint64())),
        (pa.array(["1", "1"]), pa.array(["9223372036854775808", "5"], pa.large_string())),
        (pa.array(["1", "1"]).dictionary_encode(), pa.array(["9223372036854775808", "5"])),
    ],
)
def test_parquet_ids_of_numbers_or_texts_become_texts(
    folder: Path, user: pa.Array, item: pa.Array
) -> None:
    pq.write_table(pa.table({"item": item, "note": ["", ""], "user": user}), folder / "buy")
    pairs = _pairs(_read(folder.parent, ReadLog(domain=_domain(_BUYS))))
    assert pairs == [("1", "9223372036854775808", 0), ("1", "5", 1)]


def test_a_parquet_row_without_a_value_is_rejected_with_its_number(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(behaviour_files, "_PAIRS_AT_ONCE", 2)
    table = pa.table({"user": ["a", "b", None, "d"], "item": [1, 2, 3, None]})
    pq.write_table(table, folder / "buy")
    log = ReadLog(domain=_domain(_BUYS, rejected=2))
    assert _read(folder.parent, log)["user_id"].to_list() == ["a", "b"]
    assert [(entry.row, entry.reason) for entry in log.rejected] == [
        (3, "column 'user' holds no value"),
        (4, "column 'item' holds no value"),
    ]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"user": [1], "product": [2]}, "needs one column 'item'; it has user, product"),
        ({"user": [1], "item": [2.5]}, "column 'item' is of type double"),
        ({"user": [b"1"], "item": [2]}, "column 'user' is of type binary"),
        ({"user": pa.array([b"\xff\xfe"]).view(pa.string()), "item": [1]}, "UTF8"),
    ],
)
def test_a_parquet_file_of_other_columns_is_named(
    folder: Path, table: dict[str, list[object]], message: str
) -> None:
    pq.write_table(pa.table(table), folder / "buy")
    with pytest.raises(ValueError, match=message) as error:
        _read(folder.parent, ReadLog(domain=_domain(_BUYS)))
    assert "tmall/buy" in str(error.value)


def test_a_damaged_parquet_file_is_named(folder: Path) -> None:
    pq.write_table(pa.table({"user": range(9), "item": range(9)}), folder / "buy")
    (folder / "buy").write_bytes((folder / "buy").read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"tmall/buy cannot be read as Parquet"):
        _read(folder.parent, ReadLog(domain=_domain(_BUYS)))


def test_a_user_without_items_and_bytes_that_are_no_text_are_rejected(folder: Path) -> None:
    (folder / "buy").write_bytes(b"1 2\n\n3 \n\xff 4\n5 6\n")
    log = ReadLog(domain=_domain(_BUYS, rejected=2))
    assert _pairs(_read(folder.parent, log)) == [("1", "2", 0), ("5", "6", 0)]
    assert [(entry.file, entry.row) for entry in log.rejected] == [("buy", 3), ("buy", 4)]
    assert "user '3' without items" in log.rejected[0].reason
    with pytest.raises(ValueError, match=r"tmall/buy row 3: .*max_rejected_rows allows 0"):
        _read(folder.parent, ReadLog(domain=_domain(_BUYS)))


def test_an_empty_file_has_no_pairs_and_a_missing_one_is_named(folder: Path) -> None:
    (folder / "buy").write_bytes(b"")
    assert _read(folder.parent, ReadLog(domain=_domain(_BUYS))).height == 0
    (folder / "buy").unlink()
    with pytest.raises(ValueError, match="tmall/buy is missing"):
        _read(folder.parent, ReadLog(domain=_domain(_BUYS)))


def test_places_have_a_role_for_each_behaviour_and_part() -> None:
    domain = _domain(("buy", "b", "train"), ("buy", "sub/c", "train"), ("cart", "d", "valid"))
    assert behaviour_files.places(domain) == {
        "buy-train": ("tmall/b", "behaviour_files"),
        "buy-train-2": ("tmall/sub/c", "behaviour_files"),
        "cart-valid": ("tmall/d", "behaviour_files"),
    }


@pytest.mark.parametrize(
    "name", ["../b", "a/../../b", "/etc/b", "C:\\b", "..\\b", "a\\..\\b", "", "."]
)
def test_a_file_outside_the_folder_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="inside the folder 'tmall'"):
        behaviour_files.places(_domain(("buy", name, "train")))


def test_a_file_named_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="'b' more than once"):
        behaviour_files.places(_domain(("buy", "b", "train"), ("cart", "./b", "train")))


def test_there_are_no_items(folder: Path) -> None:
    assert list(behaviour_files.read_items({}, ReadLog(domain=_domain(_BUYS)))) == []


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.binary(max_size=100).map(lambda junk: b"u i\n" + junk))
def test_no_bytes_break_the_reader(data: bytes, folder: Path) -> None:
    (folder / "buy").write_bytes(data)
    log = ReadLog(domain=_domain(_BUYS, rejected=1000))
    frame = _read(folder.parent, log)
    assert frame.row(0, named=True)["item_id"] == "i"
    assert (
        frame.group_by("user_id")
        .agg((pl.col("timestamp").sort() == pl.int_range(pl.len())).all())["timestamp"]
        .all()
    )


def _counts(frame: pl.DataFrame) -> dict[tuple[str, str], tuple[int, int, int]]:
    counted = frame.group_by("behaviour", "part").agg(
        pl.len(), pl.col("user_id").n_unique(), pl.col("item_id").n_unique()
    )
    return {(row[0], row[1]): (row[2], row[3], row[4]) for row in counted.rows()}


def _domain_of(folder: Path, files: list[tuple[str, str, Part]]) -> pl.DataFrame:
    log = ReadLog(domain=_domain(*files))
    paths = {
        role: folder / Path(path).name
        for role, (path, _) in behaviour_files.places(log.domain).items()
    }
    return pl.DataFrame(pa.Table.from_batches(behaviour_files.read_reviews(paths, log)))


def test_the_pairs_of_mbgcn_are_all_read(real: Callable[[str], Path]) -> None:
    files: list[tuple[str, str, Part]] = [
        ("buy", "buy.txt.gz", "train"),
        ("buy", "validation.txt.gz", "valid"),
        ("buy", "test.txt.gz", "test"),
        ("cart", "cart.txt.gz", "train"),
        ("collect", "collect.txt.gz", "train"),
    ]
    assert _counts(_domain_of(real("tmall-buy-collect-mbgcn"), files)) == {
        ("buy", "train"): (181_428, 40_159, 11_953),
        ("buy", "valid"): (31_572, 29_310, 10_171),
        ("buy", "test"): (74_158, 41_314, 11_760),
        ("cart", "train"): (1_996, 1_199, 1_587),
        ("collect", "train"): (221_514, 26_023, 11_765),
    }


def test_the_pairs_of_mbcgcn_are_all_read(real: Callable[[str], Path]) -> None:
    files: list[tuple[str, str, Part]] = [
        ("view", "view_train.parquet", "train"),
        ("cart", "cart_train.txt.gz", "train"),
        ("buy", "buy_train.txt.gz", "train"),
        ("view", "view_test.txt.gz", "test"),
        ("cart", "cart_test.txt.gz", "test"),
        ("buy", "buy_test.txt.gz", "test"),
    ]
    frame = _domain_of(real("tmall-view-cart-buy"), files)
    assert {key: count[:2] for key, count in _counts(frame).items()} == {
        ("view", "train"): (858_505, 15_449),
        ("cart", "train"): (180_027, 15_449),
        ("buy", "train"): (92_180, 15_449),
        ("view", "test"): (15_449, 15_449),
        ("cart", "test"): (15_449, 15_449),
        ("buy", "test"): (15_449, 15_449),
    }
    assert frame["item_id"].n_unique() == 11_953
    first = frame.filter(behaviour="buy", part="train", user_id="1").sort("timestamp")
    assert first["item_id"].to_list() == ["15", "14", "13", "18", "16"]
