"""What the leaderboard says, and that nothing in its data can leave its cell."""

import re

import pyarrow as pa
import pytest

from pipeline.catalog.systems import SYSTEMS
from pipeline.evaluate.background import Background, Provenance, Upstream
from pipeline.evaluate.cost import Scoring, SystemCost
from pipeline.evaluate.document import (
    Bullets,
    Cell,
    Grid,
    Heading,
    Paragraph,
    Picture,
    to_markdown,
)
from pipeline.evaluate.leaderboard import build_leaderboard
from pipeline.evaluate.leaderboard_report import Report, markdown_report
from pipeline.evaluate.plots import hit_rate_bars
from pipeline.evaluate.published import published_table
from pipeline.evaluate.significance import Bootstrap

NASTY = "<script>alert('$x$')</script> | **Tea** & [a](http)"


PROVENANCE = Provenance(
    artifacts=(
        Upstream(name="sequences", digest="00112233aabbccdd"),
        Upstream(name="weights/lgcd", digest="f" * 16, seeds=(4, 5)),
    ),
    split_seed=7,
    candidate_seeds=(0, 1, 2),
    versions=(("coldbridge", "0.1.0"), ("torch", "2.13.0")),
)
PRIMARY = "### Negatives from the target domain (primary)"


def cost(system, num_trained, seconds):
    scoring = Scoring(
        num_trained=num_trained,
        num_stored=2000,
        seconds=1.234,
        num_users=20,
        machine="A <1> one",
    )
    return SystemCost(
        system=system,
        scoring=scoring,
        train_seconds=seconds,
        encoder_seconds=None if seconds is None else 12.0,
        epochs=() if seconds is None else (9, 11),
    )


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
        background=Background(
            notes=(NASTY, "Titles were generated for 80 users."),
            curves={("lgcd", 0): [0.1, 0.3, 0.2], (NASTY, 1): [0.2]},
            costs=(cost("popularity", 0, None), cost("lgcd", 1234567, 61.27)),
            provenance=PROVENANCE,
        ),
    )


def table_below(markdown, heading):
    lines = markdown.split(heading)[1].strip().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("|"))
    stop = next((i for i in range(start, len(lines)) if not lines[i].startswith("|")), len(lines))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[start:stop]]


def test_systems_are_sorted_by_hr_at_10_and_the_best_is_bold(report):
    rows = table_below(markdown_report(report), PRIMARY)
    assert rows[0][:3] == ["System", "HR@5", "HR@10"]
    names = ["LGCD (ours)", "SASRec", "Popularity", "random order, expected"]
    assert [row[0] for row in rows[2:]] == names
    assert [row[2] for row in rows[2:]] == ["**0.5500**", "0.2500", "0.0500", "0.0100"]


def test_intervals_and_spread_stand_in_a_table_of_their_own(report):
    rows = table_below(markdown_report(report), "How sure these figures are")
    assert [row[0] for row in rows[2:]] == ["LGCD (ours)", "SASRec", "Popularity"]
    assert re.fullmatch(r"0\.\d+ to 0\.\d+ . 0\.071", rows[2][2])
    assert re.fullmatch(r"0\.\d+ to 0\.\d+", rows[3][2])  # one seed


def test_the_baseline_to_beat_is_named_and_the_others_carry_p(report):
    markdown = markdown_report(report)
    assert "Baseline to beat: SASRec, chosen on validation users." in markdown
    rows = table_below(markdown, PRIMARY)
    assert rows[3][5:] == ["to beat", "to beat"]
    assert 0 < float(rows[2][5]) < 0.2
    assert float(rows[4][5]) > 0.01
    assert rows[5][5:] == ["", ""]


def test_our_systems_alone_are_set_against_the_baseline_to_beat(report):
    rows = table_below(markdown_report(report), "### Ours against the baseline to beat")[2:]
    assert [row[:4] for row in rows] == [
        ["LGCD (ours)", "HR@10", "0.5500", "+0.3000"],
        ["LGCD (ours)", "NDCG@10", "0.5500", "+0.4609"],  # 5 of 20 have 1 / log2(7)
    ]
    for row in rows:
        low, high = map(float, row[4].split(" to "))
        assert low < float(row[3]) < high


