"""Systems trained on the little world: once for each seed, again only where something changed."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from pipeline.catalog import Split
from pipeline.catalog.systems import SYSTEMS
from pipeline.prepare.sequences import build_sequences
from pipeline.train.cases import load_cold_cases
from pipeline.train.systems import load_system, seeds_of, train_system, weights_folder
from pipeline.train.weights import load_report


def scores(system: str, world: Any, seed: int = 0) -> torch.Tensor:
    model = load_system(system, world.scenario, world.store, seed)
    return model.score(load_cold_cases(world.store, world.scenario, "test").query)


@pytest.mark.parametrize("system", ["popularity", "recent_popularity", "cooccurrence"])
def test_a_system_that_counts_is_trained_once_whatever_the_seeds(world: Any, system: str) -> None:
    first = train_system(system, world.scenario, world.store)
    assert first.facts == {"seeds": 1, "seeds_kept": 0}
    again = train_system(system, world.scenario, world.store)
    assert again.facts == {"seeds": 1, "seeds_kept": 1}
    assert again.artifact == first.artifact
    found = scores(system, world)
    assert found.shape == (3, 25) and found.isfinite().all()
    assert load_report(world.store, weights_folder(system, world.scenario), 0) is None


def test_popularity_counts_training_users_alone(world: Any) -> None:
    train_system("popularity", world.scenario, world.store)
    rows = world.store.read_table("sequences/little").to_pylist()
    trained = [item for row in rows if row["label"] is None for item in row["items"]]
    expected = [float(trained.count(item)) for item in range(25)]
    assert scores("popularity", world)[0].tolist() == expected


def test_sasrec_is_trained_for_every_seed_and_kept(world: Any) -> None:
    first = train_system("sasrec", world.scenario, world.store)
    assert (first.facts["seeds"], first.facts["seeds_kept"]) == (2, 0)
    assert {f"seed {seed}: best epoch" for seed in (0, 1)} <= set(first.facts)
    assert not list((world.store.root / "checkpoints").rglob("*.safetensors"))
    again = train_system("sasrec", world.scenario, world.store)
    assert (again.facts["seeds_kept"], again.artifact) == (2, first.artifact)
    report = load_report(world.store, "weights/little/sasrec", 1)
    assert report and len(report.curve) == 2  # as many as the world allows
    assert not torch.equal(scores("sasrec", world, 0), scores("sasrec", world, 1))
    assert torch.equal(scores("sasrec", world, 0), scores("sasrec", world, 0))


def test_one_more_seed_keeps_those_that_are_trained(world: Any) -> None:
    one = world.with_scenario(training=replace(world.scenario.training, seeds=(0,), max_epochs=1))
    train_system("sasrec", one.scenario, one.store)
    kept = one.store.digest("weights/little/sasrec/seed-0")
    two = world.with_scenario(training=replace(one.scenario.training, seeds=(0, 1)))
    outcome = train_system("sasrec", two.scenario, two.store)
    assert (outcome.facts["seeds"], outcome.facts["seeds_kept"]) == (2, 1)
    assert two.store.digest("weights/little/sasrec/seed-0") == kept


def test_training_again_gives_the_same_weights(world: Any) -> None:
    training = replace(world.scenario.training, seeds=(0,), max_epochs=1)
    one = world.with_scenario(training=training)
    first = train_system("sasrec", one.scenario, one.store)
    world.store.delete("weights/little/sasrec/seed-0", ".safetensors")
    again = train_system("sasrec", one.scenario, one.store)
    assert again.facts["seeds_kept"] == 0
    assert again.artifact.digest == first.artifact.digest


def test_another_parameter_or_other_data_trains_again(world: Any) -> None:
    training = replace(world.scenario.training, seeds=(0,), max_epochs=1)
    one = world.with_scenario(training=training)
    train_system("sasrec", one.scenario, one.store)
    shorter = world.with_scenario(training=replace(training, max_length=3))
    assert train_system("sasrec", shorter.scenario, one.store).facts["seeds_kept"] == 0
    assert train_system("sasrec", shorter.scenario, one.store).facts["seeds_kept"] == 1
    train_system("popularity", one.scenario, one.store)
    moved = one.with_scenario(split=Split(valid=0.2, test=0.2, seed=5))
    build_sequences(moved.scenario, moved.store)
    assert train_system("popularity", moved.scenario, moved.store).facts["seeds_kept"] == 0


def test_a_failure_in_one_seed_keeps_the_seeds_before_it(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.train import systems

    real = systems.train_sequential

    def failing(*arguments: Any) -> Any:
        if arguments[4] == 1:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(systems, "train_sequential", failing)
    training = replace(world.scenario.training, max_epochs=1)
    one = world.with_scenario(training=training)
    with pytest.raises(KeyboardInterrupt):
        train_system("sasrec", one.scenario, one.store)
    monkeypatch.undo()
    assert train_system("sasrec", one.scenario, one.store).facts["seeds_kept"] == 1


def test_an_unknown_system_is_named_with_those_that_are_known(world: Any) -> None:
    from pipeline.train.cases import item_space
    from pipeline.train.presets import preset

    with pytest.raises(ValueError, match=r"unknown system 'svd'; known systems: popularity"):
        preset("svd", world.scenario, item_space(world.store, world.scenario), 8)


def test_every_system_has_a_preset_and_seeds(world: Any) -> None:
    from pipeline.train.cases import item_space
    from pipeline.train.presets import preset

    space = item_space(world.store, world.scenario)
    for system in SYSTEMS:
        run = preset(system, world.scenario, space, 8)
        assert run == preset(system, world.scenario, space, 8)
        assert seeds_of(system, world.scenario, world.store) in ((0,), (0, 1))


def test_rivals_may_be_trained_with_fewer_seeds(world: Any) -> None:
    training = replace(world.scenario.training, rival_seeds=(1,))
    fewer = world.with_scenario(training=training)
    assert seeds_of("sasrec", fewer.scenario, fewer.store) == (1,)
    assert seeds_of("lgcd_plus", fewer.scenario, fewer.store) == (0, 1)
    assert seeds_of("sasrec", world.scenario, world.store) == (0, 1)
