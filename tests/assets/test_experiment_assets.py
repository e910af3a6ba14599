"""Experiments in Dagster: which assets and jobs a catalog that names some has."""

from collections.abc import Callable
from typing import Any

import dagster as dg

from assets.definitions import build_defs
from assets.resources import Workspace
from assets.stages.experiments import experiment_assets
from pipeline.catalog.systems import EXPERIMENTS, SYSTEMS
from pipeline.columns import EXPERIMENT
from tests.pipeline.evaluate.experiment_tables import table

NAMED = 'experiments = ["lgcd_steps", "lgcd_targets"]'
OTHER = 'experiments = ["lgcd_steps"]'
STEPS, TARGETS = "experiments/lgcd_steps", "experiments/lgcd_targets"

Build = Callable[..., Workspace]


def nodes(workspace: Workspace) -> dict[str, Any]:
    graph = build_defs(workspace).resolve_asset_graph()
    return {key.to_user_string(): graph.get(key) for key in graph.get_all_asset_keys()}


def partitions(node: Any) -> list[str]:
    return node.partitions_def.get_partition_keys()


def test_only_scenarios_that_name_experiments_have_any(workspace: Build) -> None:
    assert not any(node.group_name == "experiments" for node in nodes(workspace()).values())
    found = nodes(workspace(experiments=NAMED, more=OTHER))
    assert {name for name, node in found.items() if node.group_name == "experiments"} == {
        STEPS,
        TARGETS,
        "ablation_report",
    }
    assert partitions(found[STEPS]) == ["other", "small"]
    assert partitions(found[TARGETS]) == ["small"]
    assert partitions(found["ablation_report"]) == ["other", "small"]


def test_an_experiment_reads_what_its_system_is_trained_from_and_its_weights(
    workspace: Build,
) -> None:
    found = nodes(workspace(experiments=NAMED))
    expected = {*SYSTEMS["lgcd"], "weights/lgcd", "sequences", "vocabulary", "candidates"}
    assert {key.to_user_string() for key in found[STEPS].parent_keys} == expected
    report = {key.to_user_string() for key in found["ablation_report"].parent_keys}
    assert report == {STEPS, TARGETS}


def test_each_asset_says_what_it_is(workspace: Build) -> None:
    systems = ["popularity", *sorted(set(EXPERIMENTS.values()))]
    lines = f"systems = {systems}\nexperiments = {list(EXPERIMENTS)}"
    found = nodes(workspace(experiments=lines))
    own = [node for node in found.values() if node.group_name == "experiments"]
    assert len(own) == len(EXPERIMENTS) + 1
    for node in own:
        assert node.description and len(node.description) < 100
        assert node.kinds and node.code_version


def test_the_stages_jobs_hold_every_experiment_once(workspace: Build) -> None:
    built = build_defs(workspace(experiments=NAMED, more=OTHER))
    jobs = {job.name: job for job in built.resolve_all_job_defs()}
    selected = {
        name: {key.to_user_string() for key in jobs[name].asset_layer.executable_asset_keys}
        for name in jobs
        if name.startswith("experiments")
    }
    assert selected == {
        "experiments": {STEPS, "ablation_report"},
        "experiments_lgcd_targets": {TARGETS},
    }


def test_a_parameter_changes_the_code_version_of_exactly_what_reads_it(workspace: Build) -> None:
    before = nodes(workspace(experiments=NAMED, more=OTHER))

    def changed(**changes: str) -> set[str]:
        changes = {"experiments": NAMED, "more": OTHER, **changes}
        after = nodes(workspace(**changes))
        own = [name for name, node in after.items() if node.group_name == "experiments"]
        return {name for name in own if after[name].code_version != before[name].code_version}

    assert changed() == set()
    seeds = "experiment_seeds = [0]"
    assert changed(experiments=f"{NAMED}\n{seeds}") == {STEPS, TARGETS}
    assert changed(published='published = "lgcd-food-kitchen"') == {"ablation_report"}
    assert changed(candidates="candidates = { seeds = [0, 1] }") == {STEPS, TARGETS}
    assert changed(more='experiments = ["lgcd_steps"]\ntop_n = 3') == set()


def test_the_report_is_materialized_with_its_charts_and_its_rows(workspace: Build) -> None:
    built = workspace(experiments=OTHER)
    steps = table("lgcd_steps", {"10": 0.2, "100": 0.4}, "100")
    built.store.write_table("experiments/small/lgcd_steps", EXPERIMENT, steps)
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            experiment_assets(built.catalog),
            selection=["ablation_report"],
            partition_key="small",
            resources={"workspace": built},
            instance=instance,
        )
    (event,) = result.get_asset_materialization_events()
    metadata = event.materialization.metadata
    assert metadata["dagster/row_count"].value == steps.num_rows
    assert str(metadata["LGCD: diffusion steps"].value).startswith("![LGCD")
    assert "100 is best" in str(metadata["lgcd_steps"].value)
    assert "Experiments: small" in built.store.read_text("ablation_report/small", ".md")
