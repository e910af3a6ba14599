"""Lines as rows, the ones that cannot be used noted and left out."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from pipeline.ingest.formats.blocks import decode, read_lines
from pipeline.ingest.formats.rows import ReadLog, RowError

T = TypeVar("T")


def parsed_lines(path: Path, parse: Callable[[str], Any], log: ReadLog) -> Iterator[Any]:
    """What `parse` makes of each line of a file in UTF-8. Errors as in `parsed`."""
    return parsed(path, read_lines(path, log), lambda line: parse(decode(line)), log)


def parsed(
    path: Path, rows: Iterable[tuple[int, T]], parse: Callable[[T], Any], log: ReadLog
) -> Iterator[Any]:
    """What `parse` makes of each of a file's numbered rows.

    Where it raises RowError, `log` notes the row instead; ValueError where it allows no more.
    """
    for number, row in rows:
        try:
            made = parse(row)
        except RowError as error:
            log.reject(path, number, str(error))
            continue
        yield made
