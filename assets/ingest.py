"""Ingest, by domain: the raw dump in place, then its reviews and items as tables."""

import dagster as dg

from assets.partitions import Partitions
from assets.present import code_version, each_domain, materialized
from assets.resources import Workspace
from pipeline.catalog import Catalog, parameters
from pipeline.ingest import VERSION
from pipeline.ingest.items import ingest_items
from pipeline.ingest.raw import RawFiles, prepare_raw
from pipeline.ingest.reviews import ingest_reviews

GROUP = "ingest"


def ingest_assets(catalog: Catalog) -> list[dg.AssetsDefinition]:
    partitions = Partitions(catalog)
    version = code_version(VERSION, each_domain(catalog, parameters))

    @dg.asset(
        partitions_def=partitions.domains, group_name=GROUP, kinds={"json"}, code_version=version
    )
    def raw(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
        """The raw dump, generated for the demo's domains, checked to be there for all others."""
        return _raw_result(prepare_raw(workspace.catalog, context.partition_key))

    @dg.asset(
        deps=[raw],
        partitions_def=partitions.domains,
        group_name=GROUP,
        kinds={"polars", "parquet"},
        code_version=version,
    )
    def reviews(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
        """Who reviewed what and when, cleaned, without personal names."""
        return materialized(
            lambda: ingest_reviews(workspace.catalog, context.partition_key, workspace.store)
        )

    @dg.asset(
        deps=[raw],
        partitions_def=partitions.domains,
        group_name=GROUP,
        kinds={"polars", "parquet"},
        code_version=version,
    )
    def items(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
        """Titles, categories and brands, cleaned."""
        return materialized(
            lambda: ingest_items(workspace.catalog, context.partition_key, workspace.store)
        )

    return [raw, reviews, items]


def _raw_result(files: RawFiles) -> dg.MaterializeResult:
    rows = [f"| {role} | {files.sizes[role]:,} | {path} |" for role, path in files.paths.items()]
    table = "\n".join(["| role | bytes | file |", "|---|---|---|", *rows])
    return dg.MaterializeResult(
        data_version=dg.DataVersion(files.digest), metadata={"files": dg.MetadataValue.md(table)}
    )
