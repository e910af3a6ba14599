"""Leaderboards of ranks written by hand."""

import math

import pyarrow as pa
import pytest

from pipeline.catalog import Candidates, Scenario, Training
from pipeline.columns import LEADERBOARD, RANKS
from pipeline.evaluate.background import Background
from pipeline.evaluate.leaderboard import build_leaderboard, write_leaderboard
from pipeline.evaluate.published import published_table
from pipeline.evaluate.significance import Bootstrap
from pipeline.store import Store

QUICK = Bootstrap(resamples=200)
GOOD, POOR = [1.0] * 10 + [50.0] * 10, [50.0] * 20


def row(table, system, metric="HR@10", pool="target", domain="food"):
    found = [
        entry
        for entry in table.to_pylist()
        if (entry["system"], entry["metric"], entry["pool"], entry["target_domain"])
        == (system, metric, pool, domain)
    ]
    assert len(found) == 1
    return found[0]


def build(make_ranks, systems, *, valid=None, **options):
    valid_ranks = make_ranks(valid or systems, part="valid")
    return build_leaderboard(make_ranks(systems), valid_ranks, bootstrap=QUICK, **options)


def test_means_are_over_users_candidate_seeds_and_training_seeds(make_ranks):
    # [training seed][candidate seed][user]; hits in the top ten: 3 of 4, then 1 of 4.
    ranks = [[[1.0, 12.0], [3.0, 10.0]], [[40.0, 7.0], [11.0, 10.5]]]
    table = build(make_ranks, {"lgcd": ranks, "popularity": ranks})
    assert table.schema == LEADERBOARD
    hits = row(table, "lgcd")
    assert hits["mean"] == pytest.approx(0.5)
    assert hits["seed_std"] == pytest.approx(math.sqrt(2) * 0.25)  # of .75 and .25
    assert (hits["num_users"], hits["num_seeds"]) == (2, 2)
    gains = [1, 0, 1 / math.log2(4), 1 / math.log2(11), 0, 1 / math.log2(8), 0, 0]
    assert row(table, "lgcd", "NDCG@10")["mean"] == pytest.approx(sum(gains) / 8)
    assert row(table, "lgcd", "HR@5")["mean"] == pytest.approx(2 / 8)


def test_every_system_pool_and_metric_has_a_row(make_ranks):
    table = build(make_ranks, {"popularity": GOOD, "lgcd": POOR})
    assert table.num_rows == 2 * 3 * 4
    assert table["system"].to_pylist() == ["popularity"] * 12 + ["lgcd"] * 12


def test_one_training_seed_has_no_spread(make_ranks):
    assert row(build(make_ranks, {"popularity": GOOD}), "popularity")["seed_std"] is None


def test_the_interval_holds_the_mean(make_ranks):
    hits = row(build(make_ranks, {"popularity": GOOD}), "popularity")
    # 20 users, half of them hits: standard error .112.
    assert hits["low"] == pytest.approx(0.5 - 0.22, abs=0.07)
    assert hits["high"] == pytest.approx(0.5 + 0.22, abs=0.07)


def test_the_best_baseline_is_chosen_on_validation_even_where_the_test_disagrees(make_ranks):
    test = {"popularity": POOR, "cooccurrence": GOOD, "lgcd": GOOD}
    valid = {"popularity": GOOD, "cooccurrence": POOR, "lgcd": POOR}
    table = build(make_ranks, test, valid=valid, baselines=("popularity", "cooccurrence"))
    assert row(table, "lgcd")["versus"] == "popularity"
    assert row(table, "lgcd")["p_value"] < 0.02
    assert row(table, "cooccurrence")["versus"] == "popularity"
    assert row(table, "popularity")["versus"] is None
    assert row(table, "popularity")["p_value"] is None


