"""People's own tables, Parquet and CSV."""

import datetime as dt
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from pipeline.catalog import Domain
from pipeline.catalog.domains import Columns, ItemColumns
from pipeline.columns import RAW_ITEMS, REVIEWS
from pipeline.ingest.formats import own_table
from pipeline.ingest.formats.rows import ReadLog

FEW = Columns(user="uid", item="iid", timestamp="when")
ALL = Columns(
    user="uid",
    item="iid",
    timestamp="when",
    rating="stars",
    text="words",
    behaviour="kind",
    verified="sure",
)
ITEM = ItemColumns(
    item="iid",
    title="name",
    category="shelf",
    brand="maker",
    description="about",
    price="cost",
    image_url="picture",
)

Rows = list[dict[str, Any]]


def new_log(
    columns: Columns = FEW, item_columns: ItemColumns | None = ITEM, **changes: Any
) -> ReadLog:
    domain = Domain(
        name="shop",
        title="shop",
        format="table",
        reviews="log.csv",
        items="items.csv",
        columns=columns,
        item_columns=item_columns,
        **changes,
    )
    return ReadLog(domain=domain)


def reviews(path: Path, log: ReadLog | None = None) -> Rows:
    return rows_of(own_table.read_reviews({"reviews": path}, log or new_log()), REVIEWS)


def items(path: Path, log: ReadLog | None = None) -> Rows:
    return rows_of(own_table.read_items({"items": path}, log or new_log()), RAW_ITEMS)


def rows_of(batches: Any, schema: pa.Schema) -> Rows:
    rows: Rows = []
    for batch in batches:
        batch.validate(full=True)
        assert batch.schema.names == schema.names
        assert batch.schema.types == schema.types
        rows += batch.to_pylist()
    return rows


def ids(rows: Rows) -> list[tuple[Any, ...]]:
    return [(row["user_id"], row["item_id"], row["timestamp"]) for row in rows]


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    """A file of the given columns, or bytes."""

    def write(content: Any, name: str = "log.parquet") -> Path:
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            pq.write_table(pa.table(content), path)
        return path

    return write


def test_a_whole_csv(table: Callable[..., Path]) -> None:
    path = table(
        b"iid,when,uid,stars,words,kind,sure,name of a person\n"
        b'7,2014-05-13T16:53:20Z,"a,b",4.5,"Good,\n""very"" good",buy,Y,Somebody\n'
        b"8,1400000000123,c,,,,,\n"
    )

    assert reviews(path, new_log(ALL)) == [
        {
            "user_id": "a,b",
            "item_id": "7",
            "timestamp": 1_400_000_000,
            "rating": 4.5,
            "text": 'Good,\n"very" good',
            "behaviour": "buy",
            "verified": True,
            "part": None,
        },
        {
            "user_id": "c",
            "item_id": "8",
            "timestamp": 1_400_000_000_123,
            "rating": None,
            "text": None,
            "behaviour": None,
            "verified": None,
            "part": None,
        },
    ]


def test_a_whole_parquet_file(table: Callable[..., Path]) -> None:
    path = table(
        {
            "uid": pa.array([2**60 + 1, 7], pa.int64()),
            "person": ["Somebody", "Nobody"],
            "iid": pa.array(["x", "y"]).dictionary_encode(),
            "when": pa.array([dt.datetime(2014, 5, 13, 16, 53, 20), None], pa.timestamp("us")),
            "stars": pa.array([4, None], pa.int8()),
            "words": ["a\tb\nc", None],
            "kind": pa.array([1, 2]),
            "sure": [True, None],
        }
    )
    log = new_log(ALL, max_rejected_rows=1)

    (row,) = reviews(path, log)

    assert row == {
        "user_id": "1152921504606846977",
        "item_id": "x",
        "timestamp": 1_400_000_000,
        "rating": 4.0,
        "text": "a\tb\nc",
        "behaviour": "1",
        "verified": True,
        "part": None,
    }
    assert [(entry.row, entry.reason) for entry in log.rejected] == [(2, "'when' is empty")]


def test_the_same_table_reads_alike_in_every_wrapping(
    table: Callable[..., Path], tmp_path: Path
) -> None:
    columns = {"uid": ["U", "V"], "iid": ["1", "2"], "when": ["5", "6"], "stars": ["1", "2"]}
    plain = b"uid,iid,when,stars\nU,1,5,1\nV,2,6,2\n"
    packed = tmp_path / "packed.zst"
    with pa.output_stream(str(packed), compression="zstd") as file:
        file.write(plain)
    separated = plain.replace(b",", b";")

    expected = reviews(table(columns), new_log(ALL_BUT_TEXT))
    for path, separator in (
        (table(plain, "a.csv"), ","),
        (table(b"\xef\xbb\xbf" + plain.replace(b"\n", b"\r\n"), "b.csv"), ","),
        (table(gzip.compress(plain), "c.csv"), ","),
        (packed, ","),
        (table(separated, "d.csv"), ";"),
        (table(plain.replace(b",", b"\t"), "e.tsv"), "\t"),
        (table(plain.replace(b"U", b'"U"'), "f.csv"), ","),
        (table(b" uid , iid,when ,stars\n" + plain.split(b"\n", 1)[1], "g.csv"), ","),
    ):
        assert reviews(path, new_log(ALL_BUT_TEXT, separator=separator)) == expected


