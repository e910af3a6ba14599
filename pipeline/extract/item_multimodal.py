"""Item features: what a frozen multimodal LLM makes of an item's images and text (MuSiC, 3.1).

An item whose images are missing, broken or lost is read by its text alone and flagged; one with
neither gets zeros and is flagged too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from pipeline.catalog import Domain, FeatureModels
from pipeline.columns import item_feature_schema
from pipeline.extract.engine import Features, Image, Request
from pipeline.extract.extraction import Extraction, features
from pipeline.extract.feature_prompts import ITEM_PROMPT, item_request
from pipeline.extract.feature_table import FeatureRows, FeatureTable, write_features
from pipeline.extract.sentence_features import sentence_features
from pipeline.ingest.images.stored_images import image_path, read_image
from pipeline.outcome import Outcome
from pipeline.store import Store


@dataclass(frozen=True, kw_only=True)
class _Item:
    request: Request | None  # None: nothing to read
    text: str
    has_text: bool
    images: int
    lost_images: int


def build_item_multimodal(
    domain: Domain, store: Store, cache: Path, extraction: Extraction
) -> Outcome:
    """Write `item_multimodal/<domain>`: a vector for each item with enough reviews.

    Images are read from below `cache`, where `item_images` put them. Raises ValueError where no
    item has as many reviews as the catalog asks for.
    """
    models = domain.features
    assert models and models.item_model
    wanted = _wanted_items(domain, store, models)
    images = _images_of(domain, store)
    items = [_item(row, domain, images.get(row["item_id"], []), cache) for row in wanted.to_dicts()]
    shown = _described(wanted, items)
    table = FeatureTable(
        key=f"item_multimodal/{domain.name}",
        model=models.item_model,
        pooling=models.pooling,
        schema=item_feature_schema,
        columns=shown.to_arrow(),
        is_extracted=np.array([item.request is not None for item in items]),
        extracted=_extracted(items, models, extraction),
        precision=models.precision,
    )
    artifact, facts = write_features(table, store)
    facts |= {
        "items_with_images": int((shown["images"] > 0).sum()),
        "items_by_text_alone": int(((shown["images"] == 0) & shown["has_text"]).sum()),
        "items_with_nothing_to_read": sum(item.request is None for item in items),
        "images_read": int(shown["images"].sum()),
        "images_lost": int(shown["lost_images"].sum()),
    }
    return Outcome(artifact=artifact, facts=facts, preview=shown.head(8).to_arrow())


def _extracted(
    items: Sequence[_Item], models: FeatureModels, extraction: Extraction
) -> FeatureRows:
    assert models.item_model
    if models.pooling == "sentence":
        texts = [[item.text] for item in items if item.request]
        return sentence_features(extraction, models.item_model, texts, models.precision)
    requests = [item.request for item in items if item.request]
    task = Features(model=models.item_model, prompt=ITEM_PROMPT, pooling=models.pooling)
    return features(extraction, task, requests, models.precision)


def _wanted_items(domain: Domain, store: Store, models: FeatureModels) -> pl.DataFrame:
    columns = ["item_id", "title", "brand", "category", "description"]
    items = pl.DataFrame(pl.from_arrow(store.read_table(f"items/{domain.name}", columns)))
    reviews = pl.DataFrame(pl.from_arrow(store.read_table(f"reviews/{domain.name}", ["item_id"])))
    counts = reviews.group_by("item_id").len("reviews")
    wanted = items.join(counts, on="item_id", how="left", maintain_order="left").filter(
        pl.col("reviews").fill_null(0) >= models.min_item_reviews
    )
    if wanted.is_empty():
        raise ValueError(
            f"domain {domain.name!r}: no item has {models.min_item_reviews} reviews: lower "
            "features.min_item_reviews in the catalog"
        )
    return wanted.select(columns)


def _images_of(domain: Domain, store: Store) -> dict[str, list[str | None]]:
    """For each item the digests of its images in order; None for one that could not be had."""
    if domain.images is None:
        return {}
    table = store.read_table(f"item_images/{domain.name}", ["item_id", "position", "sha256"])
    rows = pl.DataFrame(pl.from_arrow(table)).sort("item_id", "position")
    grouped = rows.group_by("item_id", maintain_order=True).agg("sha256")
    return dict(grouped.iter_rows())


def _item(
    row: dict[str, str | None], domain: Domain, digests: Sequence[str | None], cache: Path
) -> _Item:
    models = domain.features
    assert models and row["item_id"]
    read = ("title", "brand", "category") if models.item_text else ()
    lines = {name.title(): row[name] or "" for name in read if row[name]}
    description = (row["description"] or "") if models.item_text else ""
    images = [image for digest in digests if digest for image in _readable(cache, digest)]
    request = None
    if lines or description or images:
        request = item_request(
            row["item_id"], domain.title, lines, description, images, models.chat
        )
    return _Item(
        request=request,
        text="\n".join((*lines.values(), description)),
        has_text=bool(lines or description),
        images=len(images),
        lost_images=len(digests) - len(images),
    )


def _readable(cache: Path, digest: str) -> list[Image]:
    """The image, or nothing where its file is gone or is no longer what was stored."""
    try:
        read_image(cache, digest)
    except ValueError:  # it is counted as lost, and the item flagged
        return []
    return [Image(sha256=digest, source=image_path(cache, digest))]


def _described(wanted: pl.DataFrame, items: Sequence[_Item]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "item_id": wanted["item_id"],
            "has_text": [item.has_text for item in items],
            "images": pl.Series([item.images for item in items], dtype=pl.Int32),
            "lost_images": pl.Series([item.lost_images for item in items], dtype=pl.Int32),
        }
    )
