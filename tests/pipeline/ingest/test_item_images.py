"""The table of item images, from a folder, from a server, and of real products."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.catalog import Catalog, Domain, Images
from pipeline.columns import ITEM_IMAGES, ITEMS
from pipeline.ingest.images.stored_images import read_image
from pipeline.ingest.item_images import ingest_item_images
from pipeline.ingest.items import ingest_items
from pipeline.outcome import Outcome
from pipeline.store import Store
from tests.pipeline.ingest.images.image_server import ImageServer, picture

Ingest = Callable[..., Outcome]


@pytest.fixture
def server() -> Iterator[ImageServer]:
    with ImageServer() as server:
        server.serve_pictures(3)
        server.serve("/gone", lambda handler: handler.send(b"", 404))
        yield server


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def ingest(tmp_path: Path, store: Store) -> Ingest:
    """Ingest the images of items, given as their URLs by id, from wherever `images` says."""

    def call(items: dict[str, list[str]], images: Images | None, refresh: bool = False) -> Outcome:
        domain = Domain(name="toys", title="toys", format="amazon-2018", images=images)
        catalog = Catalog(folder=tmp_path, domains={"toys": domain}, scenarios={})
        rows = [
            {"item_id": item, "categories": [], "image_urls": urls} for item, urls in items.items()
        ]
        store.write_table("items/toys", ITEMS, pa.Table.from_pylist(rows, schema=ITEMS))
        return ingest_item_images(catalog, "toys", store, tmp_path / "cache", refresh)

    return call


def rows(store: Store) -> list[tuple[str, int, str, str]]:
    table = store.read_table("item_images/toys")
    assert table.schema.equals(ITEM_IMAGES)
    rows = table.to_pylist()
    return [(row["item_id"], row["position"], row["source"], row["status"]) for row in rows]


def put(folder: Path, *names: str) -> None:
    folder.mkdir(exist_ok=True)
    for shade, name in enumerate(names):
        (folder / name).write_bytes(picture(shade))


DOWNLOAD = Images(download=True, allow_private=True, attempts=1, max_per_item=2)


def test_files_of_a_folder_become_rows_in_the_order_of_the_items(
    ingest: Ingest, store: Store, tmp_path: Path
) -> None:
    put(tmp_path / "pictures", "I1_1.png", "I1.png", "I3.png", "other.png")
    outcome = ingest({"I3": [], "I2": [], "I1": []}, Images(folder="pictures", max_per_item=2))
    assert rows(store) == [
        ("I3", 0, "I3.png", "ok"),
        ("I1", 0, "I1.png", "ok"),
        ("I1", 1, "I1_1.png", "ok"),
    ]
    assert outcome.facts == {
        "items_with_image": 2,
        "items_without_image": 1,
        "images": 3,
        "distinct_images": 3,
        "images_lost": 0,
        "files_of_no_item": 1,
    }
    assert outcome.tables["statuses"].splitlines()[2:] == ["| ok | 3 |"]
    first = store.read_table("item_images/toys").to_pylist()[0]
    assert (first["format"], first["width"], first["height"]) == ("png", 8, 8)
    assert read_image(tmp_path / "cache", first["sha256"]) == picture(2)
    assert first["num_bytes"] == len(picture(2))


def test_urls_are_fetched_and_what_is_lost_says_why(
    ingest: Ingest, store: Store, server: ImageServer
) -> None:
    zero, one, two, gone = (server.url(f"/{name}") for name in ("0.png", "1.png", "2.png", "gone"))
    items = {"I1": [zero, gone, two], "I2": [gone], "I3": [], "I4": [one, zero]}
    outcome = ingest(items, DOWNLOAD)
    assert rows(store) == [
        ("I1", 0, zero, "ok"),
        ("I1", 1, gone, "http-404"),
        ("I2", 0, gone, "http-404"),
        ("I4", 0, one, "ok"),
        ("I4", 1, zero, "ok"),
    ]
    lost = store.read_table("item_images/toys").to_pylist()[1]
    assert {lost[name] for name in ("sha256", "format", "width", "height", "num_bytes")} == {None}
    assert outcome.facts == {
        "items_with_image": 2,
        "items_without_image": 2,
        "images": 3,
        "distinct_images": 2,
        "images_lost": 2,
        "bytes_downloaded": len(picture(0)) + len(picture(1)),
        "urls_from_cache": 0,
        "requests": 3,
        "retries": 0,
    }
    assert outcome.tables["statuses"].splitlines()[2:] == ["| ok | 3 |", "| http-404 | 2 |"]


def test_a_second_run_asks_nothing_and_writes_the_same(ingest: Ingest, server: ImageServer) -> None:
    items = {f"I{n}": [server.url(f"/{n}.png")] for n in range(3)}
    first = ingest(items, DOWNLOAD)
    second = ingest(items, DOWNLOAD)
    assert second.artifact.digest == first.artifact.digest
    assert (second.facts["requests"], second.facts["urls_from_cache"]) == (0, 3)
    assert ingest(items, DOWNLOAD, refresh=True).facts["requests"] == 3


def test_an_items_file_stands_for_its_urls(
    ingest: Ingest, store: Store, server: ImageServer, tmp_path: Path
) -> None:
    put(tmp_path / "pictures", "I1.png")
    zero, one = server.url("/0.png"), server.url("/1.png")
    ingest({"I1": [zero], "I2": [one]}, replace(DOWNLOAD, folder="pictures"))
    assert rows(store) == [("I1", 0, "I1.png", "ok"), ("I2", 0, one, "ok")]
    assert not server.hits["/0.png"]


def test_this_machine_is_not_asked_unless_the_catalog_says_so(
    ingest: Ingest, store: Store, server: ImageServer
) -> None:
    ingest({"I1": [server.url("/0.png")]}, replace(DOWNLOAD, allow_private=False))
    assert [row[3] for row in rows(store)] == ["blocked"]
    assert not server.hits


def test_items_without_any_source_are_an_error(ingest: Ingest, tmp_path: Path) -> None:
    put(tmp_path / "pictures", "other.png")
    for images in (Images(folder="pictures"), DOWNLOAD):
        with pytest.raises(
            ValueError, match=r"'toys' has no image of any item: check domain\.toys"
        ):
            ingest({"I1": []}, images)


def test_a_missing_folder_is_named_with_its_key(ingest: Ingest, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"{tmp_path}/pictures is no folder: .*toys\.images\.fol"):
        ingest({"I1": []}, Images(folder="pictures"))


def test_a_domain_that_names_no_images_is_an_error(ingest: Ingest) -> None:
    with pytest.raises(ValueError, match=r"'toys' has no images: set domain\.toys\.images"):
        ingest({"I1": []}, None)


def test_real_gift_cards_have_their_images(
    real: Callable[[str], Path], store: Store, tmp_path: Path
) -> None:
    folder = real("amazon2018-giftcards-images")
    domain = Domain(
        name="cards",
        title="gift cards",
        format="amazon-2018",
        reviews=f"{folder.name}/Gift_Cards_5.json.gz",
        items=f"{folder.name}/meta_Gift_Cards.json.gz",
        images=Images(folder=f"{folder.name}/images"),
    )
    catalog = Catalog(folder=folder.parent, domains={"cards": domain}, scenarios={})
    ingest_items(catalog, "cards", store)
    outcome = ingest_item_images(catalog, "cards", store, tmp_path / "cache")
    assert outcome.facts == {
        "items_with_image": 442,
        "items_without_image": 1105,
        "images": 442,
        "distinct_images": 436,
        "images_lost": 0,
        "files_of_no_item": 0,
    }
    for row in store.read_table("item_images/cards").to_pylist()[::50]:
        body = (folder / "images" / row["source"]).read_bytes()
        assert row["sha256"] == hashlib.sha256(body).hexdigest()
        assert read_image(tmp_path / "cache", row["sha256"]) == body