ALL_BUT_TEXT = Columns(user="uid", item="iid", timestamp="when", rating="stars")


def test_bad_rows_of_a_csv_are_rejected_by_their_first_line(table: Callable[..., Path]) -> None:
    path = table(
        b"uid,iid,when,stars\n"
        b'"a\nb",1,5,1\n'  # lines 2 and 3
        b"U,1,soon,1\n"
        b"U,1,5\n"
        b",1,5,1\n"
        b"U,1,5,many\n"
        b"\xff,1,5,1\n"
        b'U,"1,5,1\n'
        b"V,2,6,2\n"
    )
    log = new_log(ALL_BUT_TEXT, max_rejected_rows=6)

    rows = reviews(path, log)

    assert ids(rows) == [("a\nb", "1", 5), ("V", "2", 6)]
    assert log.rows == 2
    assert [entry.row for entry in log.rejected] == [4, 5, 6, 7, 8, 9]
    assert log.rejected[0].reason.startswith("'when' is 'soon'; it must be a time")


def test_bad_rows_of_parquet_are_rejected_by_their_number(table: Callable[..., Path]) -> None:
    count = 300_000  # several batches
    users = ["U"] * count
    users[200_000] = ""
    times: list[float | None] = [5.0] * count
    times[299_999] = float("nan")
    path = table({"uid": users, "iid": ["I"] * count, "when": times})
    log = new_log(max_rejected_rows=2)

    assert len(reviews(path, log)) == log.rows == count - 2
    assert [(entry.row, entry.reason) for entry in log.rejected] == [
        (200_001, "'uid' is empty"),
        (300_000, "'when' is empty"),
    ]


def test_parquet_texts_that_are_not_utf8_reject_their_rows(table: Callable[..., Path]) -> None:
    bad = pa.Array.from_buffers(pa.string(), 2, pa.array([b"\xffx", b"ok"]).buffers())
    path = table({"uid": bad, "iid": ["1", "2"], "when": [5, 6]})
    log = new_log(max_rejected_rows=1)

    assert ids(reviews(path, log)) == [("ok", "2", 6)]
    assert log.rejected[0].row == 1
    assert "'uid' is not UTF-8" in log.rejected[0].reason


def test_a_row_too_many_is_an_error_with_file_and_row(table: Callable[..., Path]) -> None:
    path = table({"uid": ["U", None], "iid": ["1", "2"], "when": [5, 6]})

    with pytest.raises(ValueError, match=r"log\.parquet row 2: 'uid' is empty.*max_rejected_rows"):
        reviews(path)


@pytest.mark.parametrize("is_csv", [True, False])
def test_a_missing_column_is_an_error_with_the_key_and_the_columns_there(
    table: Callable[..., Path], is_csv: bool
) -> None:
    path = table(b"uid,item,when\nU,1,5\n" if is_csv else {"uid": [1], "item": [2], "when": [3]})

    with pytest.raises(ValueError) as error:
        reviews(path)

    assert f"{path} has no column named 'iid'" in str(error.value)
    assert "domain.shop.columns.item" in str(error.value)
    assert "'uid', 'item', 'when'" in str(error.value)


def test_another_separator_shows_in_the_error(table: Callable[..., Path]) -> None:
    path = table(b"uid;iid;when\nU;1;5\n")

    with pytest.raises(ValueError, match=r"'uid;iid;when'; .*domain\.shop\.separator = ','"):
        reviews(path)


def test_a_column_that_is_there_twice_is_an_error(table: Callable[..., Path]) -> None:
    with pytest.raises(ValueError, match="several columns named 'uid'"):
        reviews(table(b"uid,iid,when,uid\nU,1,5,V\n"))
    twice = pa.table([[1], [2], [3], [4]], names=["uid", "iid", "when", "uid"])
    with pytest.raises(ValueError, match="several columns named 'uid'"):
        reviews(table(twice))


@pytest.mark.parametrize(
    ("column", "values", "key"),
    [
        ("uid", [1.0], "columns.user"),
        ("iid", [["a"]], "columns.item"),
        ("when", [True], "columns.timestamp"),
        ("stars", [{"a": 1}], "columns.rating"),
    ],
)
def test_a_column_of_a_type_that_cannot_be_used_is_an_error(
    table: Callable[..., Path], column: str, values: list[Any], key: str
) -> None:
    columns: dict[str, Any] = {"uid": ["U"], "iid": ["1"], "when": [5], "stars": [1]}

    with pytest.raises(ValueError, match=rf"log\.parquet: column '{column}' is of type.*{key}"):
        reviews(table(columns | {column: values}), new_log(ALL_BUT_TEXT))


