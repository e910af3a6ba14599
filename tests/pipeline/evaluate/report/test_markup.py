"""The page: nothing leaves its cell, everything has a name, nothing is asked of any network."""

import base64
import hashlib
import re
from html.parser import HTMLParser

from pipeline.evaluate.document import (
    Bullets,
    Cell,
    Charts,
    Fold,
    Grid,
    Heading,
    Paragraph,
    Picture,
    to_markdown,
)
from pipeline.evaluate.report.charts import Mark, curves_chart, interval_chart
from pipeline.evaluate.report.markup import Part, to_page

NASTY = "<script>alert('$x$')</script> \" onload=x | **Tea** & [a](http)"
VOID = {"meta", "img"}


def marks(*values: float) -> list[Mark]:
    return [Mark(label=NASTY, mean=one, low=one - 0.1, high=one + 0.1) for one in values]


def page() -> str:
    grid = Grid((NASTY, "HR@10"), ((Cell(NASTY, NASTY, strong=True), Cell("0.1", "d")),))
    charts = Charts(
        (
            interval_chart(NASTY, marks(0.2, 0.3), NASTY),
            curves_chart(NASTY, {NASTY: [1, 2]}, (1, 2)),
        )
    )
    blocks = (
        Paragraph(NASTY),
        Heading(NASTY, 3),
        grid,
        Bullets((NASTY,)),
        charts,
        Picture(NASTY, b"\x89PNG"),
        Fold(NASTY, (Heading(NASTY, 4), grid)),
    )
    part = Part(anchor="first", title=NASTY, blocks=blocks)
    return to_page(NASTY, [NASTY], NASTY, [part, Part(anchor="second", title="b", blocks=())])


class Tags(HTMLParser):
    """Every tag with its attributes; closing ones must match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_data_stay_text_wherever_they_stand() -> None:
    tags = Tags(page()).found
    assert not [tag for tag, _ in tags if tag == "script"]
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]


def test_the_page_asks_nothing_of_any_network_and_allows_its_own_style_alone() -> None:
    text = page()
    tags = Tags(text).found
    links = [a[name] for _, a in tags for name in ("src", "href", "data", "srcset") if name in a]
    assert all(str(link).startswith(("#", "data:image/png;base64,")) for link in links)
    assert "@import" not in text and "url(" not in text
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.S)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = next(str(a["content"]) for _, a in tags if "http-equiv" in a)
    assert policy == f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'"
    assert not [a for _, a in tags if "style" in a]  # which that policy would not allow


def test_contents_lead_to_every_part_and_the_skip_link_to_the_main_one() -> None:
    tags = Tags(page()).found
    ids = [a["id"] for _, a in tags if "id" in a]
    assert len(set(ids)) == len(ids)
    links = [str(a["href"]).removeprefix("#") for tag, a in tags if tag == "a"]
    assert links == ["content", "first", "second"] and set(links) <= set(ids)


def test_tables_have_captions_and_scopes_and_drawings_have_names() -> None:
    text = page()
    tags = Tags(text).found
    assert text.count("<table>") == text.count("<caption") == 2
    scopes = [a.get("scope") for tag, a in tags if tag == "th"]
    assert scopes.count("col") == 4 and scopes.count("row") == 2 and None not in scopes
    drawings = [a for tag, a in tags if tag == "svg"]
    assert [a["role"] for a in drawings] == ["img", "img"] and all(
        a["aria-label"] for a in drawings
    )
    assert text.count("<desc>") == 2
    assert [a["alt"] for tag, a in tags if tag == "img"] == [NASTY]


def test_a_table_is_called_as_the_heading_above_it_unless_it_has_a_caption() -> None:
    rows = ((Cell("a"),),)
    own = Grid(("x",), rows, caption="Own")
    blocks = (Heading("Above", 3), Grid(("x",), rows), own, Fold("More", (own,)))
    text = to_page("t", [], "", [Part(anchor="p", title="Part", blocks=blocks)])
    assert re.findall(r"<caption[^>]*>(.*?)</caption>", text) == ["Above", "Own", "More: Own"]


def test_markdown_leaves_drawings_out_and_shows_what_the_page_folds() -> None:
    chart = interval_chart("t", marks(0.5), "m")
    blocks = [Fold("more", (Paragraph("inside"), chart)), Charts((chart,)), Picture("p", b"")]
    assert to_markdown(blocks) == "inside\n"
