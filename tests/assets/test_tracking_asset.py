"""The tracking asset is there where the catalog asks for it, and nowhere else."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg

from assets.definitions import build_defs
from assets.resources import Workspace

KEY = dg.AssetKey("mlflow_runs")


def graph(workspace: Workspace) -> dg.Definitions:
    return build_defs(workspace).resolve_asset_graph()  # type: ignore[return-value]


def tracked(workspace: Workspace) -> Workspace:
    path = Path(workspace.data) / "catalog.toml"
    path.write_text('[tracking]\nmlflow = "local"\n' + path.read_text())
    return workspace


def test_it_is_absent_by_default_and_comes_last_where_it_is_on(
    workspace: Callable[..., Workspace],
) -> None:
    off = graph(workspace())
    assert KEY not in off.get_all_asset_keys()
    on = graph(tracked(workspace()))
    assert on.get_all_asset_keys() - off.get_all_asset_keys() == {KEY}
    node = on.get(KEY)
    parents = {key.to_user_string() for key in node.parent_keys}
    assert {"leaderboard", "weights/lgcd", "weights/popularity"} < parents
    assert node.partitions_def.get_partition_keys() == ["other", "small"]
    assert on.toposorted_asset_keys[-1] == KEY  # a server that is down stops nothing else
    versions = [g.get(key).code_version for g in (off, on) for key in off.toposorted_asset_keys]
    assert versions[: len(versions) // 2] == versions[len(versions) // 2 :]
