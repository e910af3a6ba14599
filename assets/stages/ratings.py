"""Train and evaluate systems that predict ratings, by scenario of that task."""

from collections.abc import Sequence

import dagster as dg

from assets.execution.pools import GPU
from assets.partitions import Partitions, own_partition, own_partitions, partitions_of
from assets.present import code_version, each_scenario, materialized, observed
from assets.resources import Workspace
from pipeline.catalog import Catalog
from pipeline.catalog.rating_systems import FEATURE_EXPERIMENTS, RATING_EXPERIMENTS, RATING_SYSTEMS
from pipeline.evaluate.ratings import VERSION as EVALUATE_VERSION
from pipeline.train.preset_version import preset_version
from pipeline.train.ratings import VERSION as TRAIN_VERSION

_PRESETS = "pipeline.train.ratings.presets"
_FEATURES = ("item_multimodal", "review_features")
"""Artifacts of domains; whatever else a rating system reads is of its scenario."""


def rating_assets(catalog: Catalog) -> list[dg.AssetsDefinition]:
    partitions = Partitions(catalog)
    systems, experiments = partitions.rating_systems, partitions.rating_experiments
    if not systems:
        return []
    return [
        *(_weights(catalog, system) for system in systems),
        *(_predictions(catalog, system) for system in systems),
        _leaderboard(catalog),
        *(_experiment(catalog, name) for name in experiments),
        *([_report(catalog)] if experiments else []),
    ]


def _inputs(
    catalog: Catalog, system: str, names: Sequence[str], other_sources: bool = False
) -> list[dg.AssetDep]:
    """Each scenario reads its own tables, and features of both its domains.

    With `other_sources` those of its feature sources too.
    """
    inputs = RATING_SYSTEMS[system]
    domains: dict[str, set[str]] = {}
    for name in names:
        scenario = catalog.scenarios[name]
        for domain in scenario.read_domains if other_sources else scenario.domains:
            domains.setdefault(domain, set()).add(name)
    by_domain = dg.StaticPartitionMapping(domains)
    return [
        *own_partitions([name for name in inputs if name not in _FEATURES], names),
        *(dg.AssetDep(f, partition_mapping=by_domain) for f in _FEATURES if f in inputs),
    ]


def _trained(
    catalog: Catalog, system: str, names: Sequence[str], other_sources: bool = False
) -> list[dg.AssetDep]:
    """A system's weights, and what it reads beside them to predict."""
    weights = own_partition(dg.AssetKey(["weights", system]), names)
    return [weights, *_inputs(catalog, system, names, other_sources)]


