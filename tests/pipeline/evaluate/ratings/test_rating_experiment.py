"""Rating experiments: variants that train, and a table and report of what they tell."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline.catalog import Scenario
from pipeline.catalog.rating_systems import RATING_EXPERIMENTS, RATING_SYSTEMS
from pipeline.columns import RATING_EXPERIMENT, RATING_PREDICTIONS
from pipeline.evaluate.ratings.experiment import (
    Cost,
    compare_rating_variants,
    run_rating_experiment,
)
from pipeline.evaluate.ratings.experiment_report import write_rating_ablations
from pipeline.train.ratings import experiments
from pipeline.train.ratings.experiments import (
    RatingExperiment,
    rating_experiment,
    rating_variants,
)
from pipeline.train.ratings.presets import rating_preset
from pipeline.train.ratings.runs import RatingRun
from pipeline.train.ratings.systems import stored_rating_system, train_rating_system
from tests.pipeline.rating_world import RatingWorld, make_rating_world


@pytest.fixture
def world(tmp_path: Path) -> RatingWorld:
    made = make_rating_world(tmp_path).with_training(seeds=(0,), max_epochs=1, patience=1)
    split = replace(made.scenario.split, cold_ratios=(0.2,))
    return made.with_scenario(split=split, experiments=tuple(RATING_EXPERIMENTS))


def test_every_named_experiment_exists_and_varies_a_known_system(world: RatingWorld) -> None:
    for name, system in RATING_EXPERIMENTS.items():
        assert rating_experiment(name).system == system and system in RATING_SYSTEMS
        assert name not in RATING_SYSTEMS  # both name folders of weights
        base = stored_rating_system(system, world.scenario)
        found = rating_variants(rating_experiment(name), base, world.scenario)
        assert [one.reference for one in found].count(True) == 1
        assert len({one.stored.folder for one in found}) == len(found)
        assert len({repr(one.stored.run) for one in found}) == len(found)


def test_an_unknown_experiment_is_named_with_those_that_are_known() -> None:
    with pytest.raises(ValueError, match=r"unknown experiment 'x'; known experiments: music_abl"):
        rating_experiment("x")


def test_the_ablation_takes_away_what_its_labels_say(world: RatingWorld) -> None:
    run = rating_preset("music", world.scenario)
    runs = experiments.music_ablations(run, world.scenario)
    names = {label: [stage.name for stage in one.stages] for label, one in runs.items()}
    assert names["MuSiC"] == ["ratings", "side_users", "overlap_users", "refit"]
    assert names["w/o side users"] == ["ratings", "overlap_users", "refit"]
    assert names["single stage"] == ["ratings", "joint", "refit"]
    assert names["with the rating error"] == ["ratings", "side_users", "task", "refit"]
    assert names["w/o refitted head"] == ["ratings", "side_users", "overlap_users"]
    assert [int(n) for n in experiments.music_steps(run, world.scenario)] == [2, 5, 10, 20, 50]


def means(run: RatingRun, scenario: Scenario) -> dict[str, RatingRun]:
    """Two systems in closed form as variants of each other: cheap, and known to differ."""
    return {"biased": run, "other": replace(run, model=replace(run.model, width=3))}


def test_an_experiment_trains_asks_and_reports(
    world: RatingWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RATING_EXPERIMENTS, "widths", "biased_mf")
    chosen = RatingExperiment(name="widths", title="Widths", variants=means)
    monkeypatch.setitem(experiments._EXPERIMENTS, "widths", chosen)
    scenario, store = replace(world.scenario, experiments=("widths",)), world.store
    train_rating_system("biased_mf", scenario, store)
    outcome = run_rating_experiment("widths", scenario, store, (1.0, 5.0), tmp_path)
    assert outcome.facts["models trained"] == 1  # the reference is the system's own run
    assert outcome.facts["models kept"] == 1
    table = store.read_table("experiments/songs/widths")
    assert table.schema.equals(RATING_EXPERIMENT)
    assert table.num_rows == 2 * 2 * 2  # variants, parts, metrics
    reference = table.filter(table["reference"])
    assert reference["delta"].null_count == reference.num_rows
    assert pc.min(table["train_seconds"]).as_py() > 0
    again = run_rating_experiment("widths", scenario, store, (1.0, 5.0), tmp_path)
    assert again.facts["models trained"] == 0
    assert again.artifact.digest == outcome.artifact.digest
    report = write_rating_ablations(scenario, store)
    text = store.read_text("rating_ablation_report/songs", ".md")
    assert "Cold ratio 0.2" in text and "reference" in text
    assert report.facts["experiments"] == 1 and report.plots


def test_a_variant_that_is_worse_is_said_to_be(world: RatingWorld) -> None:
    """Errors of 1 against errors of 0, by hand: the difference is 1 and sure."""
    base = stored_rating_system("music", world.scenario)
    variants = rating_variants(rating_experiment("music_steps"), base, world.scenario)
    labels = [one.label for one in variants]
    reference = next(one.label for one in variants if one.reference)
    rows = [
        {
            **{"system": label, "train_seed": 0, "cold_ratio": 0.2, "part": part},
            **{"user": user, "item": 1, "rating": 4.0},
            "predicted": 4.0 if label == reference else 5.0,
        }
        for label in labels
        for part in ("valid", "test")
        for user in range(12)
    ]
    costs = {label: Cost(train_seconds=1.0, num_parameters=2) for label in labels}
    predictions = pa.Table.from_pylist(rows, schema=RATING_PREDICTIONS)
    table = compare_rating_variants("music_steps", variants, predictions, costs)
    for row in table.to_pylist():
        assert row["mean"] == (0.0 if row["reference"] else 1.0)
        if not row["reference"]:
            assert row["delta"] == 1.0 and row["p_value"] < 0.001
