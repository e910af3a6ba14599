"""Blocks as one HTML page, for eyes and for screen readers.

The page holds everything inline, runs no script and asks nothing of any network; its content
policy forbids it to. What a reader folds open needs no script either.
"""

import base64
import hashlib
import html
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.evaluate.document import (
    Block,
    Bullets,
    Cell,
    Chart,
    Charts,
    Fold,
    Grid,
    Heading,
    Paragraph,
    Picture,
)
from pipeline.evaluate.report.style import STYLE


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of the page that its list of contents names; its headings begin at level 3."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]


def to_page(title: str, lead: Sequence[str], about: str, parts: Sequence[Part]) -> str:
    """A page: its title, sentences to quote, what it is, then its parts."""
    links = "".join(
        f'<li><a href="#{part.anchor}">{html.escape(part.title)}</a></li>' for part in parts
    )
    return _PAGE.format(
        title=html.escape(title),
        policy=style_digest(),
        style=STYLE,
        lead="".join(f'<p class="lead">{html.escape(sentence)}</p>\n' for sentence in lead),
        about=html.escape(about),
        links=links,
        body="\n".join(_part(part) for part in parts),
    )


def style_digest() -> str:
    """What the content policy allows as style: this very text and no other."""
    digest = hashlib.sha256(STYLE.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def _part(part: Part) -> str:
    body = _blocks(part.blocks, part.title)
    return (
        f'<section id="{part.anchor}" aria-labelledby="{part.anchor}-title">\n'
        f'<h2 id="{part.anchor}-title">{html.escape(part.title)}</h2>\n{body}\n</section>'
    )


def _blocks(blocks: Sequence[Block], title: str, fold: str = "") -> str:
    """Blocks in their order; a table without a caption is called as the heading above it.

    Inside a `fold` its summary comes before, so that no two tables have one name.
    """
    printed = []
    for block in blocks:
        if isinstance(block, Heading):
            title = block.text
        printed.append(_block(block, title, fold))
    return "\n".join(printed)


def _block(block: Block, title: str, fold: str) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{html.escape(text)}</h{level}>"
        case Paragraph(text):
            return f"<p>{html.escape(text)}</p>"
        case Bullets(items):
            return "<ul>" + "".join(f"<li>{html.escape(item)}</li>" for item in items) + "</ul>"
        case Grid():
            caption = block.caption or title
            return _table(block, caption if fold in ("", caption) else f"{fold}: {caption}")
        case Chart():
            return _figure(block)
        case Charts(charts, small):
            kind = "charts small" if small else "charts"
            return f'<div class="{kind}">{"".join(map(_figure, charts))}</div>'
        case Picture(name, png):
            data = base64.b64encode(png).decode("ascii")
            alt = html.escape(name, quote=True)
            image = f'<img alt="{alt}" src="data:image/png;base64,{data}">'
            return f"<figure><figcaption>{html.escape(name)}</figcaption>{image}</figure>"
        case Fold(summary, blocks):
            return (
                f"<details><summary>{html.escape(summary)}</summary>\n"
                f"{_blocks(blocks, summary, summary)}\n</details>"
            )


def _figure(chart: Chart) -> str:
    return f"<figure><figcaption>{html.escape(chart.title)}</figcaption>{chart.svg}</figure>"


def _table(grid: Grid, caption: str) -> str:
    head = "".join(
        f'<th scope="col"{_word(place, grid)}>{html.escape(name)}</th>'
        for place, name in enumerate(grid.header)
    )
    body = "\n".join(_row(row, grid) for row in grid.rows)
    name = html.escape(caption, quote=True)
    return (
        f'<div class="wide" role="group" aria-label="{name}" tabindex="0"><table>'
        f'<caption class="unseen">{html.escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>"
    )


def _row(row: tuple[Cell, ...], grid: Grid) -> str:
    first, *others = row
    cells = "".join(
        f"<td{_word(place, grid)}>{_cell(cell)}</td>" for place, cell in enumerate(others, 1)
    )
    return f'<tr><th scope="row" class="word">{_cell(first)}</th>{cells}</tr>'


def _word(place: int, grid: Grid) -> str:
    return ' class="word"' if place < grid.words else ""


def _cell(cell: Cell) -> str:
    text = html.escape(cell.text)
    text = f"<strong>{text}</strong>" if cell.strong else text
    return f"{text}<small>{html.escape(cell.detail)}</small>" if cell.detail else text


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src '{policy}'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header>
<h1>{title}</h1>
{lead}<p class="about">{about}</p>
</header>
<nav aria-label="Contents"><ul>{links}</ul></nav>
<main id="content" tabindex="-1">
{body}
</main>
</body>
</html>
"""
