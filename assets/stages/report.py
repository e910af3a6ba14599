"""The report, by scenario: one page of all that there is of it."""

from collections.abc import Iterator, Sequence

import dagster as dg

from assets.history import history_above
from assets.partitions import own_partition, partitions_of
from assets.present import code_version, each_domain, each_scenario, materialized
from assets.resources import Workspace
from pipeline.catalog import Catalog, Scenario
from pipeline.evaluate import VERSION as EVALUATE_VERSION
from pipeline.evaluate.report import VERSION

_READ = {
    *("dataset_card", "vocabulary", "sequences", "ratings", "clicks", "behaviours", "candidates"),
    *("item_text", "generated_titles", "pseudo_interactions", "encoders"),
    *("leaderboard", "rating_leaderboard"),
    *("weights", "scores", "predictions", "recommendations", "experiments"),  # of every system
}
"""What an asset's key begins with if the page shows something of it."""


def report_asset(catalog: Catalog, upstream: Sequence[dg.AssetsDefinition]) -> dg.AssetsDefinition:
    """`upstream` are all other assets of the project."""
    titles = each_domain(catalog, lambda domain: domain.title)

    def read(scenario: Scenario) -> list[object]:
        return [_read(scenario), *(titles[name] for name in scenario.domains)]

    @dg.asset(
        deps=list(_deps(catalog, upstream)),
        partitions_def=partitions_of(catalog.scenarios),
        group_name="evaluate",
        kinds={"html"},
        code_version=code_version(f"{EVALUATE_VERSION}.{VERSION}", each_scenario(catalog, read)),
    )
    def report(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
        """One page of a scenario: figures, slices, experiments, examples, data, provenance."""
        from pipeline.evaluate.report.page import write_report

        scenario = workspace.scenario(context.partition_key)
        history = history_above(report, upstream, scenario, context.instance)
        return materialized(
            lambda: write_report(scenario, workspace.catalog, workspace.store, history)
        )

    return report


def _deps(catalog: Catalog, upstream: Sequence[dg.AssetsDefinition]) -> Iterator[dg.AssetDep]:
    for asset in upstream:
        assert asset.partitions_def is not None  # all assets are made of a domain or scenario
        names = asset.partitions_def.get_partition_keys()
        if asset.key.path[0] in _READ:
            yield own_partition(asset.key, [name for name in names if name in catalog.scenarios])


def _read(scenario: Scenario) -> list[str]:
    """Whatever of a scenario the page tells or reads by."""
    names = (
        *("domains", "task", "filters", "split", "text_model", "training", "systems"),
        *("experiments", "experiment_seeds", "published", "statistics"),
    )
    read = [repr(getattr(scenario, name)) for name in names]
    return [*read, repr(scenario.candidates.seeds), scenario.titles.model]
