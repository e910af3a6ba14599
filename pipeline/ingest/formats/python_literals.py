"""The dialect of older metadata dumps: a line is a Python dict, not JSON.

`ast.literal_eval` builds literals alone and runs nothing; its cost grows with a line's length,
and in formatted strings with its braces times its length, so both are bounded here. It bounds
nesting itself.
"""

import ast
import re
import warnings
from typing import Any

from pipeline.ingest.formats.rows import RowError, shown

LONGEST = 1 << 20
"""Characters. Metadata lines have some thousand; related products alone may fill 100,000."""

MOST_BRACES = 1_000
"""Opening ones. Metadata lines have about three."""

_HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]|\\U0000[dD][89a-fA-F]")


def parse_literal(line: str) -> Any:
    """The value of a Python literal. RowError where the line is none, or is too long or deep."""
    _check_bounds(line)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "\\d" in a text is no fault of ours
            return ast.literal_eval(line)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        reason = shown(str(error).split("\n")[0])
        raise RowError(f"neither JSON nor a Python literal: {reason}") from error


def _check_bounds(line: str) -> None:
    braces = line.count("{")
    if len(line) > LONGEST or braces > MOST_BRACES:
        raise RowError(
            f"a Python literal of {len(line)} characters and {braces} opening braces; at most "
            f"{LONGEST} and {MOST_BRACES} are read"
        )
    if half := _HALF_PAIR.search(line):
        raise RowError(f"a Python literal with {half[0]!r}..., half a character of UTF-16")
