"""Ratings-only files of the three Amazon releases, and what must not pass for one."""

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pytest

from pipeline.catalog import Domain
from pipeline.columns import REVIEWS
from pipeline.ingest.formats import ratings_csv
from pipeline.ingest.formats.rows import ReadLog

Order = Literal["user-item", "item-user"]
Rating = tuple[str, str, float, int]

USERS = ("A1YJEY40YUW4SE", "A2GJX2KCUSR0EI", "A06944662TFWOKKV4GJKX")
ITEMS = ("B00004T0YB", "000100039X", "BT00CTOUNS")


def domain(order: Order | None = None, allowed: int = 0) -> Domain:
    return Domain(
        name="music",
        title="music",
        format="ratings-csv",
        reviews="ratings.csv",
        order=order,
        max_rejected_rows=allowed,
    )


def read(path: Path, order: Order | None = None, allowed: int = 0) -> tuple[pa.Table, ReadLog]:
    log = ReadLog(domain=domain(order, allowed))
    batches = list(ratings_csv.read_reviews({"reviews": path}, log))
    empty = pa.schema([field.with_nullable(True) for field in REVIEWS]).empty_table()
    table = pa.Table.from_batches(batches) if batches else empty
    assert log.rows == table.num_rows
    return table, log


def ratings(table: pa.Table) -> list[Rating]:
    columns = (table[name].to_pylist() for name in ("user_id", "item_id", "rating", "timestamp"))
    return list(zip(*columns, strict=True))


def write(path: Path, rows: list[Any], order: Order = "user-item", header: str = "") -> Path:
    lines = [header] if header else []
    for user, item, rating, time in rows:
        ids = (user, item) if order == "user-item" else (item, user)
        lines.append(f"{','.join(ids)},{rating},{time}")
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


SOME: list[Rating] = [
    (user, item, 5.0, 1_400_000_000) for user, item in zip(USERS, ITEMS, strict=True)
]


@pytest.mark.parametrize("order", ["user-item", "item-user"])
def test_order_says_which_field_of_a_line_without_a_header_is_the_user(
    tmp_path: Path, order: Order
) -> None:
    path = write(tmp_path / "ratings.csv", SOME, order)

    table, _ = read(path, order)

    assert ratings(table) == SOME
    assert table.schema.names == REVIEWS.names
    assert table.schema.types == REVIEWS.types
    assert table["text"].null_count == table["part"].null_count == len(SOME)


@pytest.mark.parametrize(
    ("order", "right"), [("user-item", "item-user"), ("item-user", "user-item")]
)
def test_swapped_users_and_items_are_an_error_with_examples_and_the_remedy(
    tmp_path: Path, order: Order, right: Order
) -> None:
    path = write(tmp_path / "ratings.csv", SOME, right)

    with pytest.raises(ValueError) as error:
        read(path, order)

    assert "users and items are swapped" in str(error.value)
    assert f'set domain.music.order = "{right}"' in str(error.value)
    for name in (*USERS, *ITEMS):
        assert repr(name) in str(error.value)


def test_a_header_that_names_users_items_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "ratings.csv", SOME, header="parent_asin,user_id,rating,timestamp")

    with pytest.raises(ValueError, match=r"swapped.*correct the names in its header"):
        read(path)


@pytest.mark.parametrize(
    "ids",
    [
        ("1", "2"),
        ("B000000001", "B000000002"),  # users that look like items, items too
        ("A1YJEY40YUW4SE", "A2GJX2KCUSR0EI"),  # items that look like users, users too
        ("B000000001", "movie-7"),
        ("someone", "A1YJEY40YUW4SE"),
    ],
)
def test_ids_that_do_not_tell_are_taken_as_they_come(tmp_path: Path, ids: tuple[str, str]) -> None:
    rows = [(*ids, 4.0, 7)]
    path = write(tmp_path / "ratings.csv", rows)

    assert ratings(read(path, "user-item")[0]) == rows


def test_one_odd_id_does_not_hide_a_swap(tmp_path: Path) -> None:
    rows = [(f"A1YJEY40YUW4{i:02}", f"B0000000{i:02}", 5.0, 1) for i in range(30)]
    path = write(tmp_path / "ratings.csv", [*rows, ("unknown", "unknown", 1.0, 1)])

    with pytest.raises(ValueError, match="swapped"):
        read(path, "item-user")


@pytest.mark.parametrize(
    ("order", "suggested"),
    [("user-item", "looks like 'user-item'"), ("item-user", "looks like 'item-user'")],
)
def test_without_header_and_order_the_error_says_what_the_ids_look_like(
    tmp_path: Path, order: Order, suggested: str
) -> None:
    path = write(tmp_path / "ratings.csv", SOME, order)

    with pytest.raises(ValueError, match=rf"domain\.music\.order must say.*{suggested}"):
        read(path)


def test_without_header_and_order_plain_ids_suggest_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "ratings.csv", [("1", "2", 3.0, 4)])

    with pytest.raises(ValueError, match="suggests neither"):
        read(path)


@pytest.mark.parametrize(
    "header",
    [
        "user_id,parent_asin,rating,timestamp",
        "user,item,rating,timestamp",
        "reviewerID,asin,overall,unixReviewTime",
        " User_ID , Item_ID , Rating , Timestamp ",
        "\ufeffuser_id,item_id,rating,timestamp",
    ],
)
def test_the_names_of_a_header_decide(tmp_path: Path, header: str) -> None:
    path = write(tmp_path / "ratings.csv", SOME, header=header)

    assert ratings(read(path)[0]) == SOME


