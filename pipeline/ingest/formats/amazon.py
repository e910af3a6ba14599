"""Amazon's releases of 2014, 2018 and 2023 as one format: a file of reviews, one of metadata."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from pipeline.catalog import Domain
from pipeline.ingest.formats.amazon_items import read_amazon_items
from pipeline.ingest.formats.amazon_reviews import read_amazon_reviews
from pipeline.ingest.formats.rows import ReadLog


def places(domain: Domain) -> dict[str, tuple[str, str]]:
    """Every file that the domain is read from: role to its path and the catalog's key of it."""
    assert domain.reviews is not None  # the catalog requires it of this format
    items = {"items": (domain.items, "items")} if domain.items else {}
    return {"reviews": (domain.reviews, "reviews"), **items}


def read_reviews(paths: dict[str, Path], log: ReadLog) -> Iterator[pa.RecordBatch]:
    """Reviews in REVIEWS columns."""
    return read_amazon_reviews(paths["reviews"], log)


def read_items(paths: dict[str, Path], log: ReadLog) -> Iterator[pa.RecordBatch]:
    """Products in RAW_ITEMS columns; nothing where the domain names no metadata."""
    return read_amazon_items(paths["items"], log) if "items" in paths else iter(())
