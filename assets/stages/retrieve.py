"""Retrieve, by scenario: generated titles as vectors, and grounded in real items."""

from collections.abc import Sequence

import dagster as dg

from assets.execution.pools import GPU
from assets.partitions import Partitions, own_partitions, partitions_of
from assets.present import code_version, each_scenario, materialized, observed_extraction
from assets.resources import Workspace
from pipeline.catalog import Catalog
from pipeline.extract.engine import Engine
from pipeline.retrieve import VERSION
from pipeline.retrieve.pseudo import GroundingConfig, build_pseudo_interactions
from pipeline.retrieve.title_vectors import build_title_vectors

GROUP = "retrieve"


def retrieve_assets(catalog: Catalog) -> list[dg.AssetsDefinition]:
    """Of the pairs whose systems read them; none where there are no such pairs."""
    partitions = Partitions(catalog)
    embedded = partitions.resting_on("title_vectors")
    grounded = partitions.resting_on("pseudo_interactions")
    return [
        *([_title_vectors(catalog, embedded)] if embedded else []),
        *([_pseudo_interactions(catalog, grounded)] if grounded else []),
    ]


def _title_vectors(catalog: Catalog, pairs: Sequence[str]) -> dg.AssetsDefinition:
    @dg.asset(
        deps=own_partitions(["generated_titles"], pairs),
        partitions_def=partitions_of(pairs),
        group_name=GROUP,
        pool=GPU,
        kinds={"huggingface", "safetensors"},
        code_version=code_version(
            VERSION, each_scenario(catalog, lambda s: s.text_model, pairs), ["text_model"]
        ),
    )
    def title_vectors(
        context: dg.AssetExecutionContext, workspace: Workspace, engine: dg.ResourceParam[Engine]
    ) -> dg.MaterializeResult:
        """Text vectors of the generated titles, by the model that embeds the items' texts."""
        scenario = workspace.scenario(context.partition_key)
        extraction = observed_extraction(context, workspace, engine)
        return materialized(lambda: build_title_vectors(scenario, workspace.store, extraction))

    return title_vectors


def _pseudo_interactions(catalog: Catalog, pairs: Sequence[str]) -> dg.AssetsDefinition:
    @dg.asset(
        deps=own_partitions(["title_vectors", "item_text", "vocabulary", "sequences"], pairs),
        partitions_def=partitions_of(pairs),
        group_name=GROUP,
        kinds={"faiss", "parquet"},
        code_version=code_version(
            VERSION, each_scenario(catalog, lambda s: repr(GroundingConfig()), pairs)
        ),
    )
    def pseudo_interactions(
        context: dg.AssetExecutionContext, workspace: Workspace
    ) -> dg.MaterializeResult:
        """The target items nearest to each user's generated titles, by exact search."""
        scenario = workspace.scenario(context.partition_key)
        return materialized(
            lambda: build_pseudo_interactions(scenario, workspace.store, GroundingConfig())
        )

    return pseudo_interactions
