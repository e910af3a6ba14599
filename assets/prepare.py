"""Prepare, by scenario: interactions, vocabulary, sequences and evaluation candidates."""

import dagster as dg

from assets.checks import SEQUENCES_CHECK, check_sequences
from assets.partitions import Partitions
from assets.present import code_version, each_scenario, materialized
from assets.resources import Workspace
from pipeline.catalog import Catalog
from pipeline.prepare import VERSION
from pipeline.prepare.candidates import build_candidates
from pipeline.prepare.interactions import build_interactions
from pipeline.prepare.sequences import build_sequences
from pipeline.prepare.vocabulary import build_vocabulary

GROUP = "prepare"


def prepare_assets(catalog: Catalog) -> list[dg.AssetsDefinition]:
    partitions = Partitions(catalog)
    from_domains = partitions.domain_to_scenarios()

    def versioned(*keys: str) -> str:
        read = each_scenario(catalog, lambda scenario: [repr(getattr(scenario, k)) for k in keys])
        return code_version(VERSION, read)

    @dg.asset(
        deps=[dg.AssetDep("reviews", partition_mapping=from_domains)],
        partitions_def=partitions.scenarios,
        group_name=GROUP,
        kinds={"polars", "parquet"},
        code_version=versioned("domains", "filters"),
    )
    def interactions(
        context: dg.AssetExecutionContext, workspace: Workspace
    ) -> dg.MaterializeResult:
        """Who interacted with what in any domain of the scenario: time window, then k-core."""
        scenario = workspace.scenario(context.partition_key)
        return materialized(lambda: build_interactions(scenario, workspace.store))

    @dg.asset(
        deps=[interactions, dg.AssetDep("items", partition_mapping=from_domains)],
        partitions_def=partitions.scenarios,
        group_name=GROUP,
        kinds={"polars", "parquet"},
        code_version=versioned("domains"),
    )
    def vocabulary(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
        """Dense item ids, 0 kept for padding, and each item's text."""
        scenario = workspace.scenario(context.partition_key)
        return materialized(lambda: build_vocabulary(scenario, workspace.store))

    @dg.asset(
        deps=[interactions, vocabulary],
        partitions_def=partitions.scenarios,
        group_name=GROUP,
        kinds={"polars", "parquet"},
        code_version=versioned("domains", "task", "split"),
        check_specs=[dg.AssetCheckSpec(SEQUENCES_CHECK, asset="sequences", blocking=True)],
    )
    def sequences(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
        """One sequence a user, split, cold users' target-domain history removed."""
        scenario = workspace.scenario(context.partition_key)
        return materialized(
            lambda: build_sequences(scenario, workspace.store),
            lambda: check_sequences(scenario, workspace.store),
        )

    @dg.asset(
        deps=[sequences, vocabulary],
        partitions_def=partitions.scenarios,
        group_name=GROUP,
        kinds={"numpy", "parquet"},
        code_version=versioned("domains", "candidates"),
    )
    def candidates(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
        """What each held-out item is ranked against, drawn once for all systems."""
        scenario = workspace.scenario(context.partition_key)
        return materialized(lambda: build_candidates(scenario, workspace.store))

    return [interactions, vocabulary, sequences, candidates]
