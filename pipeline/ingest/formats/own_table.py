"""Reader of people's own tables: Parquet, or CSV with a header, plain, gzip or zstd.

The catalog names the columns. Users and items are texts or whole numbers; 7 becomes "7". Columns
of floats are refused as ids, since a float cannot hold every long id, and its "7.0" would not
meet the "7" of another file; in CSV, "7.0" is a text like any other. The types that times,
ratings and flags may have are in `pipeline.ingest.formats.typed_rows`. Other columns are not read.

A rejected row's number is its row in Parquet, and in CSV the line that it begins in.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.catalog import Domain
from pipeline.catalog.domains import Columns, ItemColumns
from pipeline.columns import RAW_ITEMS
from pipeline.ingest.formats.blocks import decode, opened_bytes
from pipeline.ingest.formats.delimited import Layout, first_line
from pipeline.ingest.formats.quoted_csv import parse_record, read_csv_rows
from pipeline.ingest.formats.rows import ReadLog, RowError
from pipeline.ingest.formats.typed_rows import Rows, accepts, is_text, review_batch, usable_rows

_TARGETS = {"user": "user_id", "item": "item_id"}
"""Where a key of the catalog is named unlike the column that it becomes."""

_REQUIRED = ("user_id", "item_id", "timestamp")
_PARQUET = b"PAR1"
_BATCH_ROWS = 131_072


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """Which columns of a file are read."""

    path: Path
    names: dict[str, str]  # column that it becomes to the file's name of it
    keys: dict[str, str]  # and to the catalog's key that says so
    separator: str  # of CSV
    separator_key: str


def places(domain: Domain) -> dict[str, tuple[str, str]]:
    assert domain.reviews is not None  # the catalog requires it of this format
    items = {"items": (domain.items, "items")} if domain.items else {}
    return {"reviews": (domain.reviews, "reviews"), **items}


def read_reviews(paths: dict[str, Path], log: ReadLog) -> Iterator[pa.RecordBatch]:
    """Interactions in REVIEWS columns; those that the domain's `columns` does not name are null.

    Raises ValueError, naming file, column and the catalog's key, where a column is missing,
    there twice or of a type that cannot be used, where Parquet is damaged, and, naming the row,
    where more rows are rejected than the domain allows.
    """
    assert log.domain.columns is not None  # the catalog requires it of this format
    wanted = _wanted(paths["reviews"], log.domain.columns, "columns", log.domain)
    for rows in _read(wanted, log):
        yield review_batch(wanted.path, rows, wanted.names, _REQUIRED, log)


def read_items(paths: dict[str, Path], log: ReadLog) -> Iterator[pa.RecordBatch]:
    """The items in RAW_ITEMS columns; errors as in `read_reviews`."""
    if "items" not in paths:
        return
    assert log.domain.item_columns is not None  # the catalog requires it where there are items
    wanted = _wanted(paths["items"], log.domain.item_columns, "item_columns", log.domain)
    for rows in _read(wanted, log):
        typed = usable_rows(wanted.path, rows, wanted.names, ("item_id",), log)
        none = pa.nulls(len(typed["item_id"]), pa.string())
        typed["categories"] = _one_each(typed.get("category", none))
        typed["image_urls"] = _one_each(typed.get("image_url", none))
        columns = [typed.get(name, none) for name in RAW_ITEMS.names]
        yield pa.RecordBatch.from_arrays(columns, names=RAW_ITEMS.names)


def _wanted(path: Path, columns: Columns | ItemColumns, key: str, domain: Domain) -> _Wanted:
    keys = [entry.name for entry in fields(columns) if getattr(columns, entry.name) is not None]
    targets = {name: _TARGETS.get(name, name) for name in keys}
    return _Wanted(
        path=path,
        names={target: getattr(columns, name) for name, target in targets.items()},
        keys={target: f"domain.{domain.name}.{key}.{name}" for name, target in targets.items()},
        separator=domain.separator,
        separator_key=f"domain.{domain.name}.separator",
    )


def _read(wanted: _Wanted, log: ReadLog) -> Iterator[Rows]:
    with opened_bytes(wanted.path) as file:
        is_parquet = file.read(len(_PARQUET)) == _PARQUET
    return _parquet_rows(wanted) if is_parquet else _csv_rows(wanted, log)


def _csv_rows(wanted: _Wanted, log: ReadLog) -> Iterator[Rows]:
    path, separator = wanted.path, wanted.separator
    if len(separator) != 1 or separator in '"\r\n':
        raise ValueError(
            f"{wanted.separator_key} = {separator!r}; it must be one character, such as a comma, a "
            'semicolon or a tab ("\\t")'
        )
    first = first_line(path)
    if first is None:
        return
    row, line = first
    try:
        header = [name.strip() for name in parse_record(decode(line), separator)]
    except RowError as error:
        raise ValueError(
            f"{path} row {row}: the header is {error}. A table is Parquet, or CSV in UTF-8 with a "
            "header"
        ) from error
    _check_names(wanted, header, f"; fields are parted by {wanted.separator_key} = {separator!r}")
    layout = Layout(
        separator=separator,
        width=len(header),
        places={target: header.index(name) for target, name in wanted.names.items()},
        names=wanted.names,
    )
    yield from read_csv_rows(path, layout, after=row, log=log)


def _check_names(wanted: _Wanted, there: list[str], about: str = "") -> None:
    for target, name in wanted.names.items():
        if there.count(name) != 1:
            what = "several columns" if name in there else "no column"
            raise ValueError(
                f"{wanted.path} has {what} named {name!r}, which {wanted.keys[target]} asks for; "
                f"its columns are {', '.join(map(repr, there))}{about}. Correct that key"
            )


def _parquet_rows(wanted: _Wanted) -> Iterator[Rows]:
    file, names = _open_parquet(wanted.path)
    _check_names(wanted, names)
    for target, name in wanted.names.items():
        kind = file.schema_arrow.field(name).type
        if not accepts(target, kind):
            raise ValueError(
                f"{wanted.path}: column {name!r} is of type {kind}, which {wanted.keys[target]} "
                f"cannot use as {target}. {_REMEDIES.get(target, _AS_TEXT)}"
            )
    first = 1
    for batch in _parquet_batches(file, wanted):
        numbers = np.arange(first, first + batch.num_rows, dtype=np.int64)
        columns = {target: _decoded(batch[name]) for target, name in wanted.names.items()}
        yield _only_utf8(Rows(numbers=numbers, columns=columns), wanted.names)
        first += batch.num_rows


def _decoded(values: pa.Array) -> pa.Array:
    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


_AS_TEXT = "Write it as texts"
_REMEDIES = {
    "user_id": "Write ids as texts or whole numbers",
    "item_id": "Write ids as texts or whole numbers",
    "timestamp": "Write times as timestamps, numbers or ISO 8601 texts",
    "rating": "Write ratings as numbers",
}


def _open_parquet(path: Path) -> tuple[pq.ParquetFile, list[str]]:
    """The file and the names of its columns."""
    try:
        file = pq.ParquetFile(path)
        return file, file.schema_arrow.names
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ValueError(_damaged(path, error)) from error


def _parquet_batches(file: pq.ParquetFile, wanted: _Wanted) -> Iterator[pa.RecordBatch]:
    try:
        yield from file.iter_batches(_BATCH_ROWS, columns=sorted(set(wanted.names.values())))
    except (pa.ArrowException, OSError) as error:
        raise ValueError(_damaged(wanted.path, error)) from error


def _damaged(path: Path, error: Exception) -> str:
    return (
        f"{path} begins like Parquet but cannot be read ({error}). Write or fetch it again, "
        "not packed with gzip or zstd"
    )


def _only_utf8(rows: Rows, names: dict[str, str]) -> Rows:
    """Without the rows of texts that are none: Parquet does not check what it calls texts."""
    rejected: dict[int, str] = {}
    for target, values in rows.columns.items():
        if not is_text(values.type) or _is_utf8(values):
            continue
        for number, value in zip(rows.numbers, values.cast(pa.binary()).to_pylist(), strict=True):
            try:
                decode(value or b"")
            except RowError as error:
                rejected.setdefault(int(number), f"{names[target]!r} is {error}")
    if not rejected:
        return rows
    kept = ~np.isin(rows.numbers, list(rejected))
    return Rows(
        numbers=rows.numbers[kept],
        columns={target: values.filter(pa.array(kept)) for target, values in rows.columns.items()},
        rejected=tuple(rejected.items()),
    )


def _is_utf8(texts: pa.Array) -> bool:
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _one_each(texts: pa.Array) -> pa.Array:
    """A list for each text, of it alone; empty where it is null."""
    ends = np.cumsum(texts.is_valid().to_numpy(zero_copy_only=False))
    offsets = np.concatenate(([0], ends)).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), texts.drop_null())
