"""Jobs: one for each stage, and one that brings a whole scenario up to date."""

from typing import Any

import dagster as dg

from assets.partitions import Partitions
from assets.refresh import refresh
from assets.resources import Workspace

STAGES = ("ingest", "prepare", "extract", "retrieve", "train", "evaluate")


def jobs(assets: list[dg.AssetsDefinition], workspace: Workspace) -> list[Any]:
    """Stage jobs run their assets whatever their state; `everything` only what is stale."""
    return [*(_stage_job(stage) for stage in STAGES), _everything(assets, workspace)]


def _stage_job(stage: str) -> Any:
    partition = "domain" if stage == "ingest" else "scenario"
    return dg.define_asset_job(
        stage,
        selection=dg.AssetSelection.groups(stage),
        description=f"Materialize the {stage} stage of one {partition}.",
    )


def _everything(assets: list[dg.AssetsDefinition], workspace: Workspace) -> dg.JobDefinition:
    """A Dagster run has one partition, and a scenario spans domains and itself: so this job
    is an op that launches a run for each stale asset partition, in order."""

    @dg.op
    def refresh_scenario(context: dg.OpExecutionContext) -> None:
        done = refresh(assets, workspace, context.partition_key, context.instance)
        context.log.info(f"{len(done)} asset partitions were stale and are fresh now")

    @dg.job(
        partitions_def=Partitions(workspace.catalog).scenarios,
        description="Materialize whatever is missing or stale of one scenario, and nothing else.",
    )
    def everything() -> None:
        refresh_scenario()

    return everything
