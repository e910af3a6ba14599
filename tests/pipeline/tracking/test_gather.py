"""What is recorded of a scenario: read from what is stored, and nothing that is not there."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.evaluate.leaderboard import write_leaderboard
from pipeline.evaluate.scores import score_system
from pipeline.tracking.gather import scenario_records
from pipeline.tracking.record import Point, flattened, metric_name
from pipeline.train.ratings.systems import train_rating_system
from pipeline.train.systems import train_system
from pipeline.train.weights import load_report
from tests.pipeline.rating_world import make_rating_world

SYSTEMS = ("popularity", "gru4rec")


def trained(world: Any) -> Any:
    """Popularity and GRU4Rec with one seed each, ranked and compared."""
    training = replace(world.scenario.training, seeds=(0,))
    world = world.with_scenario(systems=SYSTEMS, training=training)
    for system in SYSTEMS:
        train_system(system, world.scenario, world.store)
        score_system(system, world.scenario, world.store)
    write_leaderboard(world.store, world.scenario, SYSTEMS)
    return world


def test_a_seed_is_recorded_with_its_curve_parameters_and_inputs(world: Any) -> None:
    world = trained(world)
    counted, fitted, board = scenario_records(world.scenario, world.store)
    report = load_report(world.store, "weights/little/gru4rec", 0)
    assert report is not None and fitted.name == "gru4rec seed 0"
    valid = [point for point in fitted.points if point.metric == "valid"]
    assert valid == [
        Point(metric="valid", value=entry["valid"], step=epoch)
        for epoch, entry in enumerate(report.curve, start=1)
    ]
    assert Point(metric="best_valid", value=report.best_score) in fitted.points
    assert fitted.parameters["run"] == "SequentialRun"
    assert fitted.parameters["loop.max_epochs"] == "2"
    assert fitted.tags["input/sequences/little"] == world.store.digest("sequences/little")
    assert fitted.tags["digest"] == world.store.digest("weights/little/gru4rec/seed-0")
    assert (fitted.tags["system"], fitted.tags["seed"]) == ("gru4rec", "0")
    assert {"version/torch", "version/presets"} < set(fitted.tags)
    assert counted.name == "popularity seed 0" and counted.points == []
    table = world.store.read_table("leaderboard/little").to_pylist()
    assert len(board.points) == len(table)
    assert board.points[0].metric.startswith("popularity/food/") and "@" not in str(board.points)
    assert list(board.texts) == ["leaderboard.md"]


def test_what_is_not_trained_yet_is_left_out(world: Any) -> None:
    assert scenario_records(world.scenario, world.store) == []


def test_rating_systems_are_recorded_by_cold_ratio_with_a_curve_for_each_stage(
    tmp_path: Path,
) -> None:
    world = make_rating_world(tmp_path).with_training(seeds=(0,), max_epochs=1)
    train_rating_system("emcdr", world.scenario, world.store)
    low, high = scenario_records(world.scenario, world.store)
    assert (low.name, high.name) == ("emcdr cold 0.2 seed 0", "emcdr cold 0.5 seed 0")
    assert low.fingerprint != high.fingerprint and low.tags["cold_ratio"] == "0.2"
    stages = {point.metric.split("/")[0] for point in low.points}
    assert stages == {"ratings", "mapping"}


def test_names_are_flat_and_hold_what_trackers_take() -> None:
    nested = {"Run": {"loop": {"betas": [0.9, 0.98], "max_epochs": 3}, "kind": "x", "no": None}}
    assert dict(flattened(nested)) == {
        "Run.loop.betas": "[0.9, 0.98]",
        "Run.loop.max_epochs": "3",
        "Run.kind": "x",
        "Run.no": "null",
    }
    assert metric_name("lgcd", "food", "HR@10") == "lgcd/food/HR_at_10"
