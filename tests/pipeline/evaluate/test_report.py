"""What the report says, and that nothing in its data can leave its cell."""

import base64
import re
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pytest

from pipeline.evaluate.document import (
    Bullets,
    Cell,
    Grid,
    Heading,
    Paragraph,
    Picture,
    to_html,
    to_markdown,
)
from pipeline.evaluate.leaderboard import build_leaderboard
from pipeline.evaluate.plots import hit_rate_bars, training_curves
from pipeline.evaluate.published import published_table
from pipeline.evaluate.report import Report, chance, html_report, markdown_report
from pipeline.evaluate.significance import Bootstrap

NASTY = "<script>alert('$x$')</script> | **Tea** & [a](http)"


@pytest.fixture
def report(make_ranks):
    systems = {
        "popularity": [50.0] * 19 + [1.0],
        "lgcd": [[[1.0] * 10 + [50.0] * 10], [[1.0] * 12 + [50.0] * 8]],
        "sasrec": [6.0] * 5 + [80.0] * 15,
    }
    test, valid = (make_ranks(systems, part=part) for part in ("test", "valid"))
    published = published_table("lgcd-food-kitchen")
    table = build_leaderboard(test, valid, published=published, bootstrap=Bootstrap(resamples=100))
    return Report(
        scenario="food-kitchen",
        leaderboard=table,
        ranks=test,
        published=published,
        notes=(NASTY, "Titles were generated for 80 users."),
        curves={"lgcd, seed 0": [0.1, 0.3, 0.2], NASTY: [0.2]},
    )


def table_below(markdown, heading):
    lines = markdown.split(heading)[1].strip().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("|"))
    stop = next((i for i in range(start, len(lines)) if not lines[i].startswith("|")), len(lines))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[start:stop]]


def test_systems_are_sorted_by_hr_at_10_and_the_best_is_bold(report):
    rows = table_below(markdown_report(report), "### Negatives from the target domain (primary)")
    assert rows[0][:3] == ["System", "HR@5", "HR@10"]
    assert [row[0] for row in rows[2:]] == [
        "lgcd",
        "sasrec",
        "popularity",
        "random order, expected",
    ]
    assert re.fullmatch(r"\*\*0\.5500\*\* \(0\.\d+ to 0\.\d+\) . 0\.071", rows[2][2])
    assert rows[3][2].startswith("0.2500 ")
    assert [row[2] for row in rows if "**" in row[2]] == [rows[2][2]]


def test_the_baseline_to_beat_is_named_and_the_others_carry_p(report):
    markdown = markdown_report(report)
    assert "Baseline to beat: sasrec, chosen on validation users." in markdown
    rows = table_below(markdown, "### Negatives from the target domain (primary)")
    assert rows[3][5:] == ["to beat", "to beat"]
    assert 0 < float(rows[2][5]) < 0.2
    assert float(rows[4][5]) > 0.01
    assert rows[5][5:] == ["", ""]


def test_training_says_where_each_run_was_best(report):
    rows = table_below(markdown_report(report), "## Training")
    assert rows[-1] == ["lgcd, seed 0", "3", "0.3000", "2"]


def test_all_three_pools_are_reported(report):
    markdown = markdown_report(report)
    for heading in ("### Negatives from all domains", "### All items of the target domain"):
        assert table_below(markdown, heading)[2][0] == "lgcd"


def test_published_figures_stand_beside_ours_in_order(report):
    rows = table_below(markdown_report(report), "### Published figures beside ours")[2:]
    assert len(rows) == 16 + 3
    hit_rates = [float(row[3].strip("*")) for row in rows]
    assert hit_rates == sorted(hit_rates, reverse=True)
    assert ["LGCD", "published", "0.2800", "0.4000", "0.1805", "0.2190"] in rows
    assert rows[0][:2] == ["**lgcd**", "ours"]


def test_both_forms_say_the_same_and_state_the_protocol(report):
    for text in (markdown_report(report), html_report(report)):
        for words in (
            "Ties count half",
            "Every system is told the target domain",
            "Popularity is always among the systems",
            "Training seeds: popularity 1, lgcd 2, sasrec 1",
            "the test users choose nothing",
            "user ids and one person may own several rows",
            "CTT on Kitchen is left out",
            "1000 (pool target, seeds 0)",
            "Titles were generated for 80 users.",
            "random order, expected",
        ):
            assert words in text, words


