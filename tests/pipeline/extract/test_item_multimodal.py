"""Item features: what the model is shown of each item, and what is flagged."""

import hashlib
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image as Picture

from pipeline.catalog import Domain, FeatureModels, Images
from pipeline.columns import ITEM_IMAGES, ITEMS, REVIEWS
from pipeline.extract.engine import Embed
from pipeline.extract.extraction import Extraction
from pipeline.extract.item_multimodal import build_item_multimodal
from pipeline.extract.row_cache import RowCache
from pipeline.ingest.images.stored_images import image_path
from pipeline.store import Store
from tests.pipeline.extract.echo_engine import EchoEngine

DOMAIN = Domain(
    name="tea",
    title="fine teas",
    format="amazon-2018",
    images=Images(folder="pictures"),
    features=FeatureModels(item_model="echo", precision="float32"),
)
TITLES = {"pictured": "Green", "broken": "Black", "lost": "White", "bare": None, "only": None}
ASKED = [*TITLES, "unreviewed"]


class Recording(EchoEngine):
    def __init__(self) -> None:
        super().__init__(chunk=100)
        self.shown: dict[str, tuple[str, list[bytes]]] = {}

    def features(self, task: Any, prepared: Any) -> Any:
        for each in prepared:
            images = [image.read() for image in each.request.images]
            self.shown[each.request.row] = (each.content, images)
        return super().features(task, prepared)


def picture(shade: int) -> bytes:
    file = io.BytesIO()
    Picture.new("RGB", (8, 8), (shade, 0, 0)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def store(tmp_path: Path, cache: Path) -> Store:
    store = Store(tmp_path / "store")
    items = [
        {"item_id": i, "title": TITLES.get(i), "categories": [], "image_urls": []} for i in ASKED
    ]
    items[0] |= {"brand": "Leaf", "category": "Tea > Green", "description": "Long\n" * 999}
    store.write_table("items/tea", ITEMS, pa.Table.from_pylist(items, schema=ITEMS))
    reviews = [{"user_id": "u", "item_id": item, "timestamp": 1} for item in TITLES]
    store.write_table("reviews/tea", REVIEWS, pa.Table.from_pylist(reviews, schema=REVIEWS))
    kept = [("pictured", 0, 1), ("pictured", 1, 2), ("lost", 0, 3), ("only", 0, 4)]
    images = [_stored(cache, *row) for row in kept]
    images.append({"item_id": "broken", "position": 0, "source": "x.png", "status": "broken"})
    image_path(cache, images[2]["sha256"]).unlink()
    table = pa.Table.from_pylist(images, schema=ITEM_IMAGES)
    store.write_table("item_images/tea", ITEM_IMAGES, table)
    return store


def _stored(cache: Path, item: str, position: int, shade: int) -> dict[str, Any]:
    data = picture(shade)
    digest = hashlib.sha256(data).hexdigest()
    path = image_path(cache, digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return {
        "item_id": item,
        "position": position,
        "source": f"{item}.png",
        "status": "ok",
        "sha256": digest,
    }


def build(
    store: Store, cache: Path, engine: EchoEngine, domain: Domain = DOMAIN, **changes: Any
) -> Any:
    assert domain.features
    domain = replace(domain, features=replace(domain.features, **changes))
    extraction = Extraction(engine=engine, cache=RowCache(cache / "rows"))
    return build_item_multimodal(domain, store, cache, extraction)


def test_items_are_shown_with_their_images_in_order_and_their_text(
    store: Store, cache: Path
) -> None:
    engine = Recording()
    outcome = build(store, cache, engine)
    assert set(engine.shown) == {f"item {i}" for i in ("pictured", "broken", "lost", "only")}
    text, images = engine.shown["item pictured"]
    assert images == [picture(1), picture(2)]
    for words in (
        "fine teas",
        "Title: Green",
        "Brand: Leaf",
        "Category: Tea > Green",
        "Description: Long Long",
    ):
        assert words in text
    assert engine.shown["item broken"][1] == engine.shown["item lost"][1] == []
    assert "Title" not in engine.shown["item only"][0]
    rows = store.read_table("item_multimodal/tea")
    flags = rows.select(["item_id", "has_text", "images", "lost_images"]).to_pylist()
    assert [tuple(row.values()) for row in flags] == [
        ("pictured", True, 2, 0),
        ("broken", True, 0, 1),
        ("lost", True, 0, 1),
        ("bare", False, 0, 0),
        ("only", False, 1, 0),
    ]
    vectors = np.array(rows["vector"].to_pylist())
    assert not vectors[3].any() and vectors[[0, 1, 2, 4]].any(axis=1).all()
    facts = outcome.facts
    assert (facts["items_with_images"], facts["items_by_text_alone"]) == (2, 2)
    assert (facts["items_with_nothing_to_read"], facts["images_lost"]) == (1, 2)


def test_an_image_that_comes_back_is_read_again(store: Store, cache: Path) -> None:
    build(store, cache, EchoEngine())
    digest = store.read_table("item_images/tea").to_pylist()[2]["sha256"]
    image_path(cache, digest).write_bytes(picture(3))
    engine = Recording()
    build(store, cache, engine)
    assert list(engine.shown) == ["item lost"]
    assert engine.shown["item lost"][1] == [picture(3)]


def test_every_item_of_the_metadata_may_be_asked_for(store: Store, cache: Path) -> None:
    build(store, cache, EchoEngine(), min_item_reviews=0)
    rows = store.read_table("item_multimodal/tea")
    assert rows["item_id"].to_pylist() == ASKED


def test_too_high_a_bar_is_an_error_with_a_remedy(store: Store, cache: Path) -> None:
    with pytest.raises(ValueError, match="no item has 9 reviews: lower"):
        build(store, cache, EchoEngine(), min_item_reviews=9)


def test_without_a_word_or_an_image_nothing_is_written(store: Store, cache: Path) -> None:
    rows = [{"item_id": "bare", "title": None, "categories": [], "image_urls": []}]
    store.write_table("items/tea", ITEMS, pa.Table.from_pylist(rows, schema=ITEMS))
    with pytest.raises(ValueError, match="item_multimodal/tea: not one row has anything"):
        build(store, cache, EchoEngine())
    assert not store.exists("item_multimodal/tea", ".parquet")


def test_a_sentence_encoder_reads_title_brand_category_and_description(
    store: Store, cache: Path
) -> None:
    engine = EchoEngine(chunk=100)
    outcome = build(store, cache, engine, domain=replace(DOMAIN, images=None), pooling="sentence")
    rows = {row["item_id"]: row for row in store.read_table("item_multimodal/tea").to_pylist()}
    texts = [text for chunk in engine.chunks for text in chunk]
    first = next(text for text in texts if "Leaf" in text)
    assert first.startswith(f"{TITLES['pictured']} Leaf Tea > Green Long Long")
    (vector,) = engine.embed(Embed(model="echo"), [first])
    np.testing.assert_allclose(rows["pictured"]["vector"], vector, rtol=1e-6)
    assert all(row["has_text"] == bool(np.any(row["vector"])) for row in rows.values())
    assert outcome.facts["images_read"] == 0


def test_images_alone_are_read_where_the_catalog_says_so(store: Store, cache: Path) -> None:
    outcome = build(store, cache, Recording(), item_text=False)
    rows = store.read_table("item_multimodal/tea").to_pylist()
    assert not any(row["has_text"] for row in rows)
    assert all((row["images"] > 0) == bool(np.any(row["vector"])) for row in rows)
    shown = sum(row["images"] > 0 for row in rows)
    assert outcome.facts["items_with_nothing_to_read"] == len(rows) - shown > 0
