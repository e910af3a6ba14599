"""The asset that fetches official dumps: for whom it is there, and what walks on from it."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import dagster as dg

from assets.definitions import build_defs
from assets.resources import Workspace
from assets.stages.ingest import ingest_assets
from tests.pipeline.ingest.dumps.dump_server import DumpServer, Served
from tests.refresh_names import refresh_names

SHOP = """
[domain.cards]
title = "gift cards"
format = "amazon-2018"
reviews = "raw/Gift_Cards.json.gz"
items = "raw/meta_Gift_Cards.json.gz"
download = {{ category = "Gift_Cards", base_url = "{url}", allow_private = true }}

[domain.paper-cards]
title = "paper gift cards"
within = "cards"
paths = ["Gift Cards > Paper"]
"""
REVIEW = {"reviewerID": "U1", "asin": "I1", "overall": 5, "unixReviewTime": 1_400_000_000}
ITEM = {"asin": "I1", "title": "A card", "category": ["Gift Cards", "Paper"]}


def packed(*entries: dict[str, object]) -> Served:
    return Served(body=gzip.compress("\n".join(map(json.dumps, entries)).encode(), mtime=0))


def test_a_domain_is_fetched_once_and_its_tables_follow(tmp_path: Path) -> None:
    with DumpServer() as server, dg.DagsterInstance.ephemeral() as instance:
        server.files["/categoryFiles/Gift_Cards.json.gz"] = packed(REVIEW)
        server.files["/metaFiles2/meta_Gift_Cards.json.gz"] = packed(ITEM)
        (tmp_path / "catalog.toml").write_text(SHOP.format(url=server.url()))
        workspace = Workspace(data=str(tmp_path))
        assets = ingest_assets(workspace.catalog)
        done = refresh_names(assets, workspace, "cards", instance)
        assert done == ["download[cards]", "raw[cards]", "items[cards]", "reviews[cards]"]
        assert refresh_names(assets, workspace, "cards", instance) == []
        part = refresh_names(assets, workspace, "paper-cards", instance)
        assert part == [f"{name}[paper-cards]" for name in ("raw", "items", "reviews")]
        event = instance.get_latest_materialization_event(dg.AssetKey("download"))
        assert event is not None and event.asset_materialization is not None
        shown = event.asset_materialization.metadata
        assert "research" in str(shown["terms"].value)
        assert "| reviews | fetched |" in str(shown["files"].value)
        assert workspace.store.read_table("reviews/cards").num_rows == 1


def test_without_a_dump_to_fetch_there_is_no_download(
    workspace: Callable[..., Workspace],
) -> None:
    keys = build_defs(workspace()).resolve_asset_graph().get_all_asset_keys()
    assert dg.AssetKey("download") not in keys