def test_the_difference_to_the_baseline_has_an_interval_over_pairs(make_ranks):
    # Of 20 users 10 are hit by both, 4 by ours alone, 1 by the baseline alone.
    base = [1.0] * 10 + [50.0] * 4 + [1.0] + [50.0] * 5
    ours = [1.0] * 10 + [1.0] * 4 + [50.0] + [50.0] * 5
    test = {"popularity": base, "lgcd": ours}
    found = row(build(make_ranks, test, baselines=("popularity",)), "lgcd")
    assert found["delta"] == pytest.approx(3 / 20)
    assert found["delta"] == pytest.approx(found["mean"] - 11 / 20)
    # Differences of 0, 1 and -1: variance 5/20 - (3/20)^2, standard error .1067; were the two
    # not paired, it would be .151.
    assert found["delta_low"] == pytest.approx(0.15 - 1.96 * 0.1067, abs=0.06)
    assert found["delta_high"] == pytest.approx(0.15 + 1.96 * 0.1067, abs=0.06)
    rival = row(build(make_ranks, test, baselines=("popularity",)), "popularity")
    assert [rival[name] for name in ("delta", "delta_low", "delta_high")] == [None] * 3


def test_the_standard_error_is_that_of_the_mean_over_users(make_ranks):
    found = row(build(make_ranks, {"popularity": GOOD}), "popularity")
    assert found["std_error"] == pytest.approx(math.sqrt(0.25 / 20), rel=0.15)


def test_our_own_model_is_never_the_baseline(make_ranks):
    valid = {"popularity": POOR, "lgcd": GOOD}
    table = build(make_ranks, {"popularity": POOR, "lgcd": GOOD}, valid=valid)
    assert row(table, "lgcd")["versus"] == "popularity"


def test_equal_systems_have_p_one(make_ranks):
    table = build(make_ranks, {"popularity": GOOD, "lgcd": GOOD})
    assert row(table, "lgcd")["p_value"] == 1.0


def test_without_a_baseline_there_is_no_p(make_ranks):
    table = build(make_ranks, {"lgcd": GOOD})
    assert row(table, "lgcd")["versus"] is None
    assert row(table, "lgcd")["p_value"] is None


def test_each_target_domain_has_its_own_baseline(make_ranks):
    def both(part, food, kitchen):
        return pa.concat_tables(
            [
                make_ranks(food, part=part, domain="food"),
                make_ranks(kitchen, part=part, domain="kitchen", first_user=100),
            ]
        )

    one = {"popularity": GOOD, "sasrec": POOR}
    two = {"popularity": POOR, "sasrec": GOOD}
    table = build_leaderboard(both("test", one, two), both("valid", one, two), bootstrap=QUICK)
    assert row(table, "sasrec", domain="food")["versus"] == "popularity"
    assert row(table, "popularity", domain="kitchen")["versus"] == "sasrec"


def test_published_values_stand_in_the_primary_pool_alone(make_ranks):
    published = published_table("lgcd-food-kitchen")
    table = build(make_ranks, {"popularity": POOR, "lgcd": GOOD}, published=published)
    assert row(table, "lgcd")["published"] == 0.4000
    assert row(table, "lgcd", "NDCG@5")["published"] == 0.1805
    assert row(table, "lgcd", pool="full")["published"] is None
    assert row(table, "popularity")["published"] is None


def test_different_users_are_an_error(make_ranks):
    test = pa.concat_tables(
        [
            make_ranks({"popularity": [1.0, 2.0, 3.0]}),
            make_ranks({"lgcd": [1.0, 2.0]}, first_user=1),
        ]
    )
    valid = make_ranks({"popularity": [1.0], "lgcd": [1.0]}, part="valid")
    with pytest.raises(
        ValueError, match=r"'popularity' and 'lgcd' in food.*1 only in the first.*instance user 0"
    ):
        build_leaderboard(test, valid, bootstrap=QUICK)


def test_different_candidate_seeds_are_an_error(make_ranks):
    test = pa.concat_tables(
        [make_ranks({"popularity": [[1.0], [2.0]]}), make_ranks({"lgcd": [[1.0]]})]
    )
    valid = make_ranks({"popularity": [1.0], "lgcd": [1.0]}, part="valid")
    with pytest.raises(
        ValueError, match=r"'lgcd'.*different candidate seeds \(\[0, 1\] and \[0\]\)"
    ):
        build_leaderboard(test, valid, bootstrap=QUICK)


