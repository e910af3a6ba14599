"""How the artifacts above an asset were made last: read from Dagster's event log, as plain data."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from graphlib import TopologicalSorter

import dagster as dg

from assets.present import partition_version
from pipeline.catalog import Scenario
from pipeline.evaluate.report.steps import Step

Place = tuple[dg.AssetKey, str]
"""An asset and one of its partitions."""


def history_above(
    asset: dg.AssetsDefinition,
    upstream: Sequence[dg.AssetsDefinition],
    scenario: Scenario,
    instance: dg.DagsterInstance,
) -> list[Step]:
    """Of a scenario's partition of `asset`: what lies above it, in the order of making.

    What this instance has no record of is left out.
    """
    steps = (_step(place, instance) for place in _places_above(asset, upstream, scenario))
    return [step for step in steps if step is not None]


def _places_above(
    asset: dg.AssetsDefinition, upstream: Sequence[dg.AssetsDefinition], scenario: Scenario
) -> Iterator[Place]:
    """A scenario's partition reads its own of an asset, or those of its domains."""
    known = {one.key: one for one in upstream}
    graph: dict[Place, set[Place]] = {}
    todo: list[Place] = [(asset.key, scenario.name)]
    while todo:
        place = todo.pop()
        if place in graph:
            continue
        key, partition = place
        parents = known.get(key, asset).asset_deps[key]
        domains = scenario.domains if partition == scenario.name else (partition,)
        graph[place] = {
            (parent, name)
            for parent in parents
            for name in _partitions(known[parent], scenario.name, partition, domains)
        }
        todo += graph[place]
    yield from (place for place in TopologicalSorter(graph).static_order() if place[0] in known)


def _partitions(
    parent: dg.AssetsDefinition, scenario: str, partition: str, domains: Sequence[str]
) -> list[str]:
    assert parent.partitions_def is not None  # all assets are made of a domain or scenario
    keys = set(parent.partitions_def.get_partition_keys())
    if partition == scenario and scenario in keys:
        return [scenario]
    return [name for name in domains if name in keys]


def _step(place: Place, instance: dg.DagsterInstance) -> Step | None:
    key, partition = place
    wanted = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition])
    records = instance.fetch_materializations(wanted, limit=1).records
    made = records[0].asset_materialization if records else None
    if made is None:
        return None
    tags, seconds = made.tags or {}, made.metadata.get("seconds")
    version = partition_version(tags.get("dagster/code_version", ""), partition)
    return Step(
        name=key.to_user_string(),
        partition=partition,
        digest=tags.get("dagster/data_version", ""),
        version=" ".join(version),
        made=f"{datetime.fromtimestamp(records[0].timestamp, UTC):%Y-%m-%d %H:%M:%S}",
        seconds=seconds.value if isinstance(seconds, dg.FloatMetadataValue) else None,
    )
