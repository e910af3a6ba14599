"""Experiments as sets of runs: which run is the reference, where weights lie, that all train."""

from dataclasses import replace
from typing import Any

import pytest

from pipeline.catalog.systems import EXPERIMENTS, SYSTEMS
from pipeline.train.experiments.definition import (
    REFERENCE,
    Experiment,
    Variant,
    located,
    variants_of,
)
from pipeline.train.experiments.registry import experiment
from pipeline.train.presets.runs import CountingRun, SequentialRun
from pipeline.train.systems import load_run, stored_system, train_run, train_system
from tests.pipeline.transfer_world import prepare_transfer

Change = dict[str, Any]


def of(world: Any, chosen: Experiment) -> tuple[Variant, ...]:
    base = stored_system(chosen.system, world.scenario, world.store)
    return variants_of(chosen, base, world.scenario)


def made(name: str, *lengths: int, labels: tuple[str, ...] = ()) -> Experiment:
    """Variants of SASRec that differ in `max_length`."""

    def variants(run: SequentialRun, scenario: Any) -> dict[str, Any]:
        names = labels or tuple(map(str, lengths))
        return {n: replace(run, max_length=m) for n, m in zip(names, lengths, strict=True)}

    return Experiment(name=name, title="lengths", variants=variants)


@pytest.fixture
def sasrec_experiment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXPERIMENTS, "lengths", "sasrec")


@pytest.fixture
def quick(world: Any) -> Any:
    """One seed, one epoch of one step."""
    training = replace(
        world.scenario.training, seeds=(0,), max_epochs=1, patience=1, transfer_steps=1
    )
    one = world.with_scenario(training=training)
    prepare_transfer(one)
    return one


def test_every_named_experiment_exists_and_varies_a_known_system() -> None:
    for name, system in EXPERIMENTS.items():
        assert experiment(name).name == name
        assert experiment(name).system == system and system in SYSTEMS
        assert name not in SYSTEMS  # both name folders of weights


def test_an_unknown_experiment_is_named_with_those_that_are_known() -> None:
    with pytest.raises(ValueError, match=r"unknown experiment 'x'; known experiments: lgcd_abl"):
        experiment("x")


@pytest.mark.usefixtures("sasrec_experiment")
def test_the_variant_that_equals_the_systems_run_is_the_reference(world: Any) -> None:
    found = of(world, made("lengths", 3, 6, 9))  # the world's max_length is 6
    assert [(variant.label, variant.reference) for variant in found] == [
        ("3", False),
        ("6", True),
        ("9", False),
    ]


@pytest.mark.usefixtures("sasrec_experiment")
def test_a_reference_comes_first_where_no_variant_is_one(world: Any) -> None:
    found = of(world, made("lengths", 3, 9))
    assert [variant.label for variant in found] == [REFERENCE, "3", "9"]
    assert [variant.reference for variant in found] == [True, False, False]


@pytest.mark.usefixtures("sasrec_experiment")
def test_labels_never_become_paths_unchecked(world: Any) -> None:
    found = of(world, made("lengths", 3, 6, labels=("../w/o  Length!", "x0, 0.5")))
    assert [variant.stored.folder for variant in found] == [
        "weights/little/lengths/w-o-length",
        "weights/little/lengths/x0-0-5",
    ]
    with pytest.raises(ValueError, match=r"'lengths', variant '0\.5': .* '0-5' is none or belongs"):
        of(world, made("lengths", 3, 6, labels=("0.5", "0 5")))
    with pytest.raises(ValueError, match=r"variant '../..': .* '' is none"):
        of(world, made("lengths", 3, 6, labels=("../..", "b")))


@pytest.mark.usefixtures("sasrec_experiment")
def test_experiments_have_the_training_seeds_or_their_own(world: Any) -> None:
    assert {variant.stored.seeds for variant in of(world, made("lengths", 3))} == {(0, 1)}
    own = world.with_scenario(experiment_seeds=(1,))
    assert {variant.stored.seeds for variant in of(own, made("lengths", 3))} == {(1,)}


def test_variants_of_a_system_that_counts_have_one_seed(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(EXPERIMENTS, "counts", "popularity")

    def variants(run: CountingRun, scenario: Any) -> dict[str, Any]:
        return {"as is": run}

    (only,) = of(world, Experiment(name="counts", title="c", variants=variants))
    assert only.stored.seeds == (0,)


@pytest.mark.usefixtures("sasrec_experiment")
def test_the_systems_own_weights_serve_the_reference_and_no_other_variant(world: Any) -> None:
    one = world.with_scenario(training=replace(world.scenario.training, seeds=(0,), max_epochs=1))
    base = stored_system("sasrec", one.scenario, one.store)
    reference, other = of(one, made("lengths", 6, 3))
    assert located(reference, base, one.scenario, one.store) == reference.stored  # not trained yet
    train_system("sasrec", one.scenario, one.store)
    found = located(reference, base, one.scenario, one.store)
    assert found.folder == "weights/little/sasrec"
    assert train_run(found, one.scenario, one.store).facts["seeds_kept"] == 1
    assert located(other, base, one.scenario, one.store) == other.stored
    assert train_run(other.stored, one.scenario, one.store).facts["seeds_kept"] == 0
    assert train_run(other.stored, one.scenario, one.store).facts["seeds_kept"] == 1
    assert world.store.exists("weights/little/lengths/3/seed-0", ".safetensors")


@pytest.mark.usefixtures("sasrec_experiment")
def test_the_systems_weights_do_not_serve_where_a_seed_is_missing(world: Any) -> None:
    one = world.with_scenario(training=replace(world.scenario.training, seeds=(0,), max_epochs=1))
    train_system("sasrec", one.scenario, one.store)
    two = world.with_scenario(training=replace(one.scenario.training, seeds=(0, 1)))
    base = stored_system("sasrec", two.scenario, two.store)
    (reference,) = of(two, made("lengths", 6))
    assert located(reference, base, two.scenario, two.store) == reference.stored


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_variant_differs_is_trained_and_loaded(quick: Any, name: str) -> None:
    found = of(quick, experiment(name))
    assert sum(variant.reference for variant in found) == 1
    for number, variant in enumerate(found):
        assert all(variant.stored.run != other.stored.run for other in found[:number])
        run: Any = variant.stored.run
        short = replace(variant.stored, run=replace(run, loop=replace(run.loop, min_steps=1)))
        train_run(short, quick.scenario, quick.store)
        load_run(short, quick.scenario, quick.store, 0)
