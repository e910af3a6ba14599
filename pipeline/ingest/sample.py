"""The synthetic world's raw dumps: what `pipeline.ingest.sample_world` made, as files.

The format is that of the Amazon 2018 release, JSON lines in gzip, and so are the faults: lines
written twice, reviews written again, lines cut off, products without metadata or title, titles
with markup, a product listed twice. `WorldConfig` says how many of each.
"""

import gzip
import html
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from pipeline.ingest.sample_words import (
    DEPARTMENTS,
    DESCRIPTIONS,
    GRUMBLE,
    NAMES,
    PRAISE,
    STYLE_DESCRIPTION,
    STYLE_TALK,
    SUMMARIES,
)
from pipeline.ingest.sample_world import (
    DOMAINS,
    SECONDS_A_DAY,
    Product,
    Purchase,
    World,
    WorldConfig,
    make_world,
    themes,
)

_BOLD_TITLES = 0.05  # share of titles with a word in bold


@dataclass(frozen=True, kw_only=True)
class Dump:
    """Where the two files of a domain go."""

    reviews: Path
    items: Path


def write_world(dumps: tuple[Dump, Dump], config: WorldConfig) -> None:
    """Write the dumps of food and kitchen. Equal configs give equal bytes."""
    world = make_world(config)
    sources = np.random.default_rng([config.seed, 1]).spawn(2 * len(DOMAINS))
    for domain, dump in zip(DOMAINS, dumps, strict=True):
        for_reviews, for_items = sources[2 * domain : 2 * domain + 2]
        _write_gzip(dump.reviews, _review_lines(world, domain, config, for_reviews))
        _write_gzip(dump.items, _item_lines(world, domain, config, for_items))


def _write_gzip(path: Path, lines: Iterable[bytes]) -> None:
    # No name and no time in the header, so that equal content gives equal bytes.
    with (
        path.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=6, mtime=0) as file,
    ):
        file.writelines(line + b"\n" for line in lines)


def _review_lines(
    world: World, domain: int, config: WorldConfig, random: np.random.Generator
) -> list[bytes]:
    """A domain's review lines by product and time, as in the real dumps, with their faults."""
    own = [purchase for purchase in world.purchases if purchase.domain == domain]
    reviews = [_review(purchase, world, random) for purchase in own]
    picked = random.choice(len(reviews), config.exact_duplicates + config.later_duplicates, False)
    reviews += [reviews[i] for i in picked[: config.exact_duplicates]]
    for i in picked[config.exact_duplicates :]:
        days = int(random.integers(1, 30))
        reviews.append(_timed(reviews[i], reviews[i]["unixReviewTime"] + days * SECONDS_A_DAY))
    reviews.sort(key=lambda entry: (entry["asin"], entry["unixReviewTime"], entry["reviewerID"]))
    lines = [orjson.dumps(entry) for entry in reviews]
    return _with_cut_lines(lines, config.malformed_reviews, random)


def _item_lines(
    world: World, domain: int, config: WorldConfig, random: np.random.Generator
) -> list[bytes]:
    """A domain's metadata lines by product, with their faults; no product has two of them."""
    products = sorted(world.products[domain], key=lambda product: product.asin)
    faults = (config.absent_items, config.untitled_items, config.repeated_items)
    picked = random.choice(len(products), sum(faults), replace=False)
    absent, untitled, repeated = np.split(picked, np.cumsum(faults)[:-1])
    lines: list[bytes] = []
    for i, product in enumerate(products):
        entry = _item(product, domain, random)
        if i in absent:
            continue
        if i in untitled:
            entry |= {"title": ""}
        if i in repeated:
            lines.append(orjson.dumps(entry | {"title": "", "brand": ""}))
        lines.append(orjson.dumps(entry))
    return _with_cut_lines(lines, config.malformed_items, random)


def _with_cut_lines(lines: list[bytes], count: int, random: np.random.Generator) -> list[bytes]:
    """Add copies of some lines, cut in the middle, each before its whole line."""
    cut = set(random.choice(len(lines), count, replace=False).tolist())
    return [
        piece
        for i, line in enumerate(lines)
        for piece in ([line[: len(line) // 2], line] if i in cut else [line])
    ]


def _review(purchase: Purchase, world: World, random: np.random.Generator) -> dict[str, Any]:
    product = world.products[purchase.domain][purchase.product]
    to_taste = _is_to_taste(purchase, world)
    rating = _rating(purchase, world, random)
    style, other_style = random.permutation(world.liked[purchase.user_id])
    words = _words(product) | {"style": str(style), "other_style": str(other_style)}
    sentences = (random.choice(PRAISE if to_taste else GRUMBLE), random.choice(STYLE_TALK))
    entry = {
        "overall": float(rating),
        "verified": bool(random.random() < 0.9),
        "reviewerID": purchase.user_id,
        "asin": product.asin,
        "reviewerName": str(random.choice(NAMES)),
        "reviewText": " ".join(str(sentence).format(**words) for sentence in sentences),
        "summary": str(random.choice(SUMMARIES[rating - 1])).format(**words),
    }
    return _timed(entry, purchase.time)


def _rating(purchase: Purchase, world: World, random: np.random.Generator) -> int:
    """Mostly by whether the product's style is one that the user likes, in either domain."""
    product = world.products[purchase.domain][purchase.product]
    mean = 2.2 + 0.4 * _is_to_taste(purchase, world)
    mean += 1.9 * (product.style in world.liked[purchase.user_id])
    return int(np.clip(round(random.normal(mean, 0.5)), 1, 5))


def _is_to_taste(purchase: Purchase, world: World) -> bool:
    product = world.products[purchase.domain][purchase.product]
    weights = zip(themes(), world.affinities[purchase.user_id], strict=True)
    return sum(weight for (taste, _), weight in weights if taste is product.taste) > 0


def _timed(entry: dict[str, Any], time: int) -> dict[str, Any]:
    day = datetime.fromtimestamp(time, tz=UTC)
    return entry | {
        "reviewTime": f"{day.month:02d} {day.day}, {day.year}",
        "unixReviewTime": time,
    }


def _item(product: Product, domain: int, random: np.random.Generator) -> dict[str, Any]:
    words = _words(product)
    title = html.escape(product.title, quote=False)
    if random.random() < _BOLD_TITLES:
        title = title.replace(product.name.split()[0], f"<b>{product.name.split()[0]}</b>", 1)
    return {
        "category": [html.escape(DEPARTMENTS[domain]), product.taste.aisles[domain]],
        "description": [
            str(random.choice(DESCRIPTIONS)).format(**words),
            STYLE_DESCRIPTION.format(style=product.style),
        ],
        "title": title,
        "brand": html.escape(product.brand),
        "price": f"${random.integers(3, 60)}.{random.choice(['49', '95', '99'])}",
        "also_buy": [],
        "main_cat": DEPARTMENTS[domain].split(" & ")[0],
        "asin": product.asin,
    }


def _words(product: Product) -> dict[str, str]:
    return {
        "taste": product.taste.name,
        "theme": product.theme.name,
        "product": product.name,
        "brand": product.brand,
    }
