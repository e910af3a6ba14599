"""Prepare, by scenario: interactions, vocabulary, the dataset card, and what the task needs.

A task has an asset of its own: sequences and candidates where items are ranked, ratings, clicks
or behaviours. Each is split, and checked for leaks before it is written and after.
"""

from collections.abc import Callable, Iterable

import dagster as dg

from assets.execution.pools import MEMORY
from assets.partitions import (
    SEQUENCE_TASKS,
    Partitions,
    own_partitions,
    partitions_of,
)
from assets.present import code_version, each_domain, each_scenario, materialized
from assets.resources import Workspace
from pipeline.catalog import Catalog, Scenario
from pipeline.outcome import Outcome
from pipeline.prepare import VERSION
from pipeline.prepare.behaviours import build_behaviours
from pipeline.prepare.candidates import build_candidates
from pipeline.prepare.clicks import build_clicks
from pipeline.prepare.dataset_card import build_dataset_card
from pipeline.prepare.interactions import build_interactions
from pipeline.prepare.ratings import build_ratings
from pipeline.prepare.sequences import build_sequences
from pipeline.prepare.vocabulary import build_vocabulary
from pipeline.store import Store

GROUP = "prepare"

Build = Callable[[Scenario, Store], Outcome]


def prepare_assets(catalog: Catalog) -> list[dg.AssetsDefinition]:
    partitions = Partitions(catalog)
    ranked = partitions.of_tasks(*SEQUENCE_TASKS)
    assets = [
        *_common_assets(catalog),
        _task_asset("sequences", catalog, ranked, build_sequences),
        _candidates(catalog, ranked),
        _task_asset("ratings", catalog, partitions.of_tasks("cold-start-rating"), build_ratings),
        _task_asset("clicks", catalog, partitions.of_tasks("click"), build_clicks),
        _task_asset(
            "behaviours", catalog, partitions.of_tasks("multi-behaviour"), build_behaviours
        ),
    ]
    return [asset for asset in assets if asset is not None]


def _versioned(catalog: Catalog, scenarios: Iterable[str], *keys: str) -> str:
    """A code version that digests these fields of each of the scenarios."""
    read = each_scenario(catalog, lambda s: [repr(getattr(s, key)) for key in keys], scenarios)
    return code_version(VERSION, read, keys)


def _common_assets(catalog: Catalog) -> list[dg.AssetsDefinition]:
    partitions = Partitions(catalog)
    from_domains = partitions.domain_to_scenarios()
    reviews = dg.AssetDep("reviews", partition_mapping=from_domains)
    items = dg.AssetDep("items", partition_mapping=from_domains)

    @dg.asset(
        deps=[reviews, items],
        partitions_def=partitions.scenarios,
        group_name=GROUP,
        pool=MEMORY,
        kinds={"polars", "parquet"},
        code_version=_versioned(catalog, catalog.scenarios, "domains", "filters"),
    )
    def interactions(
        context: dg.AssetExecutionContext, workspace: Workspace
    ) -> dg.MaterializeResult:
        """Who interacted with what in any domain of the scenario: filters, then the k-core."""
        scenario = workspace.scenario(context.partition_key)
        return materialized(
            lambda: build_interactions(scenario, workspace.catalog, workspace.store)
        )

    @dg.asset(
        deps=[interactions, items],
        partitions_def=partitions.scenarios,
        group_name=GROUP,
        kinds={"polars", "parquet"},
        code_version=_versioned(catalog, catalog.scenarios, "domains"),
    )
    def vocabulary(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
        """Dense item ids, 0 kept for padding, and each item's text."""
        scenario = workspace.scenario(context.partition_key)
        return materialized(lambda: build_vocabulary(scenario, workspace.store))

    titles = each_domain(catalog, lambda domain: domain.title)

    @dg.asset(
        deps=[interactions, items, reviews],
        partitions_def=partitions.scenarios,
        group_name=GROUP,
        pool=MEMORY,
        kinds={"polars", "markdown"},
        code_version=code_version(
            VERSION,
            each_scenario(
                catalog,
                lambda s: [
                    *(
                        repr(getattr(s, key))
                        for key in ("domains", "filters", "task", "statistics")
                    ),
                    *(titles[name] for name in s.domains),
                ],
            ),
        ),
    )
    def dataset_card(
        context: dg.AssetExecutionContext, workspace: Workspace
    ) -> dg.MaterializeResult:
        """What the data are: sizes, overlap, lengths, times, ratings, coverage, plots."""
        scenario = workspace.scenario(context.partition_key)
        return materialized(
            lambda: build_dataset_card(scenario, workspace.catalog, workspace.store)
        )

    return [interactions, vocabulary, dataset_card]


_DESCRIPTIONS = {
    "sequences": "Sequences of items, split, with what an evaluation must not see taken away.",
    "ratings": "Ratings with cold users' target ratings held out, at every ratio of cold users.",
    "clicks": "CTR rows: a history, the item clicked next, and items drawn that were not.",
    "behaviours": "Histories of several behaviours, cut where the item to predict was chosen.",
}
_READ = {
    "sequences": ("domains", "task", "split"),
    "ratings": ("domains", "split"),
    "clicks": ("domains", "split", "clicks"),
    "behaviours": ("domains", "split", "behaviours"),
}


def _task_asset(
    name: str, catalog: Catalog, scenarios: list[str], build: Build
) -> dg.AssetsDefinition | None:
    """The asset of a task; None where no scenario has it."""
    if not scenarios:
        return None

    @dg.asset(
        name=name,
        description=_DESCRIPTIONS[name],
        deps=own_partitions(["interactions", "vocabulary"], scenarios),
        partitions_def=partitions_of(scenarios),
        group_name=GROUP,
        pool=MEMORY,
        kinds={"polars", "parquet"},
        code_version=_versioned(catalog, scenarios, *_READ[name]),
    )
    def cases(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
        scenario = workspace.scenario(context.partition_key)
        return materialized(lambda: build(scenario, workspace.store))

    return cases


def _candidates(catalog: Catalog, scenarios: list[str]) -> dg.AssetsDefinition | None:
    if not scenarios:
        return None

    @dg.asset(
        deps=own_partitions(["sequences", "vocabulary", "interactions"], scenarios),
        partitions_def=partitions_of(scenarios),
        group_name=GROUP,
        pool=MEMORY,
        kinds={"numpy", "parquet"},
        code_version=_versioned(catalog, scenarios, "domains", "candidates"),
    )
    def candidates(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
        """What each held-out item is ranked against, drawn once for all systems."""
        scenario = workspace.scenario(context.partition_key)
        return materialized(lambda: build_candidates(scenario, workspace.store))

    return candidates
