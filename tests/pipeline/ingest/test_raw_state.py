"""The state of raw files changes with every change that can be seen from outside."""

import os
from pathlib import Path

import pytest

from pipeline.catalog import Catalog, load_catalog
from pipeline.ingest.raw_state import RawState, raw_state

CATALOG = """
[domain.shop]
title = "shop"
format = "amazon-2018"
reviews = "raw/shop/reviews.json.gz"
items = "raw/shop/items.json.gz"
images = { folder = "raw/shop/images" }

[domain.corner]
title = "corner"
within = "shop"
paths = ["* > Corner"]
"""


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    (tmp_path / "catalog.toml").write_text(CATALOG)
    return load_catalog(tmp_path / "catalog.toml")


@pytest.fixture
def shop(catalog: Catalog) -> Path:
    """The folder of the shop's files."""
    folder = catalog.folder / "raw" / "shop"
    (folder / "images").mkdir(parents=True)
    (folder / "reviews.json.gz").write_bytes(b"reviews")
    (folder / "items.json.gz").write_bytes(b"items")
    (folder / "images" / "I1.jpg").write_bytes(b"picture")
    return folder


def state(catalog: Catalog, name: str = "shop") -> RawState | None:
    return raw_state(catalog, catalog.domains[name])


def test_there_is_none_while_a_file_or_a_folder_is_missing(catalog: Catalog, shop: Path) -> None:
    whole = state(catalog)
    assert whole is not None and whole.images is not None
    (shop / "items.json.gz").rename(shop / "items.json.gz.part")
    assert state(catalog) is None
    (shop / "items.json.gz.part").rename(shop / "items.json.gz")
    (shop / "images").rename(shop / "pictures")
    assert state(catalog) == RawState(files=whole.files, images=None)
    shop.rename(shop.with_name("closed"))
    assert state(catalog) is None
    shop.write_text("a file where a folder was")
    assert state(catalog) is None


def test_it_stays_while_nothing_changes_that_is_read(catalog: Catalog, shop: Path) -> None:
    before = state(catalog)
    (shop / "reviews.json.gz.part").write_bytes(b"on its way")
    (shop / "images" / "I2.jpg.tmp").write_bytes(b"on its way")
    (shop / "images" / "notes.txt").write_bytes(b"of the photographer")
    assert state(catalog) == before


def test_it_changes_with_sizes_times_and_images(catalog: Catalog, shop: Path) -> None:
    seen = [state(catalog)]
    with (shop / "reviews.json.gz").open("ab") as file:
        file.write(b" and more")
    seen.append(state(catalog))
    other = shop / ".items.json.gz.tmp"
    other.write_bytes(b"ITEMS")  # of the same length
    os.utime(other, ns=(0, 1))
    os.replace(other, shop / "items.json.gz")
    seen.append(state(catalog))
    (shop / "images" / "I2.PNG").write_bytes(b"picture")
    seen.append(state(catalog))
    (shop / "images" / "I1.jpg").unlink()
    seen.append(state(catalog))
    assert None not in seen and len(set(seen)) == 5


def test_a_sub_domain_has_the_files_of_its_parent(catalog: Catalog, shop: Path) -> None:
    (shop / "images" / "I1.jpg").unlink()  # images are the parent's own
    assert state(catalog, "corner") == state(catalog)
