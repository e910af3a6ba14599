"""Bring a scenario or a domain up to date: materialize what is missing or stale, and nothing else.

Assets are visited in topological order, and an asset's state is asked only after everything
above it is fresh: where a recomputed artifact has the digest it had before, nothing below it
runs. Dagster's own launchers cannot do this across domain and scenario partitions.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.definitions.data_version import (
    CachingStaleStatusResolver,
    StaleCauseCategory,
    StaleStatus,
    extract_data_provenance_from_entry,
)
from dagster._core.loader import LoadingContextForTest

from assets.checks import asset_checks, not_passed
from assets.launcher import here
from assets.present import partition_version
from assets.resources import Workspace
from assets.stopping import part_of, stop_if_asked
from pipeline.catalog import Catalog
from pipeline.extract.open_engine import open_engine

log = logging.getLogger("pipeline.refresh")

_QUIET = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
"""Dagster's own console lines; the event log of each run keeps everything."""


def refresh(
    assets: Sequence[dg.AssetsDefinition],
    workspace: Workspace,
    name: str,
    instance: dg.DagsterInstance,
    within: str | None = None,
) -> list[str]:
    """Materialize the stale asset partitions of one scenario, or of one domain.

    A scenario brings along what it needs of its domains; a domain is all that can be made of it
    alone. `within` is the run that does this, if any: it stops where that is to stop. Returns their
    names, in order. Stops at the first failure with the asset's own error.
    """
    with open_engine(Path(workspace.data), workspace.catalog.engine) as engine:
        # One engine for all runs: a model that several assets want is loaded once.
        shared = dg.ResourceDefinition.hardcoded_resource(engine)
        definitions = dg.Definitions(
            assets=list(assets),
            asset_checks=asset_checks(assets),
            resources={"workspace": workspace, "engine": shared},
        )
        return _refreshed(definitions, workspace.catalog, name, instance, within)


def _refreshed(
    definitions: dg.Definitions,
    catalog: Catalog,
    name: str,
    instance: dg.DagsterInstance,
    within: str | None,
) -> list[str]:
    graph = definitions.resolve_asset_graph()
    job = definitions.resolve_implicit_global_asset_job_def()
    done = []
    for key, partition in _wanted(graph, catalog, name):
        stop_if_asked(instance, within)
        causes = stale_causes(graph, key, partition, instance)
        if not causes:
            continue
        title = f"{key.to_user_string()}[{partition}]"
        log.info("%s: %s", title, causes[0])
        started = time.perf_counter()
        job.execute_in_process(
            asset_selection=[key],
            partition_key=partition,
            instance=instance,
            run_config=_QUIET,
            tags=here() | part_of(within),
        )
        log.info("%s: done in %.1f s", title, time.perf_counter() - started)
        done.append(title)
    return done


def _wanted(graph: Any, catalog: Catalog, name: str) -> Iterator[tuple[dg.AssetKey, str]]:
    """The asset partitions of a domain or a scenario, in topological order."""
    if name in catalog.domains:
        yield from ((key, name) for key in graph.toposorted_asset_keys if _has(graph, key, name))
        return
    domains = catalog.scenarios[name].read_domains
    own = {key for key in graph.toposorted_asset_keys if _has(graph, key, name)}
    needed = own.union(*(graph.get_ancestor_asset_keys(key) for key in own))
    for key in graph.toposorted_asset_keys:
        if key in own:
            yield key, name
        elif key in needed:
            yield from ((key, domain) for domain in domains if _has(graph, key, domain))


def _has(graph: Any, key: dg.AssetKey, partition: str) -> bool:
    return partition in graph.get(key).partitions_def.get_partition_keys()


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
    failed = [f"did not pass {name}" for name in not_passed(key, partition, graph, instance)]
    return [*failed, *(cause.reason for cause in causes)]


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