def _weights(catalog: Catalog, system: str) -> dg.AssetsDefinition:
    names = Partitions(catalog).of_rating_system(system)

    @dg.asset(
        key=["weights", system],
        deps=_inputs(catalog, system, names),
        partitions_def=partitions_of(names),
        group_name="train",
        pool=GPU,
        kinds={"pytorch", "safetensors"},
        description=f"Weights of {system}, one file for each cold ratio and seed.",
        code_version=code_version(
            f"{TRAIN_VERSION}.{preset_version(system, _PRESETS)}",
            each_scenario(
                catalog,
                lambda s: [
                    repr(s.training),
                    s.split.seed,
                    s.split.cold_ratios,
                    s.split.cold_items,
                ],
                names,
            ),
            ["training", "seed", "cold_ratios", "cold_items"],
        ),
    )
    def weights(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
        from pipeline.train.ratings.systems import train_rating_system

        scenario = workspace.scenario(context.partition_key)
        return materialized(
            lambda: train_rating_system(system, scenario, workspace.store, observed(context))
        )

    return weights


def _predictions(catalog: Catalog, system: str) -> dg.AssetsDefinition:
    names = Partitions(catalog).of_rating_system(system)

    def rating_range(scenario: str) -> tuple[float, float]:
        return catalog.domains_of(scenario)[1].rating_range

    @dg.asset(
        key=["predictions", system],
        deps=_trained(catalog, system, names),
        partitions_def=partitions_of(names),
        group_name="evaluate",
        pool=GPU,
        kinds={"pytorch", "parquet"},
        description=f"What {system} predicts for each hidden rating, for every cold ratio.",
        code_version=code_version(
            EVALUATE_VERSION,
            each_scenario(catalog, lambda s: rating_range(s.name), names),
            ["rating_range"],
        ),
    )
    def predictions(
        context: dg.AssetExecutionContext, workspace: Workspace
    ) -> dg.MaterializeResult:
        from pipeline.evaluate.ratings.predictions import predict_ratings

        scenario = workspace.scenario(context.partition_key)
        reach = workspace.catalog.domains_of(scenario.name)[1].rating_range
        return materialized(lambda: predict_ratings(system, scenario, workspace.store, reach))

    return predictions


def _leaderboard(catalog: Catalog) -> dg.AssetsDefinition:
    partitions = Partitions(catalog)
    names = partitions.of_tasks("cold-start-rating")
    compared = [
        own_partition(dg.AssetKey([kind, system]), partitions.of_rating_system(system))
        for kind in ("predictions", "weights")
        for system in partitions.rating_systems
    ]

    @dg.asset(
        deps=[*compared, *own_partitions(["ratings", "vocabulary"], names)],
        partitions_def=partitions_of(names),
        group_name="evaluate",
        kinds={"parquet", "markdown"},
        code_version=code_version(
            EVALUATE_VERSION, each_scenario(catalog, lambda s: s.systems, names), ["systems"]
        ),
    )
    def rating_leaderboard(
        context: dg.AssetExecutionContext, workspace: Workspace
    ) -> dg.MaterializeResult:
        """Errors of all rating systems side by side: Parquet and Markdown."""
        from pipeline.evaluate.ratings.leaderboard import compare_rating_systems

        scenario = workspace.scenario(context.partition_key)
        return materialized(lambda: compare_rating_systems(scenario, workspace.store))

    return rating_leaderboard


def _experiment(catalog: Catalog, name: str) -> dg.AssetsDefinition:
    names, system = Partitions(catalog).of_rating_experiment(name), RATING_EXPERIMENTS[name]

    @dg.asset(
        key=["experiments", name],
        # The system's own weights are those of the reference: no run is trained twice.
        deps=_trained(catalog, system, names, other_sources=name in FEATURE_EXPERIMENTS),
        partitions_def=partitions_of(names),
        group_name="experiments",
        pool=GPU,
        kinds={"pytorch", "parquet"},
        description=f"Variants of {system}, trained and tested against the unchanged run.",
        code_version=code_version(
            f"{TRAIN_VERSION}.{preset_version(system, _PRESETS)}.{EVALUATE_VERSION}",
            each_scenario(
                catalog,
                lambda s: [
                    repr(s.training),
                    repr(s.experiment_seeds),
                    repr(s.feature_sources),
                    s.split.cold_ratios,
                ],
                names,
            ),
            ["training", "experiment_seeds", "feature_sources", "cold_ratios"],
        ),
    )
    def experiment(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
        from pipeline.evaluate.ratings.experiment import run_rating_experiment

        scenario = workspace.scenario(context.partition_key)
        reach = workspace.catalog.domains_of(scenario.name)[1].rating_range
        data, report = workspace.catalog.folder, observed(context)
        return materialized(
            lambda: run_rating_experiment(name, scenario, workspace.store, reach, data, report)
        )

    return experiment


def _report(catalog: Catalog) -> dg.AssetsDefinition:
    partitions = Partitions(catalog)
    names = sorted({one for name in partitions.rating_experiments for one in _of(partitions, name)})
    deps = [
        own_partition(dg.AssetKey(["experiments", name]), _of(partitions, name))
        for name in partitions.rating_experiments
    ]

    @dg.asset(
        deps=deps,
        partitions_def=partitions_of(names),
        group_name="experiments",
        kinds={"parquet", "markdown"},
        code_version=code_version(
            EVALUATE_VERSION,
            each_scenario(catalog, lambda s: s.experiments, names),
            ["experiments"],
        ),
    )
    def rating_ablation_report(
        context: dg.AssetExecutionContext, workspace: Workspace
    ) -> dg.MaterializeResult:
        """All experiments of a scenario side by side: Parquet and Markdown."""
        from pipeline.evaluate.ratings.experiment_report import write_rating_ablations

        scenario = workspace.scenario(context.partition_key)
        return materialized(lambda: write_rating_ablations(scenario, workspace.store))

    return rating_ablation_report


def _of(partitions: Partitions, experiment: str) -> list[str]:
    return partitions.of_rating_experiment(experiment)
