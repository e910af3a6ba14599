"""Extract, by scenario: item text vectors and LLM-generated titles, each row paid for once."""

import dagster as dg

from assets.checks import VECTORS_CHECK, check_item_vectors
from assets.partitions import Partitions
from assets.present import code_version, each_scenario, materialized
from assets.resources import Workspace
from pipeline.catalog import Catalog
from pipeline.extract import VERSION
from pipeline.extract.engine import Sampling
from pipeline.extract.features import build_item_text, text_cache
from pipeline.extract.local_models import resolve_model
from pipeline.extract.text_encoder import SentenceEncoder
from pipeline.extract.titles import build_generated_titles, titles_cache
from pipeline.extract.vllm_engine import VllmGenerator

GROUP = "extract"


def extract_assets(catalog: Catalog) -> list[dg.AssetsDefinition]:
    partitions = Partitions(catalog)

    @dg.asset(
        deps=["vocabulary"],
        partitions_def=partitions.scenarios,
        group_name=GROUP,
        kinds={"huggingface", "safetensors"},
        code_version=code_version(VERSION, each_scenario(catalog, lambda s: s.text_model)),
        check_specs=[dg.AssetCheckSpec(VECTORS_CHECK, asset="item_text", blocking=True)],
    )
    def item_text(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
        """A frozen vector of each item's title, category and brand."""
        scenario = workspace.scenario(context.partition_key)
        encoder = SentenceEncoder(resolve_model(scenario.text_model, workspace.cache))
        cache = text_cache(workspace.cache)
        return materialized(
            lambda: build_item_text(scenario, workspace.store, encoder, cache),
            lambda: check_item_vectors(scenario, workspace.store),
        )

    @dg.asset(
        deps=["vocabulary", "sequences"],
        partitions_def=partitions.scenarios,
        group_name=GROUP,
        kinds={"vllm", "parquet"},
        code_version=code_version(
            VERSION,
            each_scenario(
                catalog,
                lambda s: [
                    repr(s.titles),
                    [domain.title for domain in catalog.domains_of(s.name)],
                    repr(Sampling()),
                ],
            ),
        ),
    )
    def generated_titles(
        context: dg.AssetExecutionContext, workspace: Workspace
    ) -> dg.MaterializeResult:
        """What an LLM thinks single-domain users would want in the other domain."""
        scenario = workspace.scenario(context.partition_key)
        model = resolve_model(scenario.titles.model, workspace.cache)
        with VllmGenerator(model, Sampling()) as generator:
            return materialized(
                lambda: build_generated_titles(
                    workspace.catalog,
                    scenario,
                    workspace.store,
                    generator,
                    titles_cache(workspace.cache),
                )
            )

    return [item_text, generated_titles]
