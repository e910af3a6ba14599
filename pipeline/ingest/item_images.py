"""A domain's item images: found or fetched, decoded once, kept by content, listed in a table."""

import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.catalog import Catalog, Images
from pipeline.columns import ITEM_IMAGES
from pipeline.ingest.images.image_address import address_rule
from pipeline.ingest.images.image_folder import files_by_item, keep_files
from pipeline.ingest.images.stored_images import Answer
from pipeline.ingest.raw import domain_of
from pipeline.outcome import Fact, Outcome
from pipeline.store import Store

log = logging.getLogger(__name__)

Sources = dict[str, list[str]]  # by item, in order of preference: names of files, or URLs


def ingest_item_images(
    catalog: Catalog, domain_name: str, store: Store, cache: Path, refresh: bool = False
) -> Outcome:
    """Write `item_images/<domain>`, and the images themselves below `cache`.

    An item's files in the domain's folder stand for the URLs of its metadata. An image that
    cannot be had is a row that says why; ValueError where no item has as much as a source.
    `refresh` asks servers again for what they have answered before.
    """
    settings = domain_of(catalog, domain_name).images
    where = f"domain.{domain_name}.images"
    if settings is None:
        raise ValueError(f"domain {domain_name!r} has no images: set {where} in catalog.toml")
    items = store.read_table(f"items/{domain_name}", ["item_id", "image_urls"])
    urls: Sources = dict(zip(*(column.to_pylist() for column in items.columns), strict=True))
    folder = _existing(catalog.folder / settings.folder, where) if settings.folder else None
    sources, answers, facts = _gathered(folder, urls, settings, cache, refresh)
    rows = list(_rows(sources, answers))
    if not rows:
        raise ValueError(f"domain {domain_name!r} has no image of any item: check {where}")
    table = pa.Table.from_pylist(rows, schema=ITEM_IMAGES)
    artifact = store.write_table(f"item_images/{domain_name}", ITEM_IMAGES, table)
    counts = Counter(row["status"] for row in rows)
    log.info("images of %s: %s", domain_name, ", ".join(f"{n} {s}" for s, n in counts.items()))
    return Outcome(
        artifact=artifact,
        facts=_counted(rows, len(urls)) | facts,
        tables={"statuses": _status_table(counts)},
        preview=table.slice(0, 8),
    )


def _existing(folder: Path, where: str) -> Path:
    if not folder.is_dir():
        raise ValueError(
            f"{folder} is no folder: it is set by {where}.folder; put the images there or correct "
            "the key in catalog.toml"
        )
    return folder


def _gathered(
    folder: Path | None, urls: Sources, settings: Images, cache: Path, refresh: bool
) -> tuple[Sources, dict[str, Answer], dict[str, Fact]]:
    """Each item's sources, what became of each source, and facts about the work."""
    files: Sources = {}
    answers: dict[str, Answer] = {}
    facts: dict[str, Fact] = {}
    if folder:
        files, facts["files_of_no_item"] = files_by_item(folder, urls.keys())
        files = {item: names[: settings.max_per_item] for item, names in files.items()}
        answers |= keep_files(folder, _flat(files), cache, settings)
    if not settings.download:
        return {item: files.get(item, []) for item in urls}, answers, facts
    from pipeline.ingest.images.image_download import (
        download_images,  # imports aiohttp
    )

    asked = {i: some[: settings.max_per_item] for i, some in urls.items() if i not in files}
    done = download_images(_flat(asked), cache, settings, address_rule(settings), refresh)
    facts |= {
        "bytes_downloaded": done.num_bytes,
        "urls_from_cache": done.from_cache,
        "requests": done.requests,
        "retries": done.retries,
    }
    both = files | asked
    return {item: both[item] for item in urls}, answers | done.answers, facts


def _flat(sources: Sources) -> list[str]:
    return [source for some in sources.values() for source in some]


def _rows(sources: Sources, answers: dict[str, Answer]) -> Iterator[dict[str, Any]]:
    for item, places in sources.items():
        for position, place in enumerate(places):
            answer = answers[place]
            yield {
                "item_id": item,
                "position": position,
                "source": place,
                "status": answer.status,
                **(vars(answer.picture) if answer.picture else {}),
            }


def _counted(rows: list[dict[str, Any]], num_items: int) -> dict[str, Fact]:
    whole = [row for row in rows if row["status"] == "ok"]
    with_image = len({row["item_id"] for row in whole})
    return {
        "items_with_image": with_image,
        "items_without_image": num_items - with_image,
        "images": len(whole),
        "distinct_images": len({row["sha256"] for row in whole}),
        "images_lost": len(rows) - len(whole),
    }


def _status_table(counts: Counter[str]) -> str:
    rows = [f"| {status} | {count:,} |" for status, count in counts.most_common()]
    return "\n".join(["| status | images |", "|---|---|", *rows])
