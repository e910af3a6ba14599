"""New raw files start the ingest of their domain, once they have stopped growing."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import dagster as dg

from assets.stages.ingest import raw_tags
from pipeline.catalog import Catalog, Domain
from pipeline.ingest.raw_state import RawState, raw_state

_INGESTED = ("raw", "items", "reviews", "item_images")


@dataclass(frozen=True, kw_only=True)
class _Watched:
    """What is remembered of a domain from tick to tick: states of its files, see raw_state.py."""

    seen: str | None = None  # at the last tick
    settled: str | None = None  # the last that was the same at two ticks: it was dealt with


def raw_files_sensor(
    catalog: Catalog, assets: Sequence[dg.AssetsDefinition]
) -> dg.SensorDefinition:
    """It is off. A domain's files are those that the catalog names, a sub-domain's its parent's;
    those of the synthetic world are made by `raw` itself and not watched."""
    ingested = [asset for asset in assets if asset.key.path[-1] in _INGESTED]
    watched = [domain for domain in catalog.domains.values() if domain.source == "files"]

    @dg.sensor(
        name="raw_files",
        asset_selection=[asset.key for asset in ingested],
        minimum_interval_seconds=catalog.automation.raw_files_seconds,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Ingests a domain when its raw files are new or changed and have settled.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        before = _read_cursor(context.cursor)
        now: dict[str, _Watched] = {}  # of the catalog's domains alone: it does not grow
        requests, unsettled = [], []
        for domain in watched:
            last, found = before.get(domain.name, _Watched()), raw_state(catalog, domain)
            settled, state = last.settled, str(found) if found and found.images else None
            if state is not None and state != last.seen:
                unsettled.append(domain.name)
            elif found and state is not None and state != settled:
                settled = state
                requests += _requests(domain, found, ingested, context.instance)
            now[domain.name] = _Watched(seen=state, settled=settled)
        told = f"new or growing: {', '.join(unsettled)}" if unsettled else "no file is new"
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else dg.SkipReason(told),
            cursor=json.dumps({name: asdict(watched) for name, watched in now.items()}),
        )

    return sensor


def _requests(
    domain: Domain,
    state: RawState,
    ingested: Sequence[dg.AssetsDefinition],
    instance: dg.DagsterInstance,
) -> list[dg.RunRequest]:
    """A run for files in a state, unless these were ingested: by a person, or before the sensor
    was switched on."""
    last = instance.get_latest_data_version_record(dg.AssetKey("raw"), partition_key=domain.name)
    if last is not None and _is_of(last, state):
        return []
    return [
        dg.RunRequest(
            # Of what was ingested before, too: older files that are put back are new again.
            run_key=f"{domain.name}:{state}:{last.run_id if last else 'never'}",
            partition_key=domain.name,
            # Without the tag Dagster asks for assets that have all partitions in common.
            tags={"dagster/partition": domain.name},
            asset_selection=[asset.key for asset in ingested if _has(asset, domain.name)],
        )
    ]


def _is_of(record: dg.EventLogRecord, state: RawState) -> bool:
    """Whether `raw` found files and images as they are now."""
    assert record.asset_materialization is not None
    tags = record.asset_materialization.tags or {}
    return raw_tags(state).items() <= tags.items()


def _has(asset: dg.AssetsDefinition, partition: str) -> bool:
    assert asset.partitions_def is not None  # all assets of the stage are made of a domain
    return partition in asset.partitions_def.get_partition_keys()


def _read_cursor(cursor: str | None) -> Mapping[str, _Watched]:
    if not cursor:
        return {}
    try:
        return {name: _Watched(**watched) for name, watched in json.loads(cursor).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(
            f"the cursor of the sensor raw_files is {cursor[:80]!r}, which the sensor did not "
            "write: clear it on the sensor's page"
        ) from error
