"""Train, by scenario: one weights asset for each system, and the encoders that LGCD starts from."""

import dagster as dg

from assets.execution.pools import GPU
from assets.partitions import Partitions, own_partitions, partitions_of
from assets.present import code_version, each_scenario, materialized, observed
from assets.resources import Workspace
from pipeline.catalog import Catalog
from pipeline.catalog.systems import ENCODER_INPUTS, SYSTEMS
from pipeline.train import VERSION
from pipeline.train.preset_version import function_version, preset_version

GROUP = "train"


def train_assets(catalog: Catalog) -> list[dg.AssetsDefinition]:
    partitions = Partitions(catalog)
    encoders = [_encoders(catalog)] if partitions.resting_on("encoders") else []
    return [*encoders, *(_weights(catalog, system) for system in partitions.systems)]


def _encoders(catalog: Catalog) -> dg.AssetsDefinition:
    names = Partitions(catalog).resting_on("encoders")
    run = function_version("pipeline.train.presets.lgcd", "encoders_run")

    @dg.asset(
        deps=own_partitions(ENCODER_INPUTS, names),
        partitions_def=partitions_of(names),
        group_name=GROUP,
        pool=GPU,
        kinds={"pytorch", "safetensors"},
        code_version=code_version(
            f"{VERSION}.{run}",
            each_scenario(catalog, lambda s: repr(s.training), names),
            ["training"],
        ),
    )
    def encoders(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
        """LGCD's stage 1: ID and text encoders of each domain, from single-domain users."""
        from pipeline.train.systems import pretrain_encoders

        scenario = workspace.scenario(context.partition_key)
        return materialized(lambda: pretrain_encoders(scenario, workspace.store, observed(context)))

    return encoders


def _weights(catalog: Catalog, system: str) -> dg.AssetsDefinition:
    names = Partitions(catalog).of_system(system)

    @dg.asset(
        key=["weights", system],
        deps=own_partitions(SYSTEMS[system], names),
        partitions_def=partitions_of(names),
        group_name=GROUP,
        pool=GPU,
        kinds={"pytorch", "safetensors"},
        description=f"Weights of {system}, one file a seed, at the best validation epoch.",
        code_version=code_version(
            f"{VERSION}.{preset_version(system)}",
            each_scenario(catalog, lambda s: repr(s.training), names),
            ["training"],
        ),
    )
    def weights(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
        from pipeline.train.systems import train_system

        scenario = workspace.scenario(context.partition_key)
        return materialized(
            lambda: train_system(system, scenario, workspace.store, observed(context))
        )

    return weights