def test_names_decide_in_any_order_and_other_columns_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text(
        "timestamp,history,parent_asin,rating,user_id\n"
        f"1500000000123,,{ITEMS[0]},4.0,{USERS[0]}\n"
        f"1500000000456,{ITEMS[0]} {ITEMS[1]},{ITEMS[2]},3.0,{USERS[1]}\n"
    )

    assert ratings(read(path)[0]) == [
        (USERS[0], ITEMS[0], 4.0, 1_500_000_000_123),
        (USERS[1], ITEMS[2], 3.0, 1_500_000_000_456),
    ]


def test_a_header_without_a_column_is_an_error_that_shows_it(tmp_path: Path) -> None:
    path = write(tmp_path / "ratings.csv", SOME, header="user_id,product,rating,timestamp")

    with pytest.raises(ValueError, match=r"'user_id,product,rating,timestamp'.*parent_asin or"):
        read(path)


def test_a_quoted_header_points_to_the_format_that_reads_quotes(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text('"user_id","item_id","rating","timestamp"\n"U","I",5,1\n')

    with pytest.raises(ValueError, match='format = "table"'):
        read(path)


def test_a_damaged_first_row_is_a_rejected_row_not_a_header(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_bytes(b"\xffU,I,five,7\nU,J,4.0,8\n")

    table, log = read(path, "user-item", allowed=1)

    assert ratings(table) == [("U", "J", 4.0, 8)]
    assert [entry.row for entry in log.rejected] == [1]


def test_gzip_and_blank_lines_and_bad_rows(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_bytes(gzip.compress(b"U,I,5.0,1\r\n\r\nU,J,5.0\r\nU,,1.0,3\r\nV,I,2.0,4\r\n"))

    table, log = read(path, "user-item", allowed=2)

    assert ratings(table) == [("U", "I", 5.0, 1), ("V", "I", 2.0, 4)]
    assert [(entry.row, entry.reason) for entry in log.rejected] == [
        (3, "3 fields, parted by ','; there must be 4"),
        (4, "'field 2 (item_id)' is empty"),
    ]


def test_an_empty_file_and_a_header_alone_have_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.touch()
    assert read(path)[0].num_rows == 0

    path.write_text("user_id,item_id,rating,timestamp\n")
    assert read(path)[0].num_rows == 0


def test_a_truncated_gzip_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv.gz"
    path.write_bytes(gzip.compress(b"U,I,5.0,1\n" * 1000)[:-12])

    with pytest.raises(ValueError, match=r"ratings\.csv\.gz is cut off"):
        read(path, "user-item")


def test_there_is_one_place_and_no_metadata(tmp_path: Path) -> None:
    assert ratings_csv.places(domain()) == {"reviews": ("ratings.csv", "reviews")}
    assert list(ratings_csv.read_items({}, ReadLog(domain=domain()))) == []


REAL_REVIEWS = [
    ("amazon2014-music-movies", "reviews_Digital_Music_5.first6908.json.gz", 6908),
    ("amazon2014-music-movies", "reviews_Movies_and_TV_5.first999.json.gz", 999),
    ("amazon2018-giftcards-images", "Gift_Cards_5.json.gz", 2972),
    ("amazon2018-small-5core", "Magazine_Subscriptions_5.json.gz", 2375),
    ("amazon2018-small-5core", "Appliances_5.json.gz", 2277),
    ("amazon2018-small-5core", "All_Beauty_5.json.gz", 5269),
    ("amazon2018-small-5core", "AMAZON_FASHION_5.json.gz", 3176),
]


@pytest.mark.parametrize(("folder", "name", "count"), REAL_REVIEWS)
def test_real_reviews_are_read_in_their_order_and_caught_when_swapped(
    real: Callable[[str], Path], tmp_path: Path, folder: str, name: str, count: int
) -> None:
    with gzip.open(real(folder) / name) as lines:
        entries = [json.loads(line) for line in lines]
    rows = [
        (entry["reviewerID"], entry["asin"], entry["overall"], entry["unixReviewTime"])
        for entry in entries
    ]
    _check_both_orders(tmp_path / "ratings.csv", rows)
    assert len(rows) == count


def test_real_reviews_of_2023_are_read_in_their_order_and_caught_when_swapped(
    real: Callable[[str], Path], tmp_path: Path
) -> None:
    rows = list(_rows_of_2023(real("amazon2023-multicat")))

    _check_both_orders(tmp_path / "ratings.csv", rows)
    assert len(rows) == 2764


def _rows_of_2023(folder: Path) -> Iterator[Rating]:
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            user = json.loads(line)
            for entry in user["history"]:
                yield user["user_id"], entry["parent_asin"], entry["rating"], entry["timestamp_ms"]


@pytest.mark.parametrize(
    ("name", "count"), [("Beauty", 198_502), ("Sports", 296_337), ("Toys", 167_597)]
)
def test_real_ids_of_2014_are_read_in_their_order_and_caught_when_swapped(
    real: Callable[[str], Path], tmp_path: Path, name: str, count: int
) -> None:
    path = real("idgenrec-beauty-sports-toys") / name / "user_sequence.txt.gz"
    with gzip.open(path, "rt") as lines:
        sequences = [line.split() for line in lines]
    rows = [
        (user, item, 5.0, time) for user, *items in sequences for time, item in enumerate(items)
    ]
    _check_both_orders(tmp_path / "ratings.csv", rows)
    assert len(rows) == count


def _check_both_orders(path: Path, rows: list[Rating]) -> None:
    orders: tuple[Order, Order] = ("user-item", "item-user")
    for order, other in (orders, orders[::-1]):
        write(path, rows, order)
        assert ratings(read(path, order)[0]) == rows
        with pytest.raises(ValueError, match="users and items are swapped"):
            read(path, other)