def test_a_missing_popularity_is_said(make_ranks):
    test, valid = (make_ranks({"lgcd": [1.0, 2.0]}, part=part) for part in ("test", "valid"))
    table = build_leaderboard(test, valid, bootstrap=Bootstrap(resamples=20))
    text = markdown_report(Report(scenario="tiny", leaderboard=table, ranks=test))
    assert "Popularity is missing" in text
    assert "What differs" not in text


def test_the_page_escapes_data_and_asks_no_network(report):
    page = html_report(report)
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert not re.search(r"https?://", page)
    assert not re.search(r"""(src|href)=["'](?!data:image/png;base64,)""", page)
    assert "default-src 'none'" in page
    assert 'name="viewport"' in page


def test_every_tag_of_the_page_is_closed_in_order(report):
    class Balance(HTMLParser):
        def __init__(self):
            super().__init__()
            self.open = []

        def handle_starttag(self, tag, attrs):
            if tag not in ("meta", "img"):
                self.open.append(tag)

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

    parser = Balance()
    parser.feed(html_report(report))
    assert parser.open == []


def test_the_pages_pictures_are_whole_and_small(report):
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', html_report(report))
    assert len(pictures) == 2
    for picture in map(base64.b64decode, pictures):
        assert picture.startswith(b"\x89PNG") and picture.endswith(b"IEND\xaeB`\x82")
        assert len(picture) < 100_000


def test_data_cannot_break_out_of_a_markdown_table():
    grid = Grid(("System", "HR@10"), ((Cell(NASTY), Cell("0.1", strong=True)),))
    line = to_markdown([grid]).splitlines()[2]
    assert len(re.findall(r"(?<!\\)\|", line)) == 3
    assert "<" not in line
    assert r"\*\*Tea\*\* &amp; \[a\](http)" in line


def test_blocks_become_markdown():
    text = to_markdown(
        [
            Heading("One_two _x_", 2),
            Paragraph("1. first\nsecond"),
            Bullets(("- a", "b")),
            Picture("p", b""),
        ]
    )
    assert text == "## One_two \\_x\\_\n\n1\\. first second\n\n- \\- a\n- b\n"


def test_blocks_become_html():
    page = to_html("A & B", [Grid(("a",), ((Cell("x<y", "d", strong=True), Cell("2")),))])
    assert "<title>A &amp; B</title>" in page
    assert "<strong>x&lt;y</strong><small>d</small>" in page
    assert page.index('<th scope="row">') < page.index("<td>2</td>")


def test_chance_is_k_in_the_number_of_candidates():
    expected = chance(np.array([[1000, 1000]]))
    assert expected["HR@5"] == pytest.approx(0.005)
    assert expected["HR@10"] == pytest.approx(0.010)
    # (1 + 1/log2(3) + 1/2 + 1/log2(5) + 1/log2(6)) / 1000
    assert expected["NDCG@5"] == pytest.approx(0.00294846, abs=1e-7)
    # Four candidates are all among the first five.
    assert chance(np.array([4]))["HR@5"] == pytest.approx(1.0)
    assert chance(np.array([4, 1000]))["HR@10"] == pytest.approx((1 + 0.010) / 2)


def test_figures_stay_small_with_many_systems(report):
    rows = report.leaderboard.to_pylist()
    many = [row | {"system": f"system_{i}"} for i in range(8) for row in rows]
    png = hit_rate_bars(pa.Table.from_pylist(many, schema=report.leaderboard.schema))
    assert png.startswith(b"\x89PNG") and len(png) < 100_000
    curves = {f"run {i}": [0.01 * i * epoch for epoch in range(40)] for i in range(12)}
    assert len(training_curves(curves)) < 100_000


def test_the_same_figures_are_the_same_bytes(report):
    assert hit_rate_bars(report.leaderboard) == hit_rate_bars(report.leaderboard)
