"""Reader of MovieLens releases, each a folder.

The folder's name says which: "ml-1m..." and "ml-10m..." have ratings.dat and movies.dat, their
fields parted by "::"; "ml-100k..." has u.data and u.item; every other (ml-latest-small, ml-20m,
ml-25m, ml-32m) has ratings.csv and movies.csv. Files of people (users.dat, u.user), tags and
links are not read. Titles of the .dat and u.item files are Latin-1 or UTF-8, those of the .csv
files UTF-8. Times are seconds; a genre is a category of one name.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from pipeline.catalog import Domain
from pipeline.columns import RAW_ITEMS
from pipeline.ingest.formats.blocks import read_lines
from pipeline.ingest.formats.delimited import Layout, first_line, read_review_lines, wrong_width
from pipeline.ingest.formats.parsed_lines import parsed, parsed_lines
from pipeline.ingest.formats.quoted_csv import parse_record
from pipeline.ingest.formats.rows import ReadLog, RowError, batches, shown

REQUIRED = ("user_id", "item_id", "rating", "timestamp")

_RATINGS_HEADER = b"userId,movieId,rating,timestamp"
_MOVIES_HEADER = b"movieId,title,genres"
_ABOUT_NAMES = (
    'The folder\'s name says which files are read: it must begin with "ml-1m", "ml-10m" or '
    '"ml-100k" where it holds those releases'
)
_NO_GENRE = ("", "(no genres listed)", "unknown")
_GENRES_OF_100K = (
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)
"""In the order of the flags that end a line of u.item."""

_FIELDS_OF_100K = 5 + len(_GENRES_OF_100K)  # id, title, two dates and an address come first


@dataclass(frozen=True, kw_only=True)
class _Release:
    ratings: str  # file names
    movies: str
    separator: str  # of the ratings


_CSV = _Release(ratings="ratings.csv", movies="movies.csv", separator=",")
_DAT = _Release(ratings="ratings.dat", movies="movies.dat", separator="::")
_100K = _Release(ratings="u.data", movies="u.item", separator="\t")


def places(domain: Domain) -> dict[str, tuple[str, str]]:
    release = _release(domain)
    assert domain.folder is not None  # the catalog requires it of this format
    files = {"reviews": release.ratings, "items": release.movies}
    return {role: (f"{domain.folder}/{name}", "folder") for role, name in files.items()}


def read_reviews(paths: dict[str, Path], log: ReadLog) -> Iterator[pa.RecordBatch]:
    """Ratings in REVIEWS columns; text, behaviour, verified and part are null.

    Raises ValueError, naming the file, where it is not of the release that the folder's name
    says, and where more rows are rejected than the domain allows.
    """
    path, release = paths["reviews"], _release(log.domain)
    header = first_line(path) if release is _CSV else None
    if header and header[1] != _RATINGS_HEADER:
        raise ValueError(
            f"{path}: its first line is {shown(header[1])}; that of MovieLens ratings is "
            f"{_RATINGS_HEADER.decode()}. {_ABOUT_NAMES}"
        )
    layout = Layout(
        separator=release.separator,
        width=4,
        places={"user_id": 0, "item_id": 1, "rating": 2, "timestamp": 3},
        names={target: target for target in REQUIRED},
    )
    after = header[0] if header else 0
    yield from read_review_lines(path, layout, log, required=REQUIRED, after=after)


def read_items(paths: dict[str, Path], log: ReadLog) -> Iterator[pa.RecordBatch]:
    """Movies in RAW_ITEMS columns: titles and genres. Errors as in `read_reviews`."""
    path, release = paths["items"], _release(log.domain)
    rows: Iterator[tuple[Any, ...]]
    if release is _CSV:
        rows = islice(parsed_lines(path, _movie_of_csv, log), _movies_header(path), None)
    else:
        rows = _old_lines(path, _movie_of_dat if release is _DAT else _movie_of_100k, log)
    yield from batches(rows, RAW_ITEMS, log)


def _release(domain: Domain) -> _Release:
    assert domain.folder is not None  # the catalog requires it of this format
    name = PurePosixPath(domain.folder).name.lower()
    if name.startswith(("ml-1m", "ml-10m")):
        return _DAT
    return _100K if name.startswith("ml-100k") else _CSV


def _movies_header(path: Path) -> int:
    """How many rows the header takes. ValueError where it is another."""
    first = first_line(path)
    if first is None:
        return 0
    if first[1] != _MOVIES_HEADER:
        raise ValueError(
            f"{path}: its first line is {shown(first[1])}; that of MovieLens movies is "
            f"{_MOVIES_HEADER.decode()}. {_ABOUT_NAMES}"
        )
    return 1


def _old_lines(
    path: Path, parse: Callable[[str], tuple[Any, ...]], log: ReadLog
) -> Iterator[tuple[Any, ...]]:
    """As `parsed_lines`, of a file that is Latin-1 (ml-100k, ml-1m) or UTF-8 (ml-10m)."""
    return parsed(path, read_lines(path, log), lambda line: parse(_utf8_or_latin1(line)), log)


def _utf8_or_latin1(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("latin-1")


def _movie_of_csv(line: str) -> tuple[Any, ...]:
    return _movie(parse_record(line, ","), ",")


def _movie_of_dat(line: str) -> tuple[Any, ...]:
    return _movie(line.split("::"), "::")


def _movie(fields: list[str], separator: str) -> tuple[Any, ...]:
    if len(fields) != 3:
        raise RowError(wrong_width(len(fields), 3, separator))
    movie, title, genres = fields
    return _row(movie, title, genres.split("|"))


def _movie_of_100k(line: str) -> tuple[Any, ...]:
    fields = line.split("|")
    if len(fields) != _FIELDS_OF_100K:
        raise RowError(wrong_width(len(fields), _FIELDS_OF_100K, "|"))
    flags = fields[-len(_GENRES_OF_100K) :]
    if not set(flags) <= {"0", "1"}:
        raise RowError(f"the genres are {shown(' '.join(flags))}; each must be 0 or 1")
    named = zip(_GENRES_OF_100K, flags, strict=True)
    return _row(fields[0], fields[1], [name for name, flag in named if flag == "1"])


def _row(movie: str, title: str, names: list[str]) -> tuple[Any, ...]:
    if not movie:
        raise RowError("the movie's id is empty")
    genres = [name for name in names if name not in _NO_GENRE]
    return movie, title or None, genres[0] if genres else None, genres, None, None, [], None
