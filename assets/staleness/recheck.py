"""Check again what is stored of a scenario or a domain, and make nothing: what the jobs `checks`
and `domain_checks` do.

The UI's own button to execute a check does not know partitions in this version of Dagster.
"""

from collections.abc import Sequence

import dagster as dg

from assets.checks import asset_checks
from assets.resources import Workspace, engine_resource
from assets.staleness.refresh import QUIET


def recheck(
    assets: Sequence[dg.AssetsDefinition],
    workspace: Workspace,
    name: str,
    instance: dg.DagsterInstance,
) -> list[dg.AssetCheckEvaluation]:
    """Run the checks of all materialized assets with a partition of that name, in one run.

    Returns those that did not pass, judgments too. ValueError where there is nothing to check.
    """
    definitions = dg.Definitions(
        assets=list(assets),
        asset_checks=asset_checks(assets),
        resources={"workspace": workspace, "engine": engine_resource(workspace)},
    )
    graph = definitions.resolve_asset_graph()
    made = {
        key
        for key in graph.get_all_asset_keys()
        if name in instance.get_materialized_partitions(key)
    }
    checks = graph.get_check_keys_for_assets(made)
    if not checks:
        raise ValueError(f"nothing of {name!r} that has checks is materialized yet")
    job = definitions.resolve_implicit_global_asset_job_def()
    done = job.get_subset(asset_selection=set(), asset_check_selection=checks).execute_in_process(
        tags={"dagster/partition": name}, instance=instance, run_config=QUIET, raise_on_error=False
    )
    results = done.get_asset_check_evaluations()
    assert len(results) == len(checks)  # what people can break is a result, not an error
    return [result for result in results if not result.passed]


def told(failed: Sequence[dg.AssetCheckEvaluation]) -> str:
    """One line for each: the asset, the check, and what it found."""
    lines = (
        f"{one.asset_key.to_user_string()}: {one.check_name}: {one.description}" for one in failed
    )
    return "\n".join(sorted(lines))