def test_the_overview_orders_systems_by_their_mean_over_domains(make_ranks):
    def both(part):
        hits = {"popularity": [1.0] * 3 + [50.0], "lgcd": [1.0] * 2 + [50.0] * 2}
        other = {"popularity": [50.0] * 4, "lgcd": [1.0] * 3 + [50.0]}
        food = make_ranks(hits, part=part)
        return pa.concat_tables(
            [food, make_ranks(other, part=part, domain="kitchen", first_user=9)]
        )

    table = build_leaderboard(both("test"), both("valid"), bootstrap=Bootstrap(resamples=20))
    text = markdown_report(Report(scenario="two", leaderboard=table, ranks=both("test")))
    rows = table_below(text, "# Leaderboard: two")
    assert rows[0] == ["System", "food HR@10", "food NDCG@10", "kitchen HR@10", "kitchen NDCG@10"]
    assert rows[2] == ["LGCD (ours)", "0.5000", "0.5000", "**0.7500**", "**0.7500**"]
    assert rows[3] == ["Popularity", "**0.7500**", "**0.7500**", "0.0000", "0.0000"]


def test_training_says_where_each_run_was_best(report):
    rows = table_below(markdown_report(report), "## Training")
    assert rows[-1] == ["LGCD", "0", "3", "0.3000", "2"]


def test_the_cost_of_each_system_is_told_with_its_machine(report):
    markdown = markdown_report(report)
    rows = table_below(markdown, "## Cost")
    assert rows[2] == ["Popularity", "none", "2,000", "", "", "", "1.23"]
    assert rows[3] == ["LGCD (ours)", "1,234,567", "2,000", "61.3", "12.0", "9, 11", "1.23"]
    assert "all 20 test users once" in markdown
    assert "Scored on A &lt;1&gt; one: all." in markdown


def test_digests_seeds_and_versions_are_told(report):
    markdown = markdown_report(report)
    rows = table_below(markdown, "## Provenance")
    assert rows[2:] == [
        ["sequences", "00112233aabbccdd", ""],
        ["weights/lgcd", "f" * 16, "4 5"],
    ]
    assert "Seeds: split 7; candidates 0 1 2; those of training" in markdown
    assert "Compared with coldbridge 0.1.0, torch 2.13.0." in markdown


def test_every_cell_of_ours_stands_against_the_published_method(report):
    rows = table_below(markdown_report(report), "## Ours against the published LGCD")[2:]
    assert [row[2] for row in rows] == ["HR@5", "HR@10", "NDCG@5", "NDCG@10"]
    assert rows[1][:7] == ["LGCD (ours)", "food", "HR@10", "0.5500", "0.4000", "above", "+0.1500"]
    errors = {row["metric"]: row for row in report.rows("food", "target")["lgcd"].values()}
    steps = 0.15 / errors["HR@10"]["std_error"]
    assert float(rows[1][7]) == pytest.approx(steps, abs=0.051)


def test_without_a_published_table_there_is_nothing_to_stand_against(make_ranks):
    test, valid = (make_ranks({"lgcd": [1.0, 2.0]}, part=part) for part in ("test", "valid"))
    table = build_leaderboard(test, valid, bootstrap=Bootstrap(resamples=20))
    text = markdown_report(Report(scenario="tiny", leaderboard=table, ranks=test))
    for words in ("published", "Cost", "Provenance", "Training\n", "baseline to beat\n"):
        assert f"## {words}" not in text
    assert "Ours against" not in text


def test_all_three_pools_are_reported(report):
    markdown = markdown_report(report)
    for heading in ("### Negatives from all domains", "### All items of the target domain"):
        assert table_below(markdown, heading)[2][0] == "LGCD (ours)"


def test_published_figures_stand_beside_ours_in_order(report):
    rows = table_below(markdown_report(report), "### Published figures beside ours")[2:]
    assert len(rows) == 16 + 3
    hit_rates = [float(row[3].strip("*")) for row in rows]
    assert hit_rates == sorted(hit_rates, reverse=True)
    assert ["LGCD", "published", "0.2800", "0.4000", "0.1805", "0.2190"] in rows
    assert rows[0][:2] == ["**LGCD**", "our run"]
    doubtful = {row[0] for row in rows if "doubtful: see the remarks" in row[1]}
    assert doubtful == {"SSCDR", "UniCDR", "UCLR", "UniSRec"}


def test_the_protocol_is_stated(report):
    text = markdown_report(report)
    for words in (
        "Ties count half",
        "Every system is told the target domain",
        "Popularity is always among the systems",
        "Training seeds: Popularity 1, LGCD 2, SASRec 1",
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


def test_figures_stay_small_with_twenty_systems(report):
    rows = report.leaderboard.to_pylist()
    many = [
        row | {"system": system, "target_domain": domain, "published": 0.3}
        for system in SYSTEMS
        for domain in ("food", "kitchen")
        for row in rows
        if row["system"] == "sasrec"
    ]
    png = hit_rate_bars(pa.Table.from_pylist(many, schema=report.leaderboard.schema))
    assert png.startswith(b"\x89PNG") and len(png) < 100_000


def test_the_same_figures_are_the_same_bytes(report):
    assert hit_rate_bars(report.leaderboard) == hit_rate_bars(report.leaderboard)
