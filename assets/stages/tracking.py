"""Experiment tracking, where the catalog has a [tracking] table: a scenario's runs in MLflow.

An asset of its own, below all others: it records what is stored, so a tracking server that is
down fails it alone, after everything else is done, and the next refresh records what is missing.
"""

import dagster as dg

from assets.partitions import Partitions, own_partition, partitions_of
from assets.present import code_version, each_scenario, materialized
from assets.resources import Workspace
from pipeline.catalog import Catalog
from pipeline.tracking import VERSION

GROUP = "evaluate"


def tracking_assets(catalog: Catalog) -> list[dg.AssetsDefinition]:
    names = [*Partitions(catalog).pairs, *Partitions(catalog).of_tasks("cold-start-rating")]
    if not catalog.tracking or not names:
        return []

    @dg.asset(
        deps=[*_recorded(catalog), own_partition("report", names)],
        partitions_def=partitions_of(names),
        group_name=GROUP,
        kinds={"mlflow"},
        code_version=code_version(
            VERSION, each_scenario(catalog, lambda s: [repr(catalog.tracking), s.systems], names)
        ),
    )
    def mlflow_runs(
        context: dg.AssetExecutionContext, workspace: Workspace
    ) -> dg.MaterializeResult:
        """A scenario's trained seeds and its leaderboard as runs in MLflow, each recorded once."""
        from pipeline.tracking.mlflow_log import record_runs

        current, scenario = workspace.catalog, workspace.scenario(context.partition_key)
        assert current.tracking is not None  # else there is no such asset
        tracking = current.tracking
        return materialized(
            lambda: record_runs(tracking, current.folder, scenario, workspace.store)
        )

    return [mlflow_runs]


def _recorded(catalog: Catalog) -> list[dg.AssetDep]:
    partitions = Partitions(catalog)
    of_system = {name: partitions.of_system(name) for name in partitions.systems}
    of_system |= {name: partitions.of_rating_system(name) for name in partitions.rating_systems}
    boards = {
        "leaderboard": partitions.pairs,
        "rating_leaderboard": partitions.of_tasks("cold-start-rating"),
    }
    return [
        *(own_partition(dg.AssetKey(["weights", one]), of_system[one]) for one in of_system),
        *(own_partition(board, names) for board, names in boards.items() if names),
    ]
