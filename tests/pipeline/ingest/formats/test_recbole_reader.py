"""RecBole's atomic files, in the layout of its ml-100k."""

import gzip
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.catalog import Domain
from pipeline.columns import RAW_ITEMS, REVIEWS
from pipeline.ingest.formats import recbole
from pipeline.ingest.formats.rows import ReadLog

INTER = "user_id:token\titem_id:token\trating:float\ttimestamp:float"
ITEM = "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq"


def new_log(allowed: int = 0, items: str | None = "ml-100k.item") -> ReadLog:
    domain = Domain(
        name="movies",
        title="movies",
        format="recbole",
        reviews="ml-100k.inter",
        items=items,
        max_rejected_rows=allowed,
    )
    return ReadLog(domain=domain)


def read(path: Path, content: str | bytes, log: ReadLog | None = None) -> list[dict[str, Any]]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    reader = recbole.read_items if path.suffix == ".item" else recbole.read_reviews
    role = "items" if path.suffix == ".item" else "reviews"
    batches = list(reader({role: path}, log or new_log()))
    schema = RAW_ITEMS if role == "items" else REVIEWS
    for batch in batches:
        assert batch.schema.names == schema.names
        assert batch.schema.types == schema.types
    return pa.Table.from_batches(batches).to_pylist() if batches else []


@pytest.fixture
def inter(tmp_path: Path) -> Path:
    return tmp_path / "ml-100k.inter"


@pytest.fixture
def item(tmp_path: Path) -> Path:
    return tmp_path / "ml-100k.item"


def test_interactions_of_the_ml_100k_layout(inter: Path) -> None:
    rows = read(inter, f"{INTER}\n196\t242\t3\t881250949\n186\t302\t3\t891717742\n")

    assert rows[0] == {
        "user_id": "196",
        "item_id": "242",
        "timestamp": 881_250_949,
        "rating": 3.0,
        "text": None,
        "behaviour": None,
        "verified": None,
        "part": None,
    }
    assert [row["user_id"] for row in rows] == ["196", "186"]


def test_times_written_as_floats_are_whole_seconds(inter: Path) -> None:
    rows = read(inter, f"{INTER}\n1\t2\t3.5\t881250949.0\n1\t3\t4\t8.81250950e8\n")

    assert [row["timestamp"] for row in rows] == [881_250_949, 881_250_950]


def test_fields_are_found_by_name_and_others_are_not_read(inter: Path) -> None:
    header = "label:float\ttimestamp:float\tItemID:token\tuserid:token\ttags:token_seq"

    rows = read(inter, f"{header}\n1\t7\tI, 1\tU\ta b\n0\t8\tJ\tV\t\n")

    assert [(row["user_id"], row["item_id"], row["timestamp"]) for row in rows] == [
        ("U", "I, 1", 7),
        ("V", "J", 8),
    ]


def test_without_ratings_and_with_empty_ones_ratings_are_null(inter: Path) -> None:
    rows = read(inter, "user_id:token\titem_id:token\ttimestamp:float\nU\tI\t7\n")
    assert rows[0]["rating"] is None

    assert read(inter, f"{INTER}\nU\tI\t\t7\n")[0]["rating"] is None


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("user_id:token\trating:float\ttimestamp:float", "no column named item_id or .*user_id, r"),
        ("item_id:token\trating:float\ttimestamp:float", "no column named user_id or"),
        ("user_id:token\titem_id:token\trating:float", "no column named timestamp or"),
        ("user_id\titem_id\trating\ttimestamp", "no header of a RecBole file"),
        ("user_id:token,item_id:token,timestamp:float", "no header of a RecBole file"),
        ("user_id:text\titem_id:token\ttimestamp:float", "no header of a RecBole file"),
        ("user_id:token\titem_id:token_seq\ttimestamp:float", "'item_id' is of type token_seq"),
    ],
)
def test_a_header_that_cannot_be_used_is_an_error(inter: Path, header: str, message: str) -> None:
    with pytest.raises(ValueError, match=rf"ml-100k\.inter.*{message}"):
        read(inter, f"{header}\n1\t2\t3\t4\n")


