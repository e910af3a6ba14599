"""Predictions of really trained systems, written, compared and reported."""

import html
import json
import re

import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch

import pipeline.evaluate.ratings.predictions as stage
from models.ratings import Pairs
from pipeline.columns import RATING_PREDICTIONS
from pipeline.evaluate.ratings.leaderboard import compare_rating_systems
from pipeline.evaluate.ratings.predictions import predict_pairs, predict_ratings
from pipeline.evaluate.report.page import write_report
from pipeline.prepare.dataset_card import build_dataset_card
from pipeline.train.ratings.cases import load_rating_cases
from pipeline.train.ratings.systems import load_rating_system, train_rating_system
from tests.pipeline.rating_world import RatingWorld, make_rating_world

RANGE = (1.0, 5.0)
SYSTEMS = ("global_mean", "item_mean", "cmf", "music")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> RatingWorld:
    world = make_rating_world(tmp_path_factory.mktemp("world"))
    training = {"seeds": (0,), "rival_seeds": (0, 1), "max_epochs": 1}  # MuSiC takes longest
    world = world.with_scenario(systems=SYSTEMS).with_training(**training)
    for system in SYSTEMS:
        train_rating_system(system, world.scenario, world.store)
    return world


@pytest.fixture(scope="module")
def predicted(trained: RatingWorld) -> RatingWorld:
    for system in SYSTEMS:
        predict_ratings(system, trained.scenario, trained.store, RANGE)
    return trained


def read(world: RatingWorld, system: str) -> pa.Table:
    return world.store.read_table(f"predictions/songs/{system}")


def test_every_cold_rating_is_predicted_by_every_seed(predicted):
    table = read(predicted, "cmf")
    assert table.schema == RATING_PREDICTIONS
    ratings = predicted.store.read_table("ratings/songs")
    hidden = ratings.filter(pc.not_equal(ratings["part"], "train"))
    names = ["cold_ratio", "part", "user", "item", "rating"]
    expected = sorted(map(tuple, (row.values() for row in hidden.select(names).to_pylist())))
    for seed in (0, 1):
        own = table.filter(pc.equal(table["train_seed"], seed)).select(names).to_pylist()
        assert sorted(tuple(row.values()) for row in own) == expected
    for system in ("global_mean", "music"):
        assert set(read(predicted, system)["train_seed"].to_pylist()) == {0}


def test_predictions_are_the_models_own(predicted):
    here = (pc.field("cold_ratio") > 0.4) & (pc.field("part") == "test")
    own = read(predicted, "cmf").filter(here & (pc.field("train_seed") == 1))
    model = load_rating_system("cmf", predicted.scenario, predicted.store, 0.5, 1)
    test = load_rating_cases(predicted.store, predicted.scenario, 0.5).test
    expected_N = model.predict(test.pairs).clamp(*RANGE)
    assert own["predicted"].to_pylist() == pytest.approx(expected_N.tolist())


def test_predictions_are_kept_within_the_range(predicted):
    free = sorted(set(read(predicted, "item_mean")["predicted"].to_pylist()))
    low, high = free[1], free[-2]  # cuts off the ends
    try:
        predict_ratings("item_mean", predicted.scenario, predicted.store, (low, high))
        found = pc.min_max(read(predicted, "item_mean")["predicted"]).as_py()
    finally:
        predict_ratings("item_mean", predicted.scenario, predicted.store, RANGE)
    assert len(free) > 3 and found == {"min": pytest.approx(low), "max": pytest.approx(high)}


def test_facts_tell_validation_figures_alone(trained):
    outcome = predict_ratings("item_mean", trained.scenario, trained.store, RANGE)
    table = read(trained, "item_mean")
    valid = table.filter((pc.field("part") == "valid") & (pc.field("cold_ratio") < 0.4)).to_pylist()
    squares = [(row["predicted"] - row["rating"]) ** 2 for row in valid]
    rmse = (sum(squares) / len(squares)) ** 0.5
    assert outcome.facts["cold ratio 0.2: validation RMSE"] == pytest.approx(rmse, abs=1e-4)
    told = [name for name in outcome.facts if "RMSE" in name or "MAE" in name]
    assert len(told) == 4 and all("validation" in name for name in told)


