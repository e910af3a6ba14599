"""MovieLens releases: a handmade folder of each layout, and the real ml-latest-small."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.catalog import Domain
from pipeline.columns import RAW_ITEMS, REVIEWS
from pipeline.ingest.formats import movielens
from pipeline.ingest.formats.rows import ReadLog

FLAGS = {"Animation": 3, "Comedy": 5}


def new_log(folder: str, allowed: int = 0) -> ReadLog:
    domain = Domain(
        name="movies",
        title="movies",
        format="movielens",
        folder=folder,
        max_rejected_rows=allowed,
        rating_range=(0.5, 5.0),
    )
    return ReadLog(domain=domain)


def flags(*genres: str) -> str:
    return "|".join(
        "1" if index in [FLAGS[name] for name in genres] else "0" for index in range(19)
    )


LAYOUTS: dict[str, tuple[bytes, bytes]] = {
    "raw/ml-latest-small": (
        b"userId,movieId,rating,timestamp\r\n1,31,2.5,1260759144\r\n2,1,3.0,1260759179\r\n",
        'movieId,title,genres\n1,"Misérables, Les (1995)",Animation|Comedy\n'
        '31,"The ""Big"" One (1997)",(no genres listed)\n'.encode(),
    ),
    "raw/ml-1m": (
        b"1::31::2.5::1260759144\n2::1::3::1260759179\n",
        "1::Misérables, Les (1995)::Animation|Comedy\n".encode("latin-1")
        + b'31::The "Big" One (1997)::\n',
    ),
    "ml-10M100K": (
        b"1::31::2.5::1260759144\n2::1::3::1260759179\n",
        "1::Misérables, Les (1995)::Animation|Comedy\n".encode()
        + b'31::The "Big" One (1997)::(no genres listed)\n',
    ),
    "ml-100k/": (
        b"1\t31\t2.5\t1260759144\n2\t1\t3\t1260759179\n",
        f"1|Misérables, Les (1995)|01-Jan-1995||http://x|{flags('Animation', 'Comedy')}\n".encode(
            "latin-1"
        )
        + f'31|The "Big" One (1997)||||1{flags()[1:]}\n'.encode(),
    ),
}


def read(
    folder: Path, name: str, content: tuple[bytes, bytes], log: ReadLog | None = None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    log = log or new_log(name)
    paths = {role: folder / place for role, (place, _) in movielens.places(log.domain).items()}
    for path, data in zip((paths["reviews"], paths["items"]), content, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    reviews, items = movielens.read_reviews(paths, log), movielens.read_items(paths, log)
    return rows_of(reviews, REVIEWS), rows_of(items, RAW_ITEMS)


def rows_of(batches: Any, schema: pa.Schema) -> list[dict[str, Any]]:
    rows = []
    for batch in batches:
        assert batch.schema.names == schema.names
        assert batch.schema.types == schema.types
        rows += batch.to_pylist()
    return rows


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_gives_the_same_ratings_and_movies(tmp_path: Path, name: str) -> None:
    reviews, items = read(tmp_path, name, LAYOUTS[name])

    columns = ("user_id", "item_id", "rating", "timestamp", "text", "part")
    assert [tuple(row[column] for column in columns) for row in reviews] == [
        ("1", "31", 2.5, 1_260_759_144, None, None),
        ("2", "1", 3.0, 1_260_759_179, None, None),
    ]
    assert items[0] == {
        "item_id": "1",
        "title": "Misérables, Les (1995)",
        "category": "Animation",
        "categories": ["Animation", "Comedy"],
        "brand": None,
        "description": None,
        "image_urls": [],
        "price": None,
    }
    assert (items[1]["title"], items[1]["categories"]) == ('The "Big" One (1997)', [])


@pytest.mark.parametrize(
    ("folder", "ratings", "movies"),
    [
        ("ml-25m", "ratings.csv", "movies.csv"),
        ("ml-1m", "ratings.dat", "movies.dat"),
        ("deep/ML-10M100K", "ratings.dat", "movies.dat"),
        ("ml-100k", "u.data", "u.item"),
        ("ml-1m/converted", "ratings.csv", "movies.csv"),
    ],
)
def test_the_folders_last_name_says_which_files_are_read(
    folder: str, ratings: str, movies: str
) -> None:
    assert movielens.places(new_log(folder).domain) == {
        "reviews": (f"{folder}/{ratings}", "folder"),
        "items": (f"{folder}/{movies}", "folder"),
    }


def test_files_of_another_layout_are_an_error_that_says_how_folders_are_named(
    tmp_path: Path,
) -> None:
    reviews, items = LAYOUTS["raw/ml-1m"]
    _, csv_items = LAYOUTS["raw/ml-latest-small"]
    csv_reviews = LAYOUTS["raw/ml-latest-small"][0]

    with pytest.raises(ValueError, match=r"ratings\.csv: its first line is .*\"ml-1m\""):
        read(tmp_path, "movielens", (reviews, csv_items))
    with pytest.raises(ValueError, match=r"movies\.csv: its first line is .*\"ml-1m\""):
        read(tmp_path, "movielens", (csv_reviews, items))
    with pytest.raises(ValueError, match="there must be 4"):
        read(tmp_path, "ml-1m", (csv_reviews, items))


@pytest.mark.parametrize(
    ("name", "rating", "movie", "reason"),
    [
        ("ml-25m", b"1,2,x,4\n", b'2,"A,War\n', "not CSV"),
        ("ml-1m", b"1:2:3:4\n", b"2::A\n", "2 fields, parted by '::'; there must be 3"),
        ("ml-10m", b"1::2::3::\n", b"::A::War\n", "the movie's id is empty"),
        ("ml-100k", b"1\t2\t3\n", b"2|A|1995|||1|0\n", "there must be 24"),
        ("ml-100k", b"1\t2\t3\n", f"2|A||||2{flags()[1:]}\n".encode(), "each must be 0 or 1"),
    ],
)
def test_bad_lines_are_rejected_by_number(
    tmp_path: Path, name: str, rating: bytes, movie: bytes, reason: str
) -> None:
    log = new_log(name, allowed=2)
    headers = (b"userId,movieId,rating,timestamp\n", b"movieId,title,genres\n")
    start = headers if name == "ml-25m" else (b"\n", b"\n")

    reviews, items = read(tmp_path, name, (start[0] + rating, start[1] + movie), log)

    assert reviews == items == []
    assert [entry.row for entry in log.rejected] == [2, 2]
    assert reason in log.rejected[1].reason


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(line=st.binary(max_size=30), name=st.sampled_from(sorted(LAYOUTS)))
def test_whatever_a_line_holds_it_is_a_row_or_rejected(
    tmp_path: Path, line: bytes, name: str
) -> None:
    log = new_log(name, allowed=100)
    ratings, movies = LAYOUTS[name]

    reviews, items = read(tmp_path, name, (ratings + line, movies + line), log)

    assert reviews[:2] == read(tmp_path, name, LAYOUTS[name])[0]
    assert len(reviews) + len(items) == log.rows


def test_a_csv_that_is_not_utf8_is_not_taken_for_latin1(tmp_path: Path) -> None:
    log = new_log("ml-25m", allowed=1)
    reviews, _ = LAYOUTS["raw/ml-latest-small"]

    _, items = read(tmp_path, "ml-25m", (reviews, b"movieId,title,genres\n1,\xe9,War\n"), log)

    assert items == []
    assert "not UTF-8" in log.rejected[0].reason


@pytest.mark.parametrize("name", LAYOUTS)
def test_empty_files_have_no_rows(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, name, (b"", b"")) == ([], [])


def test_the_real_small_release(real: Callable[[str], Path]) -> None:
    log = new_log("ml-latest-small")
    places = movielens.places(log.domain)
    paths = {role: real("movielens-small") / place for role, (place, _) in places.items()}

    reviews = pa.Table.from_batches(movielens.read_reviews(paths, log))
    items = pa.Table.from_batches(movielens.read_items(paths, log))

    frame = pl.from_arrow(reviews)
    assert isinstance(frame, pl.DataFrame)
    assert frame.height == 100_004
    assert frame["user_id"].n_unique() == 671
    assert frame["item_id"].n_unique() == 9_066
    days = pl.from_epoch(frame["timestamp"]).dt.date().dt.to_string()
    assert (days.min(), days.max()) == ("1995-01-09", "2016-10-16")
    assert set(frame["rating"]) == {half / 2 for half in range(1, 11)}
    assert items.num_rows == 9_125
    assert items["title"].null_count == 0
    assert frame["item_id"].is_in(items["item_id"].to_pylist()).all()
    genres = {name for names in items["categories"].to_pylist() for name in names}
    assert len(genres) == 19  # of which IMAX is the one that older releases do not have
    assert log.rows == 100_004 + 9_125
    assert log.rejected == []
