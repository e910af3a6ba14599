"""Jobs: one for each stage, two that bring a whole scenario or a domain up to date, two that check
what is stored of it, and one that lists what is stale."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from assets.execution.pools import GPU
from assets.partitions import Partitions
from assets.resources import Workspace
from assets.staleness.causes import Staleness
from assets.staleness.listing import listing
from assets.staleness.recheck import recheck
from assets.staleness.recheck import told as told_checks
from assets.staleness.refresh import refresh, told

STAGES = ("ingest", "prepare", "extract", "retrieve", "train", "evaluate", "experiments")


def jobs(assets: list[dg.AssetsDefinition], workspace: Workspace) -> list[Any]:
    """Stage jobs run their assets whatever their state; the others only what is stale."""
    partitions = Partitions(workspace.catalog)
    return [
        *(job for stage in STAGES for job in _stage_jobs(stage, assets)),
        _refresh_job("everything", partitions.scenarios, assets, workspace),
        _refresh_job("domain", partitions.domains, assets, workspace),
        _check_job("checks", partitions.scenarios, assets, workspace),
        _check_job("domain_checks", partitions.domains, assets, workspace),
        _stale_job(assets, workspace),
    ]


def _stage_jobs(stage: str, assets: list[dg.AssetsDefinition]) -> list[Any]:
    return [
        dg.define_asset_job(
            name,
            selection=dg.AssetSelection.assets(*keys),
            description=f"Materialize {', '.join(key.to_user_string() for key in keys)}.",
        )
        for name, keys in stage_groups(stage, assets).items()
    ]


def stage_groups(stage: str, assets: Sequence[dg.AssetsDefinition]) -> dict[str, list[dg.AssetKey]]:
    """The assets of each job of a stage: of one named as the stage, and of one for each of its
    assets that has partitions of its own.

    The assets of a Dagster job have the same partitions. The stage's job takes the most of them.
    """
    groups: dict[Any, list[dg.AssetKey]] = {}
    for asset in assets:
        if asset.group_names_by_key[asset.key] == stage:
            assert asset.partitions_def is not None  # all assets are made of a domain or scenario
            keys = tuple(asset.partitions_def.get_partition_keys())
            groups.setdefault(keys, []).append(asset.key)
    first, *others = sorted(groups.values(), key=len, reverse=True) or [[]]
    named = {stage: first} if first else {}
    return named | {f"{stage}_{keys[0].path[-1]}": keys for keys in others}


def _refresh_job(
    name: str,
    partitions: dg.StaticPartitionsDefinition,
    assets: list[dg.AssetsDefinition],
    workspace: Workspace,
) -> dg.JobDefinition:
    """A Dagster run has one partition, and a scenario spans domains and itself: so this job
    is an op that launches a run for each stale asset partition, in order."""

    @dg.op(name=f"refresh_{name}", pool=GPU)
    def refresh_stale(context: dg.OpExecutionContext) -> dg.Output[None]:
        steps = refresh(
            assets, workspace, context.partition_key, context.instance, within=context.run_id
        )
        context.log.info(f"{len(steps)} asset partitions were stale and are fresh now")
        return dg.Output(None, metadata={"materialized": dg.MetadataValue.md(told(steps))})

    @dg.job(
        name=name,
        partitions_def=partitions,
        description="Materialize whatever is missing or stale of it, and nothing else.",
    )
    def refresh_job() -> None:
        refresh_stale()

    return refresh_job


def _check_job(
    name: str,
    partitions: dg.StaticPartitionsDefinition,
    assets: list[dg.AssetsDefinition],
    workspace: Workspace,
) -> dg.JobDefinition:
    """Fails where a check that blocks did not pass; judgments are told."""

    @dg.op(name=f"run_{name}")
    def check_stored(context: dg.OpExecutionContext) -> None:
        failed = recheck(assets, workspace, context.partition_key, context.instance)
        if any(one.severity is dg.AssetCheckSeverity.ERROR for one in failed):
            raise dg.Failure(f"did not pass:\n{told_checks(failed)}", allow_retries=False)
        context.log.info(f"{len(failed)} judgments did not pass\n{told_checks(failed)}")

    @dg.job(
        name=name,
        partitions_def=partitions,
        description="Check again what is materialized of it, and make nothing.",
    )
    def check_job() -> None:
        check_stored()

    return check_job


def _stale_job(assets: list[dg.AssetsDefinition], workspace: Workspace) -> dg.JobDefinition:
    @dg.op
    def list_stale(context: dg.OpExecutionContext) -> dg.Output[None]:
        found = listing(Staleness(assets, workspace, context.instance))
        for line in found.as_text().splitlines():
            context.log.info(line)
        stale = dg.MetadataValue.md(found.as_markdown())
        return dg.Output(None, metadata={"summary": found.summary(), "stale": stale})

    @dg.job(
        name="stale",
        description=(
            "List what is missing or stale of all scenarios and domains, and why, in the run's "
            "log and as a table on its output. Nothing is materialized."
        ),
    )
    def stale_job() -> None:
        list_stale()

    return stale_job
