"""Lines of a text file as rows, the ones that cannot be used noted and left out."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pipeline.ingest.formats.blocks import decode, read_lines
from pipeline.ingest.formats.rows import ReadLog, RowError


def parsed_lines(path: Path, parse: Callable[[str], Any], log: ReadLog) -> Iterator[Any]:
    """What `parse` makes of each line; where it raises RowError, `log` notes the line instead."""
    for number, line in read_lines(path):
        try:
            row = parse(decode(line))
        except RowError as error:
            log.reject(path, number, str(error))
            continue
        yield row
