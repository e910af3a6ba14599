"""Everything that Dagster loads, assembled from a catalog."""

import dagster as dg

from assets.automation.retraining import retraining_sensor
from assets.automation.schedules import extraction_schedules
from assets.automation.sensors import raw_files_sensor
from assets.checks import asset_checks
from assets.execution.executor import executor
from assets.jobs import jobs
from assets.resources import Workspace, engine_resource
from assets.stages.evaluate import evaluate_assets
from assets.stages.experiments import experiment_assets
from assets.stages.extract import extract_assets
from assets.stages.ingest import ingest_assets
from assets.stages.prepare import prepare_assets
from assets.stages.ratings import rating_assets
from assets.stages.report import report_asset
from assets.stages.retrieve import retrieve_assets
from assets.stages.tracking import tracking_assets
from assets.stages.train import train_assets
from pipeline.catalog import Catalog


def build_defs(workspace: Workspace) -> dg.Definitions:
    """Definitions of one data folder; tests build their own."""
    catalog = workspace.catalog
    assets = all_assets(catalog)
    built = {job.name: job for job in jobs(assets, workspace)}
    return dg.Definitions(
        assets=assets,
        asset_checks=asset_checks(assets),
        jobs=list(built.values()),
        schedules=extraction_schedules(catalog, assets, built),
        sensors=[
            raw_files_sensor(catalog, assets),
            retraining_sensor(assets, workspace, built["everything"]),
        ],
        resources={"workspace": workspace, "engine": engine_resource(workspace)},
        executor=executor,
    )


def all_assets(catalog: Catalog) -> list[dg.AssetsDefinition]:
    """The assets of all stages, in the order in which data walks through them."""
    assets = [
        *ingest_assets(catalog),
        *prepare_assets(catalog),
        *extract_assets(catalog),
        *retrieve_assets(catalog),
        *train_assets(catalog),
        *evaluate_assets(catalog),
        *experiment_assets(catalog),
        *rating_assets(catalog),
    ]
    return [*assets, report_asset(catalog, assets), *tracking_assets(catalog)]


defs = build_defs(Workspace())
