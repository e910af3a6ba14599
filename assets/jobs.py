"""Jobs: one for each stage, and two that bring a whole scenario or a domain up to date."""

from typing import Any

import dagster as dg

from assets.partitions import Partitions
from assets.refresh import refresh
from assets.resources import Workspace

STAGES = ("ingest", "prepare", "extract", "retrieve", "train", "evaluate")


def jobs(assets: list[dg.AssetsDefinition], workspace: Workspace) -> list[Any]:
    """Stage jobs run their assets whatever their state; the others only what is stale."""
    partitions = Partitions(workspace.catalog)
    return [
        *(_stage_job(stage, assets, partitions) for stage in STAGES),
        _refresh_job("everything", partitions.scenarios, assets, workspace),
        _refresh_job("domain", partitions.domains, assets, workspace),
    ]


def _stage_job(stage: str, assets: list[dg.AssetsDefinition], partitions: Partitions) -> Any:
    """A Dagster job has one kind of partition: what is made of a domain alone after ingest is
    left to the job `domain`."""
    kind = "domain" if stage == "ingest" else "scenario"
    wanted = partitions.domains if stage == "ingest" else partitions.scenarios
    keys = [
        asset.key
        for asset in assets
        if asset.group_names_by_key[asset.key] == stage and asset.partitions_def == wanted
    ]
    return dg.define_asset_job(
        stage,
        selection=dg.AssetSelection.assets(*keys),
        description=f"Materialize the {stage} stage of one {kind}.",
    )


def _refresh_job(
    name: str,
    partitions: dg.StaticPartitionsDefinition,
    assets: list[dg.AssetsDefinition],
    workspace: Workspace,
) -> dg.JobDefinition:
    """A Dagster run has one partition, and a scenario spans domains and itself: so this job
    is an op that launches a run for each stale asset partition, in order."""

    @dg.op(name=f"refresh_{name}")
    def refresh_stale(context: dg.OpExecutionContext) -> None:
        done = refresh(assets, workspace, context.partition_key, context.instance)
        context.log.info(f"{len(done)} asset partitions were stale and are fresh now")

    @dg.job(
        name=name,
        partitions_def=partitions,
        description="Materialize whatever is missing or stale of it, and nothing else.",
    )
    def refresh_job() -> None:
        refresh_stale()

    return refresh_job
