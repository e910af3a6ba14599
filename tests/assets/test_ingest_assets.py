"""Item images as an asset: of which domains, made from what, and made again when."""

import functools
import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from assets.definitions import build_defs
from assets.resources import Workspace
from assets.stages.ingest import ingest_assets
from pipeline.ingest import sample
from tests.pipeline.ingest.images.image_server import ImageServer, picture
from tests.refresh_names import refresh_names

KEY = dg.AssetKey("item_images")
FOLDER = 'images = { folder = "pictures" }'
SHOP = """
[domain.shop]
title = "shop"
format = "amazon-2018"
reviews = "reviews.json.gz"
items = "items.json.gz"
images = { download = true, allow_private = true }
"""


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def refreshed(
    workspace: Callable[..., Workspace],
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[str], list[str]]:
    """Refresh the domain "food" of a tiny world, with the given line about its images."""
    tiny = functools.partial(sample.WorldConfig, food_users=60, kitchen_users=60, shared_users=80)
    monkeypatch.setattr(sample, "WorldConfig", tiny)

    def call(images: str) -> list[str]:
        current = workspace(food_features=images)
        return refresh_names(ingest_assets(current.catalog), current, "food", instance)

    return call


def _metadata(instance: dg.DagsterInstance) -> dict[str, object]:
    event = instance.get_latest_materialization_event(KEY)
    assert event is not None and event.asset_materialization is not None
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}


def test_there_are_item_images_of_the_domains_that_name_any(
    workspace: Callable[..., Workspace],
) -> None:
    definitions = build_defs(workspace(food_features=FOLDER))
    dg.Definitions.validate_loadable(definitions)
    graph = definitions.resolve_asset_graph()
    assert graph.get(KEY).partitions_def.get_partition_keys() == ["food"]
    without = build_defs(workspace())
    dg.Definitions.validate_loadable(without)
    assert KEY not in without.resolve_asset_graph().get_all_asset_keys()


def test_a_domain_brings_its_images_and_new_settings_concern_them_alone(
    refreshed: Callable[[str], list[str]], instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"pictures is no folder"):
        refreshed(FOLDER)
    with gzip.open(tmp_path / "raw/meta_food.json.gz") as file:
        item = json.loads(next(file))["asin"]
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / f"{item}.png").write_bytes(picture(1))
    assert refreshed(FOLDER) == ["item_images[food]", "reviews[food]"]  # what had not been reached
    metadata = _metadata(instance)
    assert (metadata["items_with_image"], metadata["dagster/row_count"]) == (1, 1)
    assert metadata["statuses"] == "| status | images |\n|---|---|\n| ok | 1 |"
    assert refreshed(FOLDER) == []
    assert refreshed('images = { folder = "pictures", max_pixels = 9 }') == ["item_images[food]"]
    assert _metadata(instance)["images_lost"] == 1


def test_a_run_may_ask_servers_again(
    workspace: Callable[..., Workspace], instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    with ImageServer() as server:
        (url,) = server.serve_pictures(1)
        for name, line in (("reviews", {}), ("items", {"asin": "I1", "imageURL": [url]})):
            with gzip.open(tmp_path / f"{name}.json.gz", "wb") as file:
                file.write(json.dumps(line).encode())
        current = workspace(more=SHOP)
        again = {"ops": {"item_images": {"config": {"refresh": True}}}}
        for selection, config in (
            (["raw", "items"], None),
            (["item_images"], None),
            (["item_images"], None),
            (["item_images"], again),
        ):
            dg.materialize(
                ingest_assets(current.catalog),
                selection=selection,
                partition_key="shop",
                instance=instance,
                resources={"workspace": current},
                run_config=config,
            )
        assert server.hits["/0.png"] == 2
        assert _metadata(instance)["requests"] == 1
