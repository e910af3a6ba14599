"""A report as a list of blocks, and its printing as Markdown; pipeline/evaluate/report/markup.py
prints the same blocks as HTML.

All text is data here: it is escaped in both forms.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.markdown import plain


@dataclass(frozen=True)
class Heading:
    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    text: str


@dataclass(frozen=True)
class Bullets:
    items: tuple[str, ...]


@dataclass(frozen=True)
class Cell:
    text: str
    detail: str = ""  # printed small beside or below the text
    strong: bool = False


@dataclass(frozen=True)
class Grid:
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""  # of the page alone; where it is empty, the heading above is the caption
    words: int = 1  # so many columns are text, the others are figures; of the page alone


@dataclass(frozen=True)
class Chart:
    """A drawing for the page alone; Markdown leaves it out."""

    title: str
    svg: str  # one element, escaped already; see pipeline/evaluate/report/charts.py


@dataclass(frozen=True)
class Charts:
    """Drawings of one kind, beside each other where the screen is wide enough."""

    charts: tuple[Chart, ...]
    small: bool = False  # more of them fit beside each other


@dataclass(frozen=True)
class Picture:
    """A PNG for the page alone; Markdown leaves it out."""

    title: str
    png: bytes


@dataclass(frozen=True)
class Fold:
    """Long parts, which the page shows when it is asked to; Markdown shows them."""

    summary: str
    blocks: "tuple[Block, ...]"


Block = Heading | Paragraph | Bullets | Grid | Chart | Charts | Picture | Fold


def lowered(blocks: Sequence[Block]) -> list[Block]:
    """The same blocks one level deeper, to stand inside another part."""
    return [
        replace(block, level=block.level + 1) if isinstance(block, Heading) else block
        for block in blocks
    ]


def to_markdown(blocks: Sequence[Block]) -> str:
    """GitHub's Markdown."""
    parts = [_markdown(block) for block in blocks]
    return "\n\n".join(part for part in parts if part) + "\n"


def _markdown(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {plain(text)}"
        case Paragraph(text):
            return plain(text)
        case Bullets(items):
            return "\n".join(f"- {plain(item)}" for item in items)
        case Grid(header, rows):
            lines = [header, ("---", *("---:" for _ in header[1:]))]
            printed = [" | ".join(map(_plain_header, line)) for line in lines]
            printed += [" | ".join(map(_plain_cell, row)) for row in rows]
            return "\n".join(f"| {line} |" for line in printed)
        case Fold(_, blocks):
            return to_markdown(blocks).strip()
        case Chart() | Charts() | Picture():
            return ""


def _plain_header(text: str) -> str:
    return text if set(text) <= set("-:") else plain(text)


def _plain_cell(cell: Cell) -> str:
    text = plain(cell.text)
    text = f"**{text}**" if cell.strong and text else text
    return f"{text} {plain(cell.detail)}".strip()
