"""The report in Dagster: what it reads, and the record of what was made above it."""

from collections.abc import Callable
from typing import Any

import dagster as dg

from assets.definitions import all_assets
from assets.history import history_above
from assets.resources import Workspace

Build = Callable[..., Workspace]

TABLES = ("raw", "items", "reviews", "interactions", "vocabulary", "dataset_card", "clicks")


def materialize(workspace: Workspace, instance: dg.DagsterInstance, name: str, part: str) -> Any:
    return dg.materialize(
        all_assets(workspace.catalog),
        selection=[name],
        partition_key=part,
        resources={"workspace": workspace, "engine": dg.ResourceDefinition.none_resource()},
        instance=instance,
    )


def test_a_page_is_materialized_with_the_record_of_all_that_lies_above_it(
    workspace: Build,
) -> None:
    built = workspace()
    with dg.DagsterInstance.ephemeral() as instance:
        for name in TABLES:
            part = "food" if name in TABLES[:3] else "clicked"
            assert materialize(built, instance, name, part).success
        result = materialize(built, instance, "report", "clicked")
        (event,) = result.get_asset_materialization_events()
        page = built.store.read_text("report/clicked", ".html")
        *others, report = all_assets(built.catalog)
        steps = history_above(report, others, built.scenario("clicked"), instance)
        # Of the scenario "small" only its domain food was ingested here.
        other = history_above(report, others, built.scenario("small"), instance)
    assert str(event.materialization.metadata["path"].value).endswith("report/clicked.html")
    made = [(step.name, step.partition) for step in steps]
    assert sorted(made) == sorted(
        (name, "food" if name in TABLES[:3] else "clicked") for name in TABLES
    )
    assert made.index(("reviews", "food")) < made.index(("interactions", "clicked"))
    assert made.index(("interactions", "clicked")) < made.index(("clicks", "clicked"))
    for step in steps:
        assert step.made and step.version and step.digest and step.digest in page
        assert (step.seconds is None) == (step.name == "raw")  # files that are looked at, not made
    stored = {step.name: step.digest for step in steps}
    assert stored["clicks"] == built.store.digest("clicks/clicked")
    assert {(step.name, step.partition) for step in other} == {(n, "food") for n in TABLES[:3]}


def test_a_scenario_reads_its_own_partitions_alone(workspace: Build) -> None:
    catalog = workspace().catalog
    report = all_assets(catalog)[-1]
    assert report.key.to_user_string() == "report"
    kinds = {key.path[0] for key in report.asset_deps[report.key]}
    assert {"dataset_card", "leaderboard", "weights", "scores", "recommendations"} <= kinds
    assert not kinds & {"raw", "reviews", "items", "interactions", "title_vectors"}
    for dep in report.specs_by_key[report.key].deps:
        mapping = dep.partition_mapping
        assert isinstance(mapping, dg.StaticPartitionMapping)
        pairs = mapping.downstream_partition_keys_by_upstream_partition_key
        assert all(below in (above, {above}, [above]) for above, below in pairs.items())
