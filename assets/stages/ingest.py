"""Ingest, by domain: the raw dump in place, then its reviews, items and their images."""

import dataclasses
from typing import Any

import dagster as dg

from assets.execution.pools import MEMORY
from assets.partitions import Partitions, own_partition, partitions_of
from assets.present import code_version, each_domain, materialized, observed
from assets.resources import Workspace
from pipeline.catalog import Catalog, Domain, parameters
from pipeline.digest import digest_json
from pipeline.ingest import VERSION
from pipeline.ingest.dumps.dump_download import Dumps, download_dumps
from pipeline.ingest.item_images import ingest_item_images
from pipeline.ingest.items import ingest_items
from pipeline.ingest.raw import RawFiles, prepare_raw
from pipeline.ingest.raw_state import RawState
from pipeline.ingest.reviews import ingest_reviews
from pipeline.markdown import table

GROUP = "ingest"
RAW_FILES_TAG, RAW_IMAGES_TAG = "coldbridge/raw_files", "coldbridge/raw_images"
"""On a materialization of `raw`: sizes and times of files and images when it read the files."""


class Refetch(dg.Config):
    """How images are downloaded this time."""

    refresh: bool = False  # ask servers again for what they have answered before


def ingest_assets(catalog: Catalog) -> list[dg.AssetsDefinition]:
    partitions = Partitions(catalog)
    downloads = partitions.download_domains
    version = code_version(VERSION, each_domain(catalog, _read_from_raw))

    @dg.asset(
        deps=[own_partition("download", downloads)] if downloads else [],
        partitions_def=partitions.domains,
        group_name=GROUP,
        kinds={"json"},
        code_version=version,
    )
    def raw(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
        """The raw dump, generated for the demo's domains, checked to be there for all others."""
        return _raw_result(prepare_raw(workspace.catalog, context.partition_key))

    @dg.asset(
        deps=[raw],
        partitions_def=partitions.domains,
        group_name=GROUP,
        pool=MEMORY,
        kinds={"polars", "parquet"},
        code_version=version,
    )
    def items(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
        """Titles, category paths, brands, descriptions, prices and image URLs, cleaned."""
        return materialized(
            lambda: ingest_items(
                workspace.catalog, context.partition_key, workspace.store, observed(context)
            )
        )

    @dg.asset(
        deps=[raw, items],
        partitions_def=partitions.domains,
        group_name=GROUP,
        pool=MEMORY,
        kinds={"polars", "parquet"},
        code_version=version,
    )
    def reviews(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
        """Who did what and when, cleaned by rules, without personal names."""
        return materialized(
            lambda: ingest_reviews(
                workspace.catalog, context.partition_key, workspace.store, observed(context)
            )
        )

    return [
        *([_download(catalog, downloads)] if downloads else []),
        raw,
        items,
        reviews,
        *([_item_images(catalog)] if partitions.image_domains.get_partition_keys() else []),
    ]


def _download(catalog: Catalog, names: list[str]) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=partitions_of(names),
        group_name=GROUP,
        kinds={"http"},
        code_version=code_version(VERSION, each_domain(catalog, lambda d: repr(d.download))),
    )
    def download(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
        """The official dump, fetched into its place where it is not there yet."""
        return _download_result(download_dumps(workspace.catalog, context.partition_key))

    return download


def _item_images(catalog: Catalog) -> dg.AssetsDefinition:
    domains = Partitions(catalog).image_domains

    @dg.asset(
        deps=[own_partition("items", domains.get_partition_keys())],
        partitions_def=domains,
        group_name=GROUP,
        kinds={"pillow", "parquet"},
        code_version=code_version(VERSION, each_domain(catalog, lambda d: repr(d.images))),
    )
    def item_images(
        context: dg.AssetExecutionContext, config: Refetch, workspace: Workspace
    ) -> dg.MaterializeResult:
        """Each item's images, found or fetched, and why some could not be had."""
        return materialized(
            lambda: ingest_item_images(
                workspace.catalog,
                context.partition_key,
                workspace.store,
                workspace.cache,
                config.refresh,
            )
        )

    return item_images


def _read_from_raw(domain: Domain) -> dict[str, Any]:
    """What decides a domain's tables: not its title, its images or the models that read them."""
    read = dataclasses.replace(domain, title="", images=None, features=None, download=None)
    return parameters(read)


def _download_result(dumps: Dumps) -> dg.MaterializeResult:
    rows = [
        [file.role, file.status, f"{file.num_bytes:,}", f"{file.seconds:.1f}", file.url]
        for file in dumps.files
    ]
    files = table(["role", "status", "bytes", "seconds", "from"], rows, words=2)
    digest = digest_json({file.role: file.sha256 for file in dumps.files})
    return dg.MaterializeResult(
        data_version=dg.DataVersion(digest),
        metadata={
            "terms": dg.MetadataValue.md(dumps.terms),
            "files": dg.MetadataValue.md(files),
            **{f"sha256 of {file.role}": file.sha256 for file in dumps.files},
        },
    )


def _raw_result(files: RawFiles) -> dg.MaterializeResult:
    rows = [[role, str(path), f"{files.sizes[role]:,}"] for role, path in files.paths.items()]
    listed = table(["role", "file", "bytes"], rows, words=2)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(files.digest),
        metadata={"files": dg.MetadataValue.md(listed)},
        tags=raw_tags(files.state) if files.state else {},
    )


def raw_tags(state: RawState) -> dict[str, str]:
    images = {RAW_IMAGES_TAG: state.images} if state.images else {}
    return {RAW_FILES_TAG: state.files, **images}
