"""The monthly extraction: a run for each domain and scenario whose rows models compute.

What the cache has costs nothing, so a run brings in what is new. The domains and scenarios that
the catalog names in `automation.recompute` have all older rows computed again.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg

from assets.automation.recompute import recompute_config
from assets.jobs import stage_groups
from pipeline.catalog import Automation, Catalog


def extraction_schedules(
    catalog: Catalog, assets: Sequence[dg.AssetsDefinition], jobs: Mapping[str, Any]
) -> list[dg.ScheduleDefinition]:
    """One for each job of the stage, as a job's assets have the same partitions; all are off.

    ValueError where the catalog wants rows computed again of what has none.
    """
    by_key = {asset.key: asset for asset in assets}
    groups = {
        name: [by_key[key] for key in keys]
        for name, keys in stage_groups("extract", assets).items()
    }
    extracted = {name for group in groups.values() for name in _partitions(group[0])}
    if strangers := sorted({*catalog.automation.recompute} - extracted):
        raise ValueError(
            f"automation.recompute of catalog.toml names {strangers[0]!r}, of which nothing is "
            f"extracted; name some of: {', '.join(sorted(extracted)) or 'none, there are none'}"
        )
    return [
        _monthly(jobs[name], group, by_key, catalog.automation) for name, group in groups.items()
    ]


def _monthly(
    job: Any,
    assets: Sequence[dg.AssetsDefinition],
    by_key: Mapping[dg.AssetKey, dg.AssetsDefinition],
    automation: Automation,
) -> dg.ScheduleDefinition:
    inputs = [by_key[key] for asset in assets for key in asset.asset_deps[asset.key]]
    names = [asset.key.to_user_string() for asset in assets]
    zone = ZoneInfo(automation.timezone)
    name = f"monthly_{job.name}"

    @dg.schedule(
        name=name,
        job=job,
        cron_schedule=automation.extraction,
        execution_timezone=automation.timezone,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description=f"Once a month, {', '.join(names)} of all that has been ingested and prepared.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        moment, instance = context.scheduled_execution_time, context.instance
        recomputed = recompute_config(names, moment)
        month = f"{moment.astimezone(zone):%Y-%m}"
        keys = {f"{month}:{partition}": partition for partition in _partitions(assets[0])}
        due = {
            key: partition
            for key, partition in keys.items()
            if _are_there(inputs, partition, instance) and not _was_started(name, key, instance)
        }
        if not due:
            yield dg.SkipReason("all that is ingested and prepared had its run this month")
        for key, partition in due.items():
            yield dg.RunRequest(
                run_key=key,
                partition_key=partition,
                run_config=recomputed if partition in automation.recompute else {},
            )

    return schedule


def _was_started(schedule: str, run_key: str, instance: dg.DagsterInstance) -> bool:
    """Dagster itself compares the keys of one tick alone, and cron may come by more often."""
    tags = {"dagster/schedule_name": schedule, "dagster/run_key": run_key}
    return bool(instance.get_runs(dg.RunsFilter(tags=tags), limit=1))


def _are_there(
    inputs: Sequence[dg.AssetsDefinition], partition: str, instance: dg.DagsterInstance
) -> bool:
    """Whether all inputs were ever materialized. They have the partition's name; an input that
    lacks it, as item_images of a domain without any, is none of this partition."""
    return all(
        instance.get_latest_data_version_record(asset.key, partition_key=partition) is not None
        for asset in inputs
        if partition in _partitions(asset)
    )


def _partitions(asset: dg.AssetsDefinition) -> Sequence[str]:
    assert asset.partitions_def is not None  # all assets are made of a domain or scenario
    return asset.partitions_def.get_partition_keys()
