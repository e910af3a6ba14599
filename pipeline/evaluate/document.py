"""A report as a list of blocks, and the two forms it is printed in: Markdown and one HTML page.

All text is data here: it is escaped in both forms. The page holds everything inline, runs no
script and asks nothing of any network; its content policy forbids it to.
"""

import base64
import html
from dataclasses import dataclass

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
    rows: tuple[tuple[Cell, ...], ...]  # the first column is text, the others are figures


@dataclass(frozen=True)
class Picture:
    """A PNG. The HTML page shows it, Markdown leaves it out."""

    title: str
    png: bytes


Block = Heading | Paragraph | Bullets | Grid | Picture


def to_markdown(blocks: list[Block]) -> str:
    """GitHub's Markdown."""
    parts = [_markdown(block) for block in blocks]
    return "\n\n".join(part for part in parts if part) + "\n"


def to_html(title: str, blocks: list[Block]) -> str:
    """One self-contained page that a phone can read."""
    body = "\n".join(_html(block) for block in blocks)
    return _PAGE.format(title=html.escape(title), style=_STYLE, body=body)


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
        case Picture():
            return ""


def _plain_header(text: str) -> str:
    return text if set(text) <= set("-:") else plain(text)


def _plain_cell(cell: Cell) -> str:
    text = plain(cell.text)
    text = f"**{text}**" if cell.strong and text else text
    return f"{text} {plain(cell.detail)}".strip()


def _html(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{html.escape(text)}</h{level}>"
        case Paragraph(text):
            return f"<p>{html.escape(text)}</p>"
        case Bullets(items):
            return "<ul>" + "".join(f"<li>{html.escape(item)}</li>" for item in items) + "</ul>"
        case Grid(header, rows):
            head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in header)
            body = "".join(_html_row(row) for row in rows)
            table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
            return f'<div class="wide" tabindex="0">{table}</div>'
        case Picture(title, png):
            data = base64.b64encode(png).decode("ascii")
            alt = html.escape(title, quote=True)
            image = f'<img alt="{alt}" src="data:image/png;base64,{data}">'
            return f"<figure>{image}<figcaption>{html.escape(title)}</figcaption></figure>"


def _html_row(row: tuple[Cell, ...]) -> str:
    first, *figures = row
    cells = f'<th scope="row">{_html_cell(first)}</th>'
    return f"<tr>{cells}{''.join(f'<td>{_html_cell(cell)}</td>' for cell in figures)}</tr>"


def _html_cell(cell: Cell) -> str:
    text = html.escape(cell.text)
    text = f"<strong>{text}</strong>" if cell.strong else text
    return f"{text}<small>{html.escape(cell.detail)}</small>" if cell.detail else text


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""

_STYLE = """
:root { color-scheme: light dark; --line: #8885; --soft: #8881; }
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.6rem; } h2 { margin-top: 2.5rem; } h3 { margin-top: 1.8rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .6rem; text-align: right; border-bottom: 1px solid var(--line); }
th[scope=row], th:first-child { text-align: left; font-weight: normal; }
thead th { background: var(--soft); font-weight: 600; white-space: nowrap; }
small { display: block; opacity: .7; white-space: nowrap; }
figure { margin: 1.5rem 0; } figcaption { opacity: .7; }
img { max-width: 100%; height: auto; background: #fff; }
li { margin: .3rem 0; overflow-wrap: anywhere; }
"""
