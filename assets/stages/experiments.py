"""Experiments, by scenario: one table for each, and one report of all that a scenario names."""

import dagster as dg

from assets.execution.pools import GPU
from assets.partitions import Partitions, own_partition, own_partitions, partitions_of
from assets.present import code_version, each_scenario, materialized, observed
from assets.resources import Workspace
from pipeline.catalog import Catalog, Scenario
from pipeline.catalog.systems import EXPERIMENTS, SYSTEMS
from pipeline.evaluate import VERSION as EVALUATE_VERSION
from pipeline.train import VERSION as TRAIN_VERSION
from pipeline.train.experiments import VERSION
from pipeline.train.preset_version import preset_version

GROUP = "experiments"
_VERSION = f"{TRAIN_VERSION}.{EVALUATE_VERSION}.{VERSION}"


def experiment_assets(catalog: Catalog) -> list[dg.AssetsDefinition]:
    names = Partitions(catalog).experiments
    if not names:
        return []
    return [*(_experiment(catalog, name) for name in names), _report(catalog)]


def _experiment(catalog: Catalog, name: str) -> dg.AssetsDefinition:
    scenarios = Partitions(catalog).of_experiment(name)
    system = EXPERIMENTS[name]
    # The system's own weights are those of the reference: no run is trained twice.
    read = sorted({*SYSTEMS[system], "sequences", "vocabulary", "candidates"})
    deps = own_partitions([dg.AssetKey(["weights", system]), *read], scenarios)

    @dg.asset(
        key=["experiments", name],
        deps=deps,
        partitions_def=partitions_of(scenarios),
        group_name=GROUP,
        pool=GPU,
        kinds={"pytorch", "parquet"},
        description=f"Variants of {system}, trained and tested against the unchanged run.",
        code_version=code_version(
            f"{_VERSION}.{preset_version(system)}",
            each_scenario(catalog, _reads, scenarios),
            _GROUPS,
        ),
    )
    def experiment(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
        from pipeline.evaluate.experiment import run_experiment

        scenario = workspace.scenario(context.partition_key)
        return materialized(
            lambda: run_experiment(name, scenario, workspace.store, observed(context))
        )

    return experiment


_GROUPS = ("training", "experiment_seeds", "candidates")


def _reads(scenario: Scenario) -> list[str]:
    return [repr(scenario.training), repr(scenario.experiment_seeds), repr(scenario.candidates)]


def _report(catalog: Catalog) -> dg.AssetsDefinition:
    partitions = Partitions(catalog)
    scenarios = sorted(
        {one for name in partitions.experiments for one in partitions.of_experiment(name)}
    )
    deps = [
        own_partition(dg.AssetKey(["experiments", name]), partitions.of_experiment(name))
        for name in partitions.experiments
    ]

    @dg.asset(
        deps=deps,
        partitions_def=partitions_of(scenarios),
        group_name=GROUP,
        kinds={"parquet", "markdown"},
        code_version=code_version(
            _VERSION,
            each_scenario(catalog, lambda s: [s.experiments, s.published], scenarios),
            ("experiments", "published"),
        ),
    )
    def ablation_report(
        context: dg.AssetExecutionContext, workspace: Workspace
    ) -> dg.MaterializeResult:
        """All experiments of a scenario side by side: Parquet and Markdown."""
        from pipeline.evaluate.experiment_report import write_ablation_report

        scenario = workspace.scenario(context.partition_key)
        return materialized(lambda: write_ablation_report(scenario, workspace.store))

    return ablation_report
