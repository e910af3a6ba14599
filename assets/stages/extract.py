"""Extract: what frozen models make of items and users, each row paid for once.

By scenario: item text vectors and LLM-generated titles. By domain, where the catalog names
models for it: multimodal item features and user features from reviews.
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from assets.automation.recompute import Recompute
from assets.execution.pools import GPU
from assets.partitions import Partitions, own_partition, own_partitions, partitions_of
from assets.present import (
    code_version,
    each_domain,
    each_scenario,
    materialized,
    observed_extraction,
)
from assets.resources import Workspace
from pipeline.catalog import Catalog, Domain
from pipeline.extract import VERSION
from pipeline.extract.engine import Engine
from pipeline.extract.feature_prompts import ITEM_PROMPT, USER_PROMPT
from pipeline.extract.item_multimodal import build_item_multimodal
from pipeline.extract.item_text import build_item_text
from pipeline.extract.review_features import build_review_features
from pipeline.extract.titles import build_generated_titles, titles_task

GROUP = "extract"


def extract_assets(catalog: Catalog) -> list[dg.AssetsDefinition]:
    return [*_scenario_assets(catalog), *_domain_assets(catalog)]


def _scenario_assets(catalog: Catalog) -> list[dg.AssetsDefinition]:
    """Of the pairs whose systems read them; none where there are no such pairs."""
    partitions = Partitions(catalog)
    with_texts = partitions.resting_on("item_text")
    with_titles = partitions.resting_on("generated_titles")
    return [
        *([_item_text(catalog, with_texts)] if with_texts else []),
        *([_generated_titles(catalog, with_titles)] if with_titles else []),
    ]


def _item_text(catalog: Catalog, pairs: Sequence[str]) -> dg.AssetsDefinition:
    @dg.asset(
        deps=own_partitions(["vocabulary"], pairs),
        partitions_def=partitions_of(pairs),
        group_name=GROUP,
        pool=GPU,
        kinds={"huggingface", "safetensors"},
        code_version=code_version(
            VERSION, each_scenario(catalog, lambda s: s.text_model, pairs), ["text_model"]
        ),
    )
    def item_text(
        context: dg.AssetExecutionContext,
        config: Recompute,
        workspace: Workspace,
        engine: dg.ResourceParam[Engine],
    ) -> dg.MaterializeResult:
        """A frozen vector of each item's title, category and brand."""
        scenario = workspace.scenario(context.partition_key)
        extraction = observed_extraction(context, workspace, engine, config.since())
        return materialized(lambda: build_item_text(scenario, workspace.store, extraction))

    return item_text


def _generated_titles(catalog: Catalog, pairs: Sequence[str]) -> dg.AssetsDefinition:
    @dg.asset(
        deps=own_partitions(["vocabulary", "sequences"], pairs),
        partitions_def=partitions_of(pairs),
        group_name=GROUP,
        pool=GPU,
        kinds={"vllm", "parquet"},
        code_version=code_version(
            VERSION,
            each_scenario(
                catalog,
                lambda s: [
                    repr(s.titles),
                    [domain.title for domain in catalog.domains_of(s.name)],
                    repr(titles_task(s)),
                    catalog.engine.that_change_outputs(),
                ],
                pairs,
            ),
            ["titles", "domain_titles", "prompt_and_model", "engine"],
        ),
    )
    def generated_titles(
        context: dg.AssetExecutionContext,
        config: Recompute,
        workspace: Workspace,
        engine: dg.ResourceParam[Engine],
    ) -> dg.MaterializeResult:
        """What an LLM thinks single-domain users would want in the other domain."""
        scenario = workspace.scenario(context.partition_key)
        extraction = observed_extraction(context, workspace, engine, config.since())
        return materialized(
            lambda: build_generated_titles(workspace.catalog, scenario, workspace.store, extraction)
        )

    return generated_titles


def _domain_assets(catalog: Catalog) -> list[dg.AssetsDefinition]:
    """None where no domain names a model: there is nothing that could be materialized."""
    domains = catalog.domains.values()
    with_items = [d.name for d in domains if d.features and d.features.item_model]
    with_users = [d.name for d in domains if d.features and d.features.user_model]
    assets = []
    if with_items:
        assets.append(_item_multimodal(catalog, with_items))
    if with_users:
        assets.append(_review_features(catalog, with_users))
    return assets


def _item_multimodal(catalog: Catalog, names: Sequence[str]) -> dg.AssetsDefinition:
    pictured = [name for name in names if catalog.domains[name].images]
    deps = [own_partition("items", names), own_partition("reviews", names)]
    if pictured:
        deps.append(own_partition("item_images", pictured))

    @dg.asset(
        deps=deps,
        partitions_def=partitions_of(names),
        group_name=GROUP,
        pool=GPU,
        kinds={"vllm", "parquet"},
        code_version=_feature_version(catalog, ITEM_PROMPT, names),
    )
    def item_multimodal(
        context: dg.AssetExecutionContext,
        config: Recompute,
        workspace: Workspace,
        engine: dg.ResourceParam[Engine],
    ) -> dg.MaterializeResult:
        """What a frozen multimodal LLM makes of an item's images and text."""
        domain = workspace.catalog.domains[context.partition_key]
        extraction = observed_extraction(context, workspace, engine, config.since())
        return materialized(
            lambda: build_item_multimodal(domain, workspace.store, workspace.cache, extraction)
        )

    return item_multimodal


def _review_features(catalog: Catalog, names: Sequence[str]) -> dg.AssetsDefinition:
    @dg.asset(
        deps=[own_partition("reviews", names)],
        partitions_def=partitions_of(names),
        group_name=GROUP,
        pool=GPU,
        kinds={"vllm", "parquet"},
        code_version=_feature_version(catalog, USER_PROMPT, names),
    )
    def review_features(
        context: dg.AssetExecutionContext,
        config: Recompute,
        workspace: Workspace,
        engine: dg.ResourceParam[Engine],
    ) -> dg.MaterializeResult:
        """What a frozen LLM makes of a user's reviews in one domain."""
        domain = workspace.catalog.domains[context.partition_key]
        extraction = observed_extraction(context, workspace, engine, config.since())
        return materialized(lambda: build_review_features(domain, workspace.store, extraction))

    return review_features


def _feature_version(catalog: Catalog, prompt: str, names: Sequence[str]) -> str:
    settings = catalog.engine.that_change_outputs()

    def read(domain: Domain) -> Any:
        if domain.name not in names:
            return None
        return [prompt, domain.title, repr(domain.features), settings]

    return code_version(VERSION, each_domain(catalog, read))
