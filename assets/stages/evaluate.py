"""Evaluate, by scenario: every system's ranks, one leaderboard, recommendations."""

import dagster as dg

from assets.execution.pools import GPU
from assets.partitions import Partitions, own_partition, own_partitions, partitions_of
from assets.present import code_version, each_scenario, materialized, observed
from assets.resources import Workspace
from pipeline.catalog import Catalog
from pipeline.evaluate import VERSION

GROUP = "evaluate"

_PREPARED = ("sequences", "vocabulary", "candidates")
_BY_MODELS = (
    "item_text",
    "generated_titles",
    "title_vectors",
    "pseudo_interactions",
    "encoders",
)
"""What the leaderboard names the digests of; of titles and sequences it also reads figures. The
latter are there where a system needs them."""


def evaluate_assets(catalog: Catalog) -> list[dg.AssetsDefinition]:
    systems = Partitions(catalog).systems
    if not systems:
        return []
    return [
        *(_scores(catalog, system) for system in systems),
        *(_recommendations(catalog, system) for system in systems),
        _leaderboard(catalog),
    ]


def _scores(catalog: Catalog, system: str) -> dg.AssetsDefinition:
    names = Partitions(catalog).of_system(system)
    read: list[str | dg.AssetKey] = [
        dg.AssetKey(["weights", system]),
        "sequences",
        "candidates",
        "vocabulary",
    ]

    @dg.asset(
        key=["scores", system],
        deps=own_partitions(read, names),
        partitions_def=partitions_of(names),
        group_name=GROUP,
        pool=GPU,
        kinds={"pytorch", "parquet"},
        description=f"Where {system} ranks each held-out item, for every pool and seed.",
        code_version=code_version(
            VERSION, each_scenario(catalog, lambda s: repr(s.candidates), names), ["candidates"]
        ),
    )
    def scores(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
        from pipeline.evaluate.scores import score_system

        scenario = workspace.scenario(context.partition_key)
        return materialized(
            lambda: score_system(system, scenario, workspace.store, observed(context))
        )

    return scores


def _recommendations(catalog: Catalog, system: str) -> dg.AssetsDefinition:
    names = Partitions(catalog).of_system(system)
    read: list[str | dg.AssetKey] = [dg.AssetKey(["weights", system]), "sequences", "vocabulary"]

    @dg.asset(
        key=["recommendations", system],
        deps=own_partitions(read, names),
        partitions_def=partitions_of(names),
        group_name=GROUP,
        pool=GPU,
        kinds={"pytorch", "parquet"},
        description=f"The items that {system} recommends to each cold user, with titles.",
        code_version=code_version(
            VERSION, each_scenario(catalog, lambda s: s.top_n, names), ["top_n"]
        ),
    )
    def recommendations(
        context: dg.AssetExecutionContext, workspace: Workspace
    ) -> dg.MaterializeResult:
        from pipeline.evaluate.scores import recommend_with

        scenario = workspace.scenario(context.partition_key)
        return materialized(lambda: recommend_with(system, scenario, workspace.store))

    return recommendations


def _leaderboard(catalog: Catalog) -> dg.AssetsDefinition:
    partitions = Partitions(catalog)
    pairs = partitions.pairs
    compared = [
        own_partition(dg.AssetKey([kind, system]), partitions.of_system(system))
        for kind in ("scores", "weights")
        for system in partitions.systems
    ]

    needed = {name: partitions.resting_on(name) for name in _BY_MODELS}
    by_models = [own_partition(name, names) for name, names in needed.items() if names]

    @dg.asset(
        deps=[*compared, *by_models, *own_partitions(_PREPARED, pairs)],
        partitions_def=partitions_of(pairs),
        group_name=GROUP,
        kinds={"parquet", "markdown"},
        code_version=code_version(
            VERSION,
            each_scenario(
                catalog,
                lambda s: [
                    s.published,
                    s.titles.model,
                    s.text_model,
                    s.systems,
                    s.training.max_length,
                    s.split.seed,
                ],
                pairs,
            ),
            ["published", "titles", "text_model", "systems", "training", "split"],
        ),
    )
    def leaderboard(
        context: dg.AssetExecutionContext, workspace: Workspace
    ) -> dg.MaterializeResult:
        """All systems side by side, with intervals and tests: Parquet and Markdown."""
        from pipeline.evaluate.scores import compare_systems

        scenario = workspace.scenario(context.partition_key)
        return materialized(lambda: compare_systems(scenario, workspace.store))

    return leaderboard
