from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.catalog import Catalog, Domain
from pipeline.columns import ITEMS, REVIEWS
from pipeline.ingest.readers import read_items, read_reviews

Build = Callable[..., Catalog]


def _reviews(catalog: Catalog, name: str) -> list[dict[str, Any]]:
    batches = read_reviews(catalog, catalog.domains[name])
    return pa.Table.from_batches(batches, schema=REVIEWS).to_pylist()


def _short(rows: list[dict[str, Any]]) -> list[tuple[str, str, int, str]]:
    return [(row["user_id"], row["item_id"], row["timestamp"], row["part"]) for row in rows]


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


def test_ratings_and_texts_are_null(sequences: Build) -> None:
    assert {(row["rating"], row["text"]) for row in _reviews(sequences(), "a")} == {(None, None)}


def test_items_have_titles_and_nothing_else(sequences: Build) -> None:
    catalog = sequences()
    table = pa.Table.from_batches(read_items(catalog, catalog.domains["b"]), schema=ITEMS)
    assert table.to_pylist() == [
        {"item_id": id, "title": f"Title {id}", "category": None, "brand": None, "image_urls": []}
        for id in ("B0", "B1")
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"valid": "1\t1,3\n2\t99999,3\n"},
            "valid.txt line 2 names item 99999; the catalogue has 5",
        ),
        ({"test": "1\t-1,3\n"}, "test.txt line 1 names item -1; the catalogue has 5 items"),
        ({"train_A": "1\t0,3\n2\t1\n"}, "train_A.txt line 1 names item 3 of the other domain"),
        ({"valid": "1 0,1\n"}, "valid.txt line 1 is '1 0,1'"),
        ({"valid": "1\t\n"}, "valid.txt line 1 is"),
        ({"valid": "1\t0,x\n"}, "valid.txt line 1 is"),
        ({"valid": "1\t0,3\n\n"}, "valid.txt line 2 is"),
        ({"valid": "1\t0,3\n1\t1,4\n"}, "valid.txt line 2 repeats the line id '1'"),
        ({"instance_num": "3\n1\n1\n"}, "train_A.txt has 2 sequences; .* line 1 says 3"),
        ({"instance_num": "2\n1\n7\n"}, "train_overlap.txt has 1 sequences; .* line 3 says 7"),
        ({"instance_num": "2\n1\n"}, "instance_num.txt holds .* must hold 3 lines"),
        ({"num": "4\n2\n"}, "items_A.parquet has 3 items; .*num.txt line 1 says 4"),
        ({"num": "three\n2\n"}, "num.txt holds 'three"),
    ],
)
def test_a_fault_in_the_folder_is_named(
    sequences: Build, changes: dict[str, str], message: str
) -> None:
    catalog = sequences(**changes)
    with pytest.raises(ValueError, match=message):
        _reviews(catalog, "a")


def test_the_other_halfs_counts_are_checked_by_the_other_half(sequences: Build) -> None:
    catalog = sequences(instance_num="2\n5\n1\n")
    assert _reviews(catalog, "a")
    with pytest.raises(ValueError, match=r"train_B\.txt has 1 sequences; .* line 2 says 5"):
        _reviews(catalog, "b")


@pytest.mark.parametrize(
    ("index", "asin", "message"),
    [
        ([0, 1, 1], ["A0", "A1", "A2"], "column 'index' must hold 0 to 2"),
        ([0, 1, 2], ["A0", "A1", "A1"], "column 'asin' must hold 3 different ids"),
        ([0, 1, 2], ["A0", None, "A2"], "column 'asin' must hold 3 different ids"),
    ],
)
def test_a_faulty_item_table_is_named(
    sequences: Build, tmp_path: Path, index: list[int], asin: list[str | None], message: str
) -> None:
    catalog = sequences()
    table = pa.table({"index": index, "asin": asin, "title": ["x", "y", "z"]})
    pq.write_table(table, tmp_path / "items_A.parquet")
    with pytest.raises(ValueError, match=message):
        _reviews(catalog, "a")


def test_an_item_table_that_is_no_parquet_is_named(sequences: Build, tmp_path: Path) -> None:
    catalog = sequences()
    (tmp_path / "items_A.parquet").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"items_A\.parquet is no readable Parquet file"):
        _reviews(catalog, "a")


def test_a_missing_file_names_path_key_and_remedy(sequences: Build, tmp_path: Path) -> None:
    catalog = sequences()
    (tmp_path / "train_overlap.txt").unlink()
    with pytest.raises(
        ValueError, match=r"train_overlap\.txt is missing: .*domain\.a\.folder; put"
    ):
        _reviews(catalog, "a")


def test_food_kitchen_has_its_published_counts(real: Callable[[str], Path]) -> None:
    folder = real("food-kitchen")
    rows = Counter[str]()
    users: dict[str, set[str]] = {}
    halves: tuple[Literal["A", "B"], ...] = ("A", "B")
    for half in halves:
        domain = Domain(name=half, title=half, format="llmcdsr", folder=folder.name, half=half)
        catalog = Catalog(folder=folder.parent, domains={half: domain}, scenarios={})
        table = pa.Table.from_batches(read_reviews(catalog, domain), schema=REVIEWS)
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
    halves: tuple[tuple[Literal["A", "B"], int], ...] = (("A", 8661), ("B", 27637))
    for half, count in halves:
        domain = Domain(name=half, title=half, format="llmcdsr", folder=folder.name, half=half)
        catalog = Catalog(folder=folder.parent, domains={half: domain}, scenarios={})
        table = pa.Table.from_batches(read_items(catalog, domain), schema=ITEMS)
        assert (table.num_rows, table["title"].null_count) == (count, 0)
