"""The pages of the little world: of a scenario with systems, and of one that ends with tables."""

import html
import re
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from pipeline.columns import EXPERIMENT
from pipeline.evaluate.report.page import write_report
from pipeline.evaluate.scores import compare_systems, recommend_with
from pipeline.outcome import Outcome
from pipeline.prepare.dataset_card import build_dataset_card
from tests.pipeline.evaluate.experiment_tables import table
from tests.pipeline.evaluate.ranked_world import ranked


def compared(world: Any, systems: tuple[str, ...], **scenario: Any) -> Any:
    """The world with a leaderboard and a dataset card."""
    world = ranked(world, systems).with_scenario(top_n=5, **scenario)
    compare_systems(world.scenario, world.store)
    build_dataset_card(world.scenario, world.catalog, world.store)
    return world


def reported(world: Any) -> tuple[Outcome, str]:
    outcome = write_report(world.scenario, world.catalog, world.store)
    return outcome, outcome.artifact.path.read_text(encoding="utf-8")


def parts_of(page: str) -> list[str]:
    return re.findall(r'<section id="(\w+)"', page)


def test_a_page_tells_all_there_is_of_a_scenario(world: Any) -> None:
    world = compared(world, ("popularity", "sasrec", "lgcd"), experiments=("lgcd_ablations",))
    for system in world.scenario.systems:
        recommend_with(system, world.scenario, world.store)
    variants = table("lgcd_ablations", {"LGCD": 0.4, "w/o Diffusion": 0.3}, "LGCD")
    world.store.write_table("experiments/little/lgcd_ablations", EXPERIMENT, variants)
    outcome, page = reported(world)
    assert parts_of(page) == [
        *("leaderboard", "slices", "experiments", "examples", "training", "cost", "method"),
        *("data", "provenance"),
    ]
    lead = str(outcome.facts["to quote 1"])
    assert re.match(
        r"In food, LGCD ranks the item that a cold user takes next with HR@10 \d\.\d{3} \(95 %"
        r" interval \d\.\d{3} to \d\.\d{3}\); (Popularity|SASRec), the baseline to beat, reaches"
        r" .*; the difference is [+-]\d\.\d{3} \(95 % interval .*, p [=<] [\d.]+\)\.",
        lead,
    )
    assert html.escape(lead) in page
    assert "NDCG@10 in food, validation users" in page and "w/o Diffusion" in page
    assert "Published figures: the scenario names no published table." in page
    assert "Experiments:" not in page.split("What this page leaves out")[1]
    assert 'aria-label="SASRec"' in page and 'aria-label="LGCD"' in page  # training curves
    assert world.store.digest("candidates/little") in page
    users = world.store.read_table("sequences/little", ["user_id"])["user_id"].to_pylist()
    assert not [user for user in users if user in page]
    _, again = reported(world)
    assert again == page


def test_what_is_not_there_yet_is_left_out_and_said(world: Any) -> None:
    world = compared(world, ("popularity",), experiments=("lgcd_ablations",))
    _, page = reported(world)
    assert parts_of(page) == ["leaderboard", "slices", "cost", "method", "data", "provenance"]
    left_out = page.split("What this page leaves out")[1]
    for words in (
        "Experiment lgcd_ablations: it was not carried out yet.",
        "Examples of recommendations: there are none of Popularity yet.",
        "Training curves: no system of the scenario is trained by epochs.",
    ):
        assert words in left_out
    assert "In food, Popularity ranks" in page  # there is none of ours


def test_titles_are_data_and_recommendations_must_be_of_the_test_users(world: Any) -> None:
    world = compared(world, ("popularity",))
    recommend_with("popularity", world.scenario, world.store)
    key = "recommendations/little/popularity"
    stored = world.store.read_table(key)
    nasty = pa.array(["<script>x</script>"] * len(stored), pa.string())
    place = stored.schema.get_field_index("title")
    world.store.write_table(key, stored.schema, stored.set_column(place, "title", nasty))
    _, page = reported(world)
    assert "<script" not in page and "&lt;script&gt;x" in page
    world.store.write_table(key, stored.schema, stored.slice(0, 0))
    with pytest.raises(ValueError, match=r"recommendations of 'popularity' lack \d test users"):
        reported(world)


def test_a_scenario_that_ends_with_tables_has_its_data_and_provenance(world: Any) -> None:
    build_dataset_card(world.scenario, world.catalog, world.store)
    tables_only = world.with_scenario(task="cross-domain-sequential")
    outcome, page = reported(tables_only)
    assert parts_of(page) == ["data", "provenance"]
    assert outcome.facts == {"parts": 2}
    assert "no system is trained for scenarios of this kind yet" in page
    assert "fine food" in page and "users active in two domains or more" in page
    assert re.search(r'<th scope="row" class="word">test</th><td>\d</td>', page)


def test_the_digest_is_that_of_the_page(world: Any) -> None:
    build_dataset_card(world.scenario, world.catalog, world.store)
    tables_only = world.with_scenario(task="cross-domain-sequential")
    first, _ = reported(tables_only)
    same, _ = reported(tables_only)
    split = replace(world.scenario.split, seed=5)
    other, _ = reported(tables_only.with_scenario(split=split))
    assert first.artifact.digest == same.artifact.digest != other.artifact.digest


def test_a_missing_card_is_named(world: Any) -> None:
    with pytest.raises(ValueError, match="materialize dataset_card of little first"):
        reported(world.with_scenario(task="cross-domain-sequential"))
