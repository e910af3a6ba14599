"""Provenance: digests, seeds, versions, machine, and how each artifact was made."""

from pipeline.catalog import Scenario, Training
from pipeline.evaluate.background import Provenance, Upstream
from pipeline.evaluate.document import to_markdown
from pipeline.evaluate.report.provenance import provenance_blocks
from pipeline.evaluate.report.steps import Step

SCENARIO = Scenario(
    name="pair",
    domains=("food", "kitchen"),
    training=Training(seeds=(0, 1), rival_seeds=(0,)),
    experiments=("lgcd_ablations",),
    experiment_seeds=(1,),
)
MADE = Provenance(
    artifacts=(Upstream(name="weights/lgcd", digest="f" * 16, seeds=(0, 1)),),
    split_seed=7,
    candidate_seeds=(3, 4),
    versions=(("coldbridge", "9.9"),),
)
STEPS = [
    Step(
        name="reviews",
        partition="food",
        digest="00112233aabbccdd",
        version="4 food:1234abcd",
        made="2026-01-02 03:04:05",
        seconds=1234.5,
    ),
    Step(name="old", partition="pair", digest="", version="", made="", seconds=None),
]


def test_seeds_versions_machine_and_digests_are_told() -> None:
    text = to_markdown(provenance_blocks(SCENARIO, MADE, STEPS))
    seeds = "split 0; candidates 3 4; training 0 1; training of the baselines 0; experiments 1"
    assert f"- Seeds: {seeds}." in text
    assert "- Versions: coldbridge 9.9." in text
    assert "This page was written on " in text and ", torch " in text
    assert f"| weights/lgcd | {'f' * 16} | 0 1 |" in text


def test_each_artifact_above_stands_with_its_time_and_the_timed_ones_are_summed() -> None:
    text = to_markdown(provenance_blocks(SCENARIO, MADE, STEPS))
    assert "1,234 seconds in all, of the 1 that are timed" in text
    row = "| reviews food | 1,234.5 | 00112233aabbccdd | 4 food:1234abcd | 2026-01-02 03:04:05 |"
    assert row in text


def test_without_systems_and_without_a_record_what_is_known_is_told() -> None:
    text = to_markdown(provenance_blocks(SCENARIO, None, []))
    assert "- Seeds: split 0." in text and "- Versions: coldbridge " in text
    assert "without a record of the runs before it" in text