def test_what_predicting_costs_lies_beside_the_table(predicted):
    cost = json.loads(predicted.store.read_text("predictions/songs/cmf", ".json"))
    assert cost["num_trained"] > 0 and cost["num_users"] == 15
    counted = json.loads(predicted.store.read_text("predictions/songs/global_mean", ".json"))
    assert counted["num_trained"] == 0


def test_predictions_do_not_depend_on_how_many_are_asked_at_once(predicted, monkeypatch):
    whole = read(predicted, "music")
    monkeypatch.setattr(stage, "_AT_ONCE", 3)
    predict_ratings("music", predicted.scenario, predicted.store, RANGE)
    parts = read(predicted, "music")
    assert parts["predicted"].to_pylist() == pytest.approx(whole["predicted"].to_pylist(), abs=1e-5)


def test_a_prediction_that_is_not_finite_names_system_ratio_and_user(trained, monkeypatch):
    model = load_rating_system("global_mean", trained.scenario, trained.store, 0.2, 0)
    user = int(load_rating_cases(trained.store, trained.scenario, 0.2).valid.user_N[2])

    class Broken(torch.nn.Module):
        def predict(self, pairs: Pairs) -> torch.Tensor:
            whole_N = predict_pairs(model, pairs)
            whole_N[2] = float("nan")
            return whole_N

    monkeypatch.setattr(stage, "load_rating_run", lambda *_: Broken())
    with pytest.raises(
        ValueError, match=rf"system 'global_mean', seed 0, cold ratio 0\.2.*user {user} and"
    ):
        predict_ratings("global_mean", trained.scenario, trained.store, RANGE)


def test_trained_systems_end_in_a_leaderboard(predicted: RatingWorld) -> None:
    outcome = compare_rating_systems(predicted.scenario, predicted.store)
    assert outcome.artifact.num_rows == 2 * len(SYSTEMS) * 2
    for ratio, ratings in (("0.2", 6), ("0.5", 15)):
        assert outcome.facts[f"cold ratio {ratio}: baseline to beat"] != "music"
        assert outcome.facts[f"cold ratio {ratio}: test ratings"] > ratings
    text = predicted.store.read_text("rating_leaderboard/songs", ".md")
    assert "| 0.5 | 12 | 3 |" in text  # overlap users that train, users that validate
    assert "| rock: items without features | 2 |" in text
    assert "10 dimensions for users" in text
    assert "| weights/music, cold ratio 0.5 |" in text
    assert "| item_multimodal/soul |" in text
    assert "| MuSiC | overlap_users | 2 |" in text  # one run for each ratio
    assert "RMSE at all 10 steps" in text
    steps = text.split("RMSE at all 10 steps")[1].split("\n\n")[0]
    assert "| 0.2 | 0 |" in steps and "| 0.5 | 0 |" in steps
    for plot in outcome.plots.values():
        assert plot.startswith(b"\x89PNG") and len(plot) < 100_000


def test_the_page_tells_all_of_a_rating_scenario(predicted: RatingWorld) -> None:
    store, scenario = predicted.store, predicted.scenario
    compare_rating_systems(scenario, store)
    build_dataset_card(scenario, predicted.catalog, store)
    outcome = write_report(scenario, predicted.catalog, store)
    page = outcome.artifact.path.read_text(encoding="utf-8")
    lead = str(outcome.facts["to quote 1"])
    assert lead.startswith(
        "At cold ratio 0.2, MuSiC predicts cold users' ratings in soul with RMSE"
    )
    assert re.search(r"the difference is [+-]\d\.\d{3} \(95 % interval .*, p [<=] ", lead)
    assert html.escape(lead) in page
    shown = re.findall(r'<section id="(\w+)"', page)
    assert shown == [
        *("leaderboard", "published", "slices", "predictions", "examples", "training"),
        *("cost", "method", "data", "provenance"),
    ]
    assert page.count("<img ") == 3 and "in-sample" in page
    assert "Experiments: the scenario names none." in page
    assert "Hidden ratings of user 1" in page
    user_ids = set(store.read_table("ratings/songs", ["user_id"])["user_id"].to_pylist())
    assert not [user for user in user_ids if user in page]
    tables = re.findall(r"RMSE at cold ratio 0.2 by training ratings of the (\w+)</caption>", page)
    assert sorted(tables) == ["item", "user"]
