"""Data that changed since a scenario's systems were trained starts their training again."""

from collections.abc import Iterator, Sequence

import dagster as dg

from assets.resources import Workspace
from assets.staleness.causes import Part, Staleness
from pipeline.catalog import Scenario
from pipeline.digest import digest_json

_UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def retraining_sensor(
    assets: Sequence[dg.AssetsDefinition], workspace: Workspace, everything: dg.JobDefinition
) -> dg.SensorDefinition:
    """It is off. It starts the job `everything`, which recomputes in waves what is stale: where
    an artifact turns out as it was, nothing below it runs."""

    @dg.sensor(
        name="retraining",
        job=everything,
        minimum_interval_seconds=300,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Brings a trained scenario up to date when the data it was made from changed.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        instance, due = context.instance, 0
        staleness = Staleness(assets, workspace, instance)
        for scenario in workspace.catalog.scenarios.values():
            if _is_running(everything.name, scenario.name, instance):
                continue
            found = list(_made_from(staleness, scenario))
            if any(_has_new_data(staleness, part) for part in found):
                due += 1
                # One run for one state: a run that failed is started again by people alone.
                yield dg.RunRequest(
                    run_key=f"{scenario.name}:{_digest(staleness, found)}",
                    partition_key=scenario.name,
                )
        if not due:
            yield dg.SkipReason("no trained scenario has new data")

    return sensor


def _is_running(job: str, scenario: str, instance: dg.DagsterInstance) -> bool:
    tags = {"dagster/partition": scenario}
    filters = dg.RunsFilter(job_name=job, tags=tags, statuses=_UNFINISHED)
    return bool(instance.get_runs(filters, limit=1))


def _made_from(staleness: Staleness, scenario: Scenario) -> Iterator[Part]:
    """The weights of a scenario that were trained, and what was materialized above them."""
    parts = [part for part in staleness.parts(scenario.name) if staleness.record(part)]
    trained = {part.key for part in parts if part.key.path[0] == "weights"}
    above = {key for one in trained for key in staleness.graph.get_ancestor_asset_keys(one)}
    return (part for part in parts if part.key in trained | above)


def _has_new_data(staleness: Staleness, part: Part) -> bool:
    """A changed catalog or new code starts nothing by itself."""
    return any(cause.kind == "data" for cause in staleness.causes(part))


def _digest(staleness: Staleness, parts: Sequence[Part]) -> str:
    """Of what was materialized: once more of the same is another state."""
    records = {str(part): staleness.record(part) for part in parts}
    return digest_json({name: record.event for name, record in records.items() if record})
