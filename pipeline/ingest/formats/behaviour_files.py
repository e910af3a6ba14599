"""Reader of released multi-behaviour sets: each file holds one behaviour, in one part of a split.

A text file has lines "user item item ...", parted by blanks or tabs; one pair a line is the
special case. A Parquet file has the columns user and item, of whole numbers or texts. Which of
the two a file is, is read from its first bytes. MBGCN's and MBCGCN's releases are such folders.

There are no times: `timestamp` is the pair's 0-based position in its user's sequence, counted
through the file, so a user may have one line or several. A pair that a file repeats is emitted
again. Of items there is nothing but the ids.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.catalog import BehaviourFile, Domain
from pipeline.columns import REVIEWS
from pipeline.ingest.formats.blocks import opened_bytes
from pipeline.ingest.formats.parsed_lines import parsed_lines
from pipeline.ingest.formats.rows import BATCH_ROWS, ReadLog, RowError, shown

_PARQUET = b"PAR1"
_PAIRS = {"user_id": pl.String, "item_id": pl.String}
_PAIRS_AT_ONCE = 1 << 20


def places(domain: Domain) -> dict[str, tuple[str, str]]:
    """Every file of `behaviour_files`, by roles such as "buy-train".

    Raises ValueError where a name leaves the folder, or a file is named twice.
    """
    assert domain.folder is not None  # the catalog requires it of this format
    files = _files(domain)
    names = [PurePosixPath(entry.file) for entry in files.values()]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(
                f"domain.{domain.name}.behaviour_files names {str(name)!r} more than once; a "
                "file holds one behaviour of one part"
            )
    return {role: (_inside(domain, entry.file), "behaviour_files") for role, entry in files.items()}


def read_reviews(paths: dict[str, Path], log: ReadLog) -> Iterator[pa.RecordBatch]:
    """Pairs in REVIEWS columns, file after file as the catalog names them.

    `timestamp` as said above; rating, text and verified are null. Raises ValueError, naming the
    file, where a Parquet file is damaged or lacks a column, and where more rows are rejected
    than the domain allows.
    """
    for role, entry in _files(log.domain).items():
        path = paths[role]
        pairs = _parquet_pairs(path, log) if _is_parquet(path) else _text_pairs(path, log)
        for frame in _numbered(pairs):
            log.rows += frame.height
            yield from _filled(frame, entry)


def read_items(paths: dict[str, Path], log: ReadLog) -> Iterator[pa.RecordBatch]:
    """Nothing: such a set has no metadata."""
    yield from ()


def _files(domain: Domain) -> dict[str, BehaviourFile]:
    """The files by their roles; a second one of a behaviour and part is numbered."""
    files: dict[str, BehaviourFile] = {}
    for entry in domain.behaviour_files:
        role, count = f"{entry.behaviour}-{entry.part}", 1
        while role in files:
            count += 1
            role = f"{entry.behaviour}-{entry.part}-{count}"
        files[role] = entry
    return files


def _inside(domain: Domain, name: str) -> str:
    """A file's path below the data folder."""
    path = PureWindowsPath(name)  # which parts names at both kinds of slashes
    if path.anchor or ".." in path.parts or not path.name:
        raise ValueError(
            f"domain.{domain.name}.behaviour_files names the file {name!r}; it must be a path "
            f"inside the folder {domain.folder!r}"
        )
    return str(PurePosixPath(str(domain.folder)) / name)


def _is_parquet(path: Path) -> bool:
    with opened_bytes(path) as file:
        return file.read(len(_PARQUET)) == _PARQUET


def _text_pairs(path: Path, log: ReadLog) -> Iterator[pl.DataFrame]:
    users: list[str] = []
    items: list[str] = []
    for user, sequence in parsed_lines(path, _sequence, log):
        users.extend([user] * len(sequence))
        items.extend(sequence)
        if len(items) >= _PAIRS_AT_ONCE:
            yield pl.DataFrame({"user_id": users, "item_id": items}, schema=_PAIRS)
            users, items = [], []
    yield pl.DataFrame({"user_id": users, "item_id": items}, schema=_PAIRS)


def _sequence(line: str) -> tuple[str, list[str]]:
    user, *items = [field for field in line.replace("\t", " ").split(" ") if field]
    if not items:
        raise RowError(f"user {shown(user)} without items; a line is 'user item item ...'")
    return user, items


def _parquet_pairs(path: Path, log: ReadLog) -> Iterator[pl.DataFrame]:
    row = 1
    try:
        with pq.ParquetFile(path) as file:
            _check_columns(file.schema_arrow, path)
            for batch in file.iter_batches(batch_size=_PAIRS_AT_ONCE, columns=["user", "item"]):
                batch.validate(full=True)  # texts that are not UTF-8
                columns = (batch.column(name).cast(pa.large_string()) for name in ("user", "item"))
                frame = pl.DataFrame(pa.table(list(columns), names=list(_PAIRS)))
                yield _without_nulls(frame, path, row, log)
                row += batch.num_rows
    except (OSError, pa.ArrowException) as error:
        raise ValueError(
            f"{path} cannot be read as Parquet ({error}): it is damaged. Fetch the file again"
        ) from error


def _check_columns(schema: pa.Schema, path: Path) -> None:
    for name in ("user", "item"):
        if schema.names.count(name) != 1:
            raise ValueError(
                f"{path} needs one column {name!r}; it has {', '.join(schema.names)}. Rename its "
                "columns to user and item, or describe the file to the catalog as a table"
            )
        kind = schema.field(name).type
        inner = kind.value_type if pa.types.is_dictionary(kind) else kind
        if not (pa.types.is_integer(inner) or inner in (pa.string(), pa.large_string())):
            raise ValueError(
                f"{path}: column {name!r} is of type {kind}; it must hold whole numbers or texts"
            )


def _without_nulls(frame: pl.DataFrame, path: Path, row: int, log: ReadLog) -> pl.DataFrame:
    """The pairs that are whole; the others are rejected. `row` is the number of the first."""
    for name in ("user", "item"):
        for index in frame.select(pl.col(f"{name}_id").is_null().arg_true()).to_series():
            log.reject(path, row + index, f"column {name!r} holds no value")
    return frame.drop_nulls()


def _numbered(pairs: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The pairs with their positions in their users' sequences."""
    counts = pl.DataFrame(schema={"user_id": pl.String, "before": pl.Int64})
    for frame in pairs:
        known = frame.join(counts, on="user_id", how="left", maintain_order="left")
        position = pl.int_range(pl.len()).over("user_id") + pl.col("before").fill_null(0)
        numbered = known.select("user_id", "item_id", timestamp=position)
        now = numbered.group_by("user_id").agg(before=pl.col("timestamp").max() + 1)
        counts = counts.update(now, on="user_id", how="full")
        yield numbered


def _filled(frame: pl.DataFrame, entry: BehaviourFile) -> list[pa.RecordBatch]:
    columns = {
        "behaviour": pl.lit(entry.behaviour),
        "part": pl.lit(entry.part),
        "rating": pl.lit(None, pl.Float32),
        "text": pl.lit(None, pl.String),
        "verified": pl.lit(None, pl.Boolean),
    }
    table = frame.with_columns(**columns).select(REVIEWS.names).to_arrow()
    of_types: pa.Table = table.cast(pa.schema(list(zip(REVIEWS.names, REVIEWS.types, strict=True))))
    return of_types.to_batches(max_chunksize=BATCH_ROWS)
