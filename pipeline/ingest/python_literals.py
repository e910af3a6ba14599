"""The dialect of older metadata dumps: a line is a Python dict, not JSON.

`ast.literal_eval` builds literals alone and runs nothing; its cost grows with a line's length
and nesting, so both are bounded here.
"""

import ast
import warnings
from typing import Any

from pipeline.ingest.rows import RowError, shown

LONGEST = 4 << 20
"""Characters. Metadata lines have some thousand; related products alone may fill 100,000."""


def parse_literal(line: str) -> Any:
    """The value of a Python literal. RowError where the line is none, or is too long or deep."""
    if len(line) > LONGEST:
        raise RowError(f"a Python literal of {len(line)} characters; at most {LONGEST} are read")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # "\d" in a text is no fault of ours
            return ast.literal_eval(line)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        reason = shown(str(error).split("\n")[0])
        raise RowError(f"neither JSON nor a Python literal: {reason}") from error