def test_different_numbers_of_candidates_are_an_error(make_ranks):
    test = pa.concat_tables(
        [make_ranks({"popularity": [1.0]}), make_ranks({"lgcd": [1.0]}, num_candidates=99)]
    )
    valid = make_ranks({"popularity": [1.0], "lgcd": [1.0]}, part="valid")
    with pytest.raises(ValueError, match=r"'lgcd'.*different candidates \(user 0, seed 0: 1000"):
        build_leaderboard(test, valid, bootstrap=QUICK)


def test_a_missing_and_a_doubled_rank_are_errors(make_ranks):
    valid = make_ranks({"popularity": [1.0, 2.0]}, part="valid")
    seeds = make_ranks({"popularity": [[[1.0, 2.0]], [[1.0, 2.0]]]})
    for broken in (seeds.slice(1), pa.concat_tables([seeds, seeds])):
        with pytest.raises(ValueError, match=r"'popularity' in food.*each once; rank it again"):
            build_leaderboard(broken, valid, bootstrap=QUICK)


@pytest.mark.parametrize("rank", [0.5, 1000.5, math.nan])
def test_an_impossible_rank_is_an_error(make_ranks, rank):
    valid = make_ranks({"popularity": [1.0]}, part="valid")
    with pytest.raises(ValueError, match=r"a rank outside 1\.\.candidates"):
        build_leaderboard(make_ranks({"popularity": [rank]}), valid, bootstrap=QUICK)


def test_validation_ranks_in_place_of_test_ranks_are_an_error(make_ranks):
    valid = make_ranks({"popularity": [1.0]}, part="valid")
    with pytest.raises(ValueError, match=r"'test' wanted, the table holds \['valid'\]"):
        build_leaderboard(valid, valid, bootstrap=QUICK)


def test_a_system_without_validation_ranks_is_an_error(make_ranks):
    valid = make_ranks({"popularity": [1.0]}, part="valid")
    with pytest.raises(ValueError, match="only one of valid and test: lgcd"):
        build_leaderboard(make_ranks({"popularity": [1.0], "lgcd": [1.0]}), valid, bootstrap=QUICK)


def test_write_leaderboard_reads_ranks_and_writes_table_and_reports(make_ranks, tmp_path):
    store, scenario = (
        Store(tmp_path),
        Scenario(
            name="tiny",
            domains=("food", "kitchen"),
            candidates=Candidates(seeds=(0,)),
            training=Training(seeds=(0,)),
            published="lgcd-food-kitchen",
        ),
    )
    for system, ranks in {"popularity": POOR, "lgcd": GOOD}.items():
        parts = [make_ranks({system: ranks}, part=part) for part in ("valid", "test")]
        store.write_table(f"scores/tiny/{system}", RANKS, pa.concat_tables(parts))
    systems = ["popularity", "lgcd"]
    background = Background(notes=("12 users had titles",), curves={("lgcd", 0): [0.1, 0.2]})
    outcome = write_leaderboard(store, scenario, systems, background=background, bootstrap=QUICK)
    again = write_leaderboard(store, scenario, systems, bootstrap=QUICK)
    assert outcome.artifact.digest == again.artifact.digest
    assert store.read_table("leaderboard/tiny").num_rows == outcome.artifact.num_rows == 24
    assert outcome.facts["food: best system"] == "lgcd"
    assert outcome.facts["food: best HR@10"] == 0.5
    assert outcome.facts["food: baseline to beat"] == "popularity"
    assert outcome.preview["system"].to_pylist() == ["lgcd", "popularity"]
    assert "| LGCD (ours) |" in outcome.tables["food"]
    assert all(png.startswith(b"\x89PNG") and len(png) < 100_000 for png in outcome.plots.values())
    assert "# Leaderboard: tiny" in store.read_text("leaderboard/tiny", ".md")


def test_write_leaderboard_names_the_ranks_that_are_missing(tmp_path):
    scenario = Scenario(name="tiny", domains=("food", "kitchen"))
    with pytest.raises(ValueError, match=r"scores/tiny/popularity.parquet is missing"):
        write_leaderboard(Store(tmp_path), scenario, ["popularity"])
