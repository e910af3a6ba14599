"""Data that changed since a scenario's systems were trained starts their training again."""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from assets.refresh import stale_causes
from pipeline.catalog import Catalog, Scenario
from pipeline.digest import digest_json

_UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_NEW_DATA = "data version"
"""In the causes that are data's: a changed catalog or new code starts nothing by itself."""

Found = dict[tuple[dg.AssetKey, str], int]
"""Asset partitions that were materialized, with the number of their latest materialization."""


def retraining_sensor(catalog: Catalog, everything: dg.JobDefinition) -> dg.SensorDefinition:
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
        assert context.repository_def is not None  # Dagster gives it to every tick
        graph, instance, due = context.repository_def.asset_graph, context.instance, 0
        for scenario in catalog.scenarios.values():
            if _is_running(everything.name, scenario.name, instance):
                continue
            found = _made_from(graph, scenario, instance)
            if any(_has_new_data(graph, *part, instance) for part in found):
                due += 1
                # One run for one state: a run that failed is started again by people alone.
                yield dg.RunRequest(
                    run_key=f"{scenario.name}:{_digest(found)}", partition_key=scenario.name
                )
        if not due:
            yield dg.SkipReason("no trained scenario has new data")

    return sensor


def _is_running(job: str, scenario: str, instance: dg.DagsterInstance) -> bool:
    tags = {"dagster/partition": scenario}
    filters = dg.RunsFilter(job_name=job, tags=tags, statuses=_UNFINISHED)
    return bool(instance.get_runs(filters, limit=1))


def _made_from(graph: Any, scenario: Scenario, instance: dg.DagsterInstance) -> Found:
    """The weights of a scenario that were trained, and all that they were made from."""
    weights = [key for key in graph.get_all_asset_keys() if key.path[0] == "weights"]
    found = _found(weights, [scenario.name], instance)
    above = {above for key, _ in found for above in graph.get_ancestor_asset_keys(key)}
    return found | _found(sorted(above), [scenario.name, *scenario.domains], instance)


def _found(
    keys: Sequence[dg.AssetKey], partitions: Sequence[str], instance: dg.DagsterInstance
) -> Found:
    records = {
        (key, partition): instance.get_latest_data_version_record(key, partition_key=partition)
        for key in keys
        for partition in partitions
    }
    return {part: record.storage_id for part, record in records.items() if record is not None}


def _has_new_data(
    graph: Any, key: dg.AssetKey, partition: str, instance: dg.DagsterInstance
) -> bool:
    return any(_NEW_DATA in cause for cause in stale_causes(graph, key, partition, instance))


def _digest(found: Found) -> str:
    return digest_json({f"{key.to_user_string()}[{at}]": id for (key, at), id in found.items()})
