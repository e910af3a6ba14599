"""Text and tables as GitHub's Markdown. All text is data: none of it has a meaning there."""

import re
from collections.abc import Iterable, Sequence


def plain(text: str) -> str:
    """Text on one line, without meaning to Markdown or to HTML inside Markdown."""
    one_line = " ".join(text.split())
    escaped = re.sub(r"([\\`*\[\]|~])", r"\\\1", one_line)
    escaped = escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # Inside a word an underscore is only an underscore; a line's start can open a list.
    escaped = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", escaped)
    # Where a bare URL were made a link, an escape in it would be seen.
    escaped = escaped.replace("://", "\\://")
    escaped = re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", escaped)
    return re.sub(r"^([#+-])(?=\s|$)", r"\\\1", escaped)


def table(header: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> str:
    """A table whose first `words` columns are text; the others are figures, set to the right."""
    lines = [
        " | ".join(map(plain, header)),
        " | ".join(["---"] * words + ["---:"] * (len(header) - words)),
        *(" | ".join(map(plain, row)) for row in rows),
    ]
    return "\n".join(f"| {line} |" for line in lines)


def bullets(items: Iterable[str]) -> str:
    return "\n".join(f"- {plain(item)}" for item in items)
