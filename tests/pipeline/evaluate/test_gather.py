"""A leaderboard of the little world: costs, digests and notes as they lie in the store."""

from dataclasses import replace
from typing import Any

import pytest

from pipeline.evaluate.cost import Scoring, load_scoring, save_scoring
from pipeline.evaluate.gather import gather_background
from pipeline.evaluate.scores import compare_systems, score_system
from pipeline.train.systems import train_system
from pipeline.train.weights import load_report
from tests.pipeline.evaluate.ranked_world import ranked

SYSTEMS = ("popularity", "sasrec", "lgcd")


def test_costs_are_told_apart_by_what_each_system_does(world: Any) -> None:
    world = ranked(world, SYSTEMS)
    popularity, sasrec, lgcd = gather_background(world.scenario, world.store).costs
    assert (popularity.scoring.num_trained, popularity.scoring.num_stored) == (0, 25)
    assert (popularity.train_seconds, popularity.epochs) == (None, ())
    assert sasrec.scoring.num_trained == sasrec.scoring.num_stored > 25 * 8
    reports = [load_report(world.store, "weights/little/sasrec", seed) for seed in (0, 1)]
    assert sasrec.train_seconds == sum(one.seconds for one in reports if one) / 2
    assert sasrec.epochs == (1, 1) and sasrec.encoder_seconds is None
    encoders = [load_report(world.store, "encoders/little", seed) for seed in (0, 1)]
    assert lgcd.encoder_seconds == sum(one.seconds for one in encoders if one) / 2 > 0
    assert {cost.scoring.num_users for cost in (popularity, sasrec, lgcd)} == {3}


def test_digests_are_those_of_what_the_systems_rest_on(world: Any) -> None:
    world = ranked(world, SYSTEMS)
    made = gather_background(world.scenario, world.store).provenance
    assert made is not None
    named = {one.name: one.digest for one in made.artifacts}
    assert set(named) == {
        *("sequences", "vocabulary", "candidates", "generated_titles", "item_text"),
        *("pseudo_interactions", "encoders", *(f"weights/{system}" for system in SYSTEMS)),
    }
    assert named["candidates"] == world.store.digest("candidates/little")
    assert (
        named["weights/sasrec"]
        == train_system("sasrec", world.scenario, world.store).artifact.digest
    )
    assert (made.split_seed, made.candidate_seeds) == (0, (0, 1))
    seeds = {one.name: one.seeds for one in made.artifacts}
    assert (seeds["weights/lgcd"], seeds["weights/popularity"]) == ((0, 1), (0,))
    assert seeds["sequences"] == ()
    assert [name for name, _ in made.versions] == [
        *("coldbridge", "numpy", "pyarrow", "torch", "Python")
    ]


def test_what_no_system_reads_is_not_asked_for(world: Any) -> None:
    world = ranked(world, ("popularity",))
    world.store.delete("generated_titles/little", ".parquet")
    made = gather_background(world.scenario, world.store).provenance
    assert made is not None
    assert [one.name for one in made.artifacts] == [
        *("sequences", "vocabulary", "candidates", "weights/popularity")
    ]


def test_time_changes_neither_the_digest_of_ranks_nor_of_the_leaderboard(world: Any) -> None:
    world = ranked(world, ("popularity", "sasrec"))
    key = "scores/little/sasrec"
    before = (world.store.digest(key), compare_systems(world.scenario, world.store).artifact.digest)
    slow = replace(load_scoring(world.store, key), seconds=1234.5)
    save_scoring(world.store, key, slow)
    board = compare_systems(world.scenario, world.store)
    assert (world.store.digest(key), board.artifact.digest) == before
    assert "| 1234.50 |" in world.store.read_text("leaderboard/little", ".md")
    told: list[dict[str, Any]] = []
    again = score_system(
        "sasrec", world.scenario, world.store, lambda _, figures: told.append(dict(figures))
    )
    assert again.artifact.digest == before[0]
    assert told[-1]["users_done"] == told[-1]["users"] and told[-1]["seconds_to_go"] == 0
    assert 0 < told[0]["users_done"] < told[0]["users"] and told[0]["seconds_to_go"] >= 0
    measured = load_scoring(world.store, key)
    assert isinstance(measured, Scoring) and measured.seconds < 1234.5


def test_users_with_more_than_the_window_are_counted_in_the_notes(world: Any) -> None:
    world = ranked(world, ("popularity",), max_length=3)
    rows = world.store.read_table("sequences/little").to_pylist()
    lengths = [len(row["items"]) for row in rows if row["part"] == "test"]
    longer = sum(length > 3 for length in lengths)
    assert 0 < longer <= len(lengths) == 3
    (note,) = gather_background(world.scenario, world.store).notes
    assert note.startswith(f"Histories are cut to their newest 3 items: {longer} of 3 test")


def test_titles_and_text_vectors_are_told_of_where_a_system_needs_them(world: Any) -> None:
    titles, texts, _ = gather_background(ranked(world, SYSTEMS).scenario, world.store).notes
    assert titles.startswith("1 of ") and texts.startswith("Text vectors: package:")


def test_a_leaderboard_without_ranks_names_them(world: Any) -> None:
    world = ranked(world, ("popularity",))
    world.store.delete("scores/little/popularity", ".json")
    with pytest.raises(ValueError, match="materialize scores/popularity of little first"):
        compare_systems(world.scenario, world.store)