def test_damaged_parquet_is_an_error_that_names_it(table: Callable[..., Path]) -> None:
    path = table({"uid": ["U"] * 999, "iid": ["1"] * 999, "when": list(range(999))})
    whole = path.read_bytes()

    for content in (
        whole[: len(whole) // 2],
        b"PAR1",
        gzip.compress(whole),
        whole[:4] + bytes(600) + whole[604:],
        whole.replace(b"uid", b"\xffid"),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"log\.parquet begins like Parquet but cannot"):
            reviews(path)


def test_what_is_no_table_is_an_error(table: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the header is not UTF-8"):
        reviews(table(b"PK\x03\x04\xff\xfe\n"))
    with pytest.raises(ValueError, match="the header is not CSV"):
        reviews(table(b'"uid,iid\n'))
    with pytest.raises(ValueError, match="is a folder"):
        reviews(tmp_path)
    with pytest.raises(ValueError, match="is missing"):
        reviews(tmp_path / "none.csv")
    with pytest.raises(ValueError, match="is cut off"):
        reviews(table(gzip.compress(b"uid,iid,when\nU,1,5\n")[:-10]))


@pytest.mark.parametrize("separator", ["", "::", '"', "\n"])
def test_a_separator_that_is_none_is_an_error(table: Callable[..., Path], separator: str) -> None:
    with pytest.raises(ValueError, match=r"domain\.shop\.separator = "):
        reviews(table(b"uid,iid,when\n"), new_log(separator=separator))


def test_empty_tables_have_no_rows(table: Callable[..., Path]) -> None:
    assert reviews(table(b"")) == reviews(table(b"uid,iid,when\n")) == []
    empty: dict[str, Any] = {name: pa.array([], pa.string()) for name in ("uid", "iid", "when")}
    assert reviews(table(empty)) == items(table(b"")) == []


def test_items_of_csv_and_parquet_read_alike(table: Callable[..., Path]) -> None:
    columns: dict[str, Any] = {
        "iid": [1, 2],
        "name": ["Tea, green", None],
        "shelf": ["Food > Tea", None],
        "maker": ["Acme", None],
        "about": ['The "best"', None],
        "cost": [12.5, None],
        "picture": ["http://x/1.jpg", None],
    }
    path = table(columns)
    expected = [
        {
            "item_id": "1",
            "title": "Tea, green",
            "category": "Food > Tea",
            "categories": ["Food > Tea"],
            "brand": "Acme",
            "description": 'The "best"',
            "image_urls": ["http://x/1.jpg"],
            "price": "12.5",
        },
        dict.fromkeys(RAW_ITEMS.names) | {"item_id": "2", "categories": [], "image_urls": []},
    ]
    as_csv = path.with_suffix(".csv")
    pyarrow.csv.write_csv(pa.table(columns), as_csv)

    assert items(path) == items(as_csv) == expected


def test_items_need_their_ids_alone(table: Callable[..., Path]) -> None:
    log = new_log(item_columns=ItemColumns(item="iid"), max_rejected_rows=1)

    rows = items(table({"iid": ["a", None], "name": ["x", "y"]}), log)

    assert [(row["item_id"], row["title"]) for row in rows] == [("a", None)]
    assert [entry.row for entry in log.rejected] == [2]
    assert ids_of(table(b"iid\na\n\nb\n"), log) == ["a", "b"]
    assert ids_of(table(b'iid\n"a"\n\n"b"\n'), log) == ["a", "b"]


def ids_of(path: Path, log: ReadLog) -> list[str]:
    return [row["item_id"] for row in items(path, log)]


def test_one_column_may_serve_twice(table: Callable[..., Path]) -> None:
    log = new_log(item_columns=ItemColumns(item="name", title="name"))

    assert items(table({"name": ["Tea"]}), log)[0]["title"] == "Tea"
    assert items(table(b"name\nTea\n"), log)[0]["title"] == "Tea"


def test_items_are_optional() -> None:
    log = new_log()
    places = {"reviews": ("log.csv", "reviews"), "items": ("items.csv", "items")}
    assert own_table.places(log.domain) == places
    assert list(own_table.read_items({}, log)) == []


def test_real_movie_ratings_read_as_an_own_table(real: Callable[[str], Path]) -> None:
    folder = real("movielens-small") / "ml-latest-small"
    columns = Columns(user="userId", item="movieId", timestamp="timestamp", rating="rating")
    log = new_log(columns, ItemColumns(item="movieId", title="title"))

    assert len(reviews(folder / "ratings.csv", log)) == 100_004
    titles = {row["item_id"]: row["title"] for row in items(folder / "movies.csv", log)}
    assert len(titles) == 9_125
    assert titles["11"] == "American President, The (1995)"


def test_real_products_read_as_an_own_table(real: Callable[[str], Path]) -> None:
    names = ItemColumns(
        item="product_id", title="title", description="description", category="category"
    )
    log = new_log(item_columns=names)

    rows = items(real("fashion-product-images-2000") / "products.parquet", log)

    assert len(rows) == log.rows == 2_000
    assert all(row["item_id"] and row["title"] for row in rows)
