"""Bring a scenario up to date: materialize what is missing or stale, and nothing else.

Assets are visited in topological order, and an asset's state is asked only after everything
above it is fresh: where a recomputed artifact has the digest it had before, nothing below it
runs. Dagster's own launchers cannot do this across domain and scenario partitions.
"""

import logging
import time
from collections.abc import Sequence
from typing import Any

import dagster as dg
from dagster._core.definitions.data_version import (
    CachingStaleStatusResolver,
    StaleCauseCategory,
    StaleStatus,
    extract_data_provenance_from_entry,
)
from dagster._core.loader import LoadingContextForTest

from assets.ingest import GROUP as INGEST
from assets.present import partition_version
from assets.resources import Workspace

log = logging.getLogger("pipeline.refresh")

_QUIET = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
"""Dagster's own console lines; the event log of each run keeps everything."""


def refresh(
    assets: Sequence[dg.AssetsDefinition],
    workspace: Workspace,
    scenario: str,
    instance: dg.DagsterInstance,
) -> list[str]:
    """Materialize one scenario's stale asset partitions; returns their names, in order.

    Stops at the first failure with the asset's own error.
    """
    definitions = dg.Definitions(assets=list(assets), resources={"workspace": workspace})
    graph = definitions.resolve_asset_graph()
    job = definitions.resolve_implicit_global_asset_job_def()
    domains = workspace.scenario(scenario).domains
    done = []
    for key in graph.toposorted_asset_keys:
        for partition in _partitions_of(graph.get(key), scenario, domains):
            causes = stale_causes(graph, key, partition, instance)
            if not causes:
                continue
            name = f"{key.to_user_string()}[{partition}]"
            log.info("%s: %s", name, causes[0])
            started = time.perf_counter()
            job.execute_in_process(
                asset_selection=[key],
                partition_key=partition,
                instance=instance,
                run_config=_QUIET,
            )
            log.info("%s: done in %.1f s", name, time.perf_counter() - started)
            done.append(name)
    return done


def stale_causes(
    graph: Any,
    key: dg.AssetKey,
    partition: str,
    instance: dg.DagsterInstance,
) -> list[str]:
    """Why an asset partition has to run; empty where it is fresh.

    Dagster's resolver of staleness is not public; a test guards what is used of it.
    """
    resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
    if resolver.get_status(key, partition) is StaleStatus.MISSING:
        return ["never materialized"]
    causes = resolver.get_stale_causes(key, partition)
    if _is_version_kept(graph.get(key).code_version, key, partition, instance):
        causes = [cause for cause in causes if cause.category is not StaleCauseCategory.CODE]
    return [cause.reason for cause in causes]


def _is_version_kept(
    current: str, key: dg.AssetKey, partition: str, instance: dg.DagsterInstance
) -> bool:
    """Whether only other partitions' parameters changed since this one was materialized."""
    record = instance.get_latest_data_version_record(key, partition_key=partition)
    assert record is not None  # it is not missing
    provenance = extract_data_provenance_from_entry(record.event_log_entry)
    return provenance is not None and (
        partition_version(provenance.code_version, partition)
        == partition_version(current, partition)
    )


def _partitions_of(node: Any, scenario: str, domains: tuple[str, ...]) -> list[str]:
    """The partitions of an asset that a scenario needs: itself, or its domains."""
    return list(domains) if node.group_name == INGEST else [scenario]
