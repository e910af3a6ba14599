"""Whole numbers in the text of raw files: indices, counts and times."""

from pipeline.ingest.formats.rows import RowError, shown

MOST_DIGITS = 18
"""So that a number, and sums with it, fit into 64 bits; `int` itself would take any length."""


def whole_number(text: str, field: str) -> int:
    """ASCII digits as a number, 0 to 10^18 - 1. RowError, naming `field`, where `text` is other."""
    if not (text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS):
        raise RowError(
            f"{field} is {shown(text)}; it must be a whole number of at most {MOST_DIGITS} digits"
        )
    return int(text)