def test_a_header_that_is_not_utf8_is_an_error(inter: Path) -> None:
    with pytest.raises(ValueError, match="row 1: the header is not UTF-8"):
        read(inter, b"\xff\xfeu\x00\n")


def test_bad_interactions_are_rejected_by_line(inter: Path) -> None:
    log = new_log(allowed=4)

    rows = read(inter, f"{INTER}\nU\tI\t3\t7\nU\tI\t3\nU\tI\tx\t7\n\tI\t3\t7\nU\tI\t3\t\n", log)

    assert len(rows) == log.rows == 1
    assert [(entry.row, entry.reason) for entry in log.rejected] == [
        (3, "3 fields, parted by '\\t'; there must be 4"),
        (4, "'rating' is 'x'; it must be a finite number"),
        (5, "'user_id' is empty"),
        (6, "'timestamp' is empty"),
    ]


def test_items_of_the_ml_100k_layout(item: Path) -> None:
    rows = read(item, f"{ITEM}\n1\tToy Story\t1995\tAnimation Children's Comedy\n9\t\t\t\n")

    assert rows[0] == {
        "item_id": "1",
        "title": "Toy Story",
        "category": "Animation",
        "categories": ["Animation", "Children's", "Comedy"],
        "brand": None,
        "description": None,
        "image_urls": [],
        "price": None,
    }
    assert rows[1]["title"] is None
    assert rows[1]["categories"] == []


def test_items_of_a_shop_have_brand_and_price_and_names_with_spaces(item: Path) -> None:
    header = "item_id:token\ttitle:token\tcategories:token_seq\tprice:float\tbrand:token"

    rows = read(item, f'{header}\nB0\tA "big" one\tHealth & Care, Tea\t9.99\tAcme\n')

    assert rows[0]["title"] == 'A "big" one'
    assert rows[0]["category"] == "Health & Care"
    assert rows[0]["categories"] == ["Health & Care", "Tea"]
    assert (rows[0]["price"], rows[0]["brand"]) == ("9.99", "Acme")


def test_bad_items_are_rejected_by_line(item: Path) -> None:
    log = new_log(allowed=3)

    rows = read(
        item, f"{ITEM}\n1\tA\n\tB\t1995\t\n2\tC\t1995\tWar\n".encode() + b"3\t\xff\t\t\n", log
    )

    assert [row["item_id"] for row in rows] == ["2"]
    assert [entry.row for entry in log.rejected] == [2, 3, 5]
    assert log.rows == 1


def test_an_item_file_without_items_is_an_error(item: Path) -> None:
    with pytest.raises(ValueError, match=r"no column named item_id or .*movie_title, class"):
        read(item, "movie_title:token_seq\tclass:token_seq\nA\tWar\n")


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(line=st.binary(max_size=30))
def test_whatever_a_line_holds_it_is_a_row_or_rejected(
    inter: Path, item: Path, line: bytes
) -> None:
    for path, header in ((inter, INTER), (item, ITEM)):
        log = new_log(allowed=100)
        rows = read(path, f"{header}\n".encode() + line, log)
        assert len(rows) == log.rows <= line.count(b"\n") + 1


def test_gzip_reads_as_plain(inter: Path) -> None:
    assert len(read(inter, gzip.compress(f"{INTER}\nU\tI\t3\t7\n".encode()))) == 1


def test_empty_files_and_headers_alone_have_no_rows(inter: Path, item: Path) -> None:
    assert read(inter, "") == read(inter, f"{INTER}\n") == []
    assert read(item, "") == read(item, f"{ITEM}\n") == []


def test_items_are_optional_and_people_are_never_read() -> None:
    places = {"reviews": ("ml-100k.inter", "reviews"), "items": ("ml-100k.item", "items")}
    assert recbole.places(new_log().domain) == places
    del places["items"]
    assert recbole.places(new_log(items=None).domain) == places
    assert list(recbole.read_items({}, new_log(items=None))) == []
