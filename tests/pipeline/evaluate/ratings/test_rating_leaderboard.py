"""Rating leaderboards of predictions written by hand."""

import math

import pyarrow as pa
import pytest

from pipeline.catalog import Scenario
from pipeline.columns import RATING_LEADERBOARD, RATING_PREDICTIONS
from pipeline.evaluate.ratings.leaderboard import (
    build_rating_leaderboard,
    write_rating_leaderboard,
)
from pipeline.evaluate.significance import Bootstrap
from pipeline.store import Store
from tests.pipeline.evaluate.ratings.prediction_tables import both_parts, off_by, predictions

QUICK = Bootstrap(resamples=200)
NEAR, FAR = [off_by(*[0.25, -0.25] * 3)], [off_by(*[1.0, -1.0] * 3)]


def row(table, system, metric="RMSE", ratio=0.2):
    found = [
        entry
        for entry in table.to_pylist()
        if (entry["system"], entry["metric"]) == (system, metric)
        and entry["cold_ratio"] == pytest.approx(ratio)
    ]
    assert len(found) == 1
    return found[0]


def build(systems, valid=None):
    return build_rating_leaderboard(both_parts(systems, valid), bootstrap=QUICK)


def test_every_ratio_system_and_metric_has_a_row():
    systems = {"item_mean": FAR, "music": NEAR}
    table = build_rating_leaderboard(
        pa.concat_tables([both_parts(systems, ratio=ratio) for ratio in (0.8, 0.2)]),
        bootstrap=QUICK,
    )
    assert table.schema == RATING_LEADERBOARD
    assert table["system"].to_pylist() == ["item_mean", "item_mean", "music", "music"] * 2
    assert table["cold_ratio"].to_pylist() == pytest.approx([0.2] * 4 + [0.8] * 4)


def test_figures_are_means_over_seeds_with_their_spread():
    seeds = [off_by(*[1.0, -1.0] * 3), off_by(*[0.5, -0.5] * 3)]
    found = row(build({"item_mean": seeds}), "item_mean")
    assert found["mean"] == pytest.approx(0.75)
    assert found["seed_std"] == pytest.approx(math.sqrt(2) * 0.25)
    assert (found["num_users"], found["num_ratings"], found["num_seeds"]) == (3, 6, 2)
    assert row(build({"item_mean": NEAR}), "item_mean")["seed_std"] is None


def test_an_improvement_is_below_zero():
    found = row(build({"item_mean": FAR, "music": NEAR}), "music")
    assert found["versus"] == "item_mean"
    assert found["delta"] == pytest.approx(-0.75)
    assert found["delta_low"] == pytest.approx(-0.75) == found["delta_high"]
    assert found["p_value"] == pytest.approx(1 / 201)


def test_the_baseline_to_beat_is_the_best_on_validation_even_where_the_test_disagrees():
    test = {"item_mean": NEAR, "cmf": FAR, "music": NEAR}
    valid = {"item_mean": FAR, "cmf": NEAR, "music": FAR}
    table = build(test, valid)
    assert row(table, "music")["versus"] == row(table, "item_mean")["versus"] == "cmf"
    assert row(table, "music", "MAE")["versus"] == "cmf"
    rival = row(table, "cmf")
    names = ("versus", "delta", "delta_low", "delta_high", "p_value")
    assert [rival[name] for name in names] == [None] * 5


def test_each_ratio_has_its_own_baseline():
    one, two = {"item_mean": NEAR, "cmf": FAR}, {"item_mean": FAR, "cmf": NEAR}
    table = build_rating_leaderboard(
        pa.concat_tables([both_parts(one), both_parts(two, ratio=0.5)]), bootstrap=QUICK
    )
    assert row(table, "cmf")["versus"] == "item_mean"
    assert row(table, "item_mean", ratio=0.5)["versus"] == "cmf"


def test_ours_are_never_the_baseline():
    table = build({"item_mean": FAR, "music": NEAR, "music_blind": NEAR})
    assert row(table, "music_blind")["versus"] == "item_mean"


def test_a_system_without_a_ratio_or_a_part_is_an_error():
    whole = both_parts({"item_mean": FAR})
    for lacking in (
        predictions({"cmf": FAR}),
        predictions({"cmf": FAR}, part="valid"),
        both_parts({"cmf": FAR}, ratio=0.5),
    ):
        with pytest.raises(ValueError, match="has no predictions at cold ratio"):
            build_rating_leaderboard(pa.concat_tables([whole, lacking]), bootstrap=QUICK)


def test_the_written_leaderboard_depends_on_predictions_alone(tmp_path):
    store, systems = Store(tmp_path), {"item_mean": FAR, "music": NEAR}
    scenario = Scenario(
        name="tiny", domains=("rock", "soul"), task="cold-start-rating", systems=tuple(systems)
    )
    for system, seeds in systems.items():
        store.write_table(
            f"predictions/tiny/{system}", RATING_PREDICTIONS, both_parts({system: seeds})
        )
    outcome = write_rating_leaderboard(store, scenario, bootstrap=QUICK)
    again = write_rating_leaderboard(store, scenario, bootstrap=QUICK)
    assert outcome.artifact.digest == again.artifact.digest
    assert store.read_table("rating_leaderboard/tiny").num_rows == 4
    assert outcome.facts["cold ratio 0.2: best system"] == "music"
    assert outcome.facts["cold ratio 0.2: best RMSE"] == 0.25
    assert outcome.facts["cold ratio 0.2: baseline to beat"] == "item_mean"
    assert outcome.preview["system"].to_pylist() == ["music", "item_mean"]
    assert "| MuSiC (ours) | **0.2500**" in outcome.tables["cold ratio 0.2"]
    assert store.read_text("rating_leaderboard/tiny", ".md").startswith("# Ratings of cold users")
