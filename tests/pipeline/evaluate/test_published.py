"""Published cells against the printed table."""

import pytest

from pipeline.catalog.systems import SYSTEMS
from pipeline.evaluate.published import published_table

TABLE = published_table("lgcd-food-kitchen")
TEST_CASES = {"food": 300, "kitchen": 637}


def test_lgcds_row_is_the_printed_one():
    cells = {row.domain: row.cells for row in TABLE.rows if row.method == "LGCD"}
    assert cells["food"] == (0.2800, 0.4000, 0.1805, 0.2190)
    assert cells["kitchen"] == (0.3093, 0.3893, 0.2140, 0.2397)


def test_our_systems_are_mapped_to_the_papers_methods():
    assert TABLE.value("lgcd", "food", "HR@10") == 0.4000
    assert TABLE.value("sasrec", "food", "HR@5") == 0.1900
    assert TABLE.value("sasrec", "kitchen", "NDCG@10") == 0.1836
    assert TABLE.value("popularity", "food", "HR@10") is None
    assert TABLE.value("lgcd", "movie", "HR@10") is None


def test_every_system_that_learns_is_mapped_but_for_those_the_paper_lacks():
    unpublished = {
        *("popularity", "overlap_popularity", "recent_popularity", "cooccurrence", "item_knn"),
        *("ease", "c2dsr", "lgcd_plus", "lgcd_blind"),
    }
    assert set(SYSTEMS) - set(TABLE.systems) <= unpublished
    assert not set(TABLE.systems) & unpublished
    methods = {row.method for row in TABLE.rows}
    assert set(TABLE.systems.values()) | {TABLE.compared} <= methods


def test_two_readings_of_one_method_have_the_same_published_row():
    assert TABLE.value("sasrec_bce", "food", "HR@10") == 0.2900
    assert TABLE.value("tricdr", "food", "HR@10") == 0.2967
    assert TABLE.cell("LGCD", "kitchen", "NDCG@10") == 0.2397
    assert TABLE.cell("CTT", "kitchen", "HR@5") is None


def test_every_method_is_there_but_for_the_cells_that_were_copied():
    methods = {domain: {row.method for row in TABLE.of_domain(domain)} for domain in TEST_CASES}
    assert (len(methods["food"]), len(methods["kitchen"])) == (16, 15)
    assert methods["food"] - methods["kitchen"] == {"CTT"}
    assert any("CTT on Kitchen is left out" in remark for remark in TABLE.remarks)


def test_hit_rates_are_whole_numbers_of_test_cases_except_where_the_remarks_say():
    odd, doubted = set(), set()
    for row in TABLE.rows:
        for metric in ("HR@5", "HR@10"):
            hits = row.values[metric] * TEST_CASES[row.domain]
            if abs(hits - round(hits)) > 0.00006 * TEST_CASES[row.domain]:
                odd.add(row.method)
                doubted.add((row.method, row.domain))
    assert doubted == TABLE.doubted
    assert odd == {"SSCDR", "UniCDR", "UCLR", "UniSRec"}
    assert any(all(method in remark for method in odd) for remark in TABLE.remarks)


def test_hr_never_falls_and_bounds_ndcg():
    for row in TABLE.rows:
        hr5, hr10, ndcg5, ndcg10 = row.cells
        assert ndcg5 <= hr5 <= hr10
        assert ndcg5 <= ndcg10 <= hr10


def test_a_scenario_without_a_published_table_has_none():
    assert published_table(None) is None


def test_an_unknown_table_is_an_error():
    with pytest.raises(ValueError, match=r"'lgcd-movies' is no known.*known: lgcd-food-kitchen"):
        published_table("lgcd-movies")
