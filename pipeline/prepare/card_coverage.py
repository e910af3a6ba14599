"""How much of a domain's interactions and items comes with text, images and so on.

Reviews and items are read in batches, so that no text stays in memory. Identities are kept as
64-bit hashes: among 100 million, two that agree by chance are not to be expected.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from pipeline.prepare.card_labels import ALL, Values
from pipeline.store import Store

_EVENT = ["user_id", "item_id", "timestamp", "behaviour"]
_FIELDS = ("title", "category", "brand", "description", "price", "image_urls")
_COUNTS = {"share_with_text": "rows", "share_verified": "says_verified"}
_COUNTS |= {f"share_with_{field}": "items" for field in _FIELDS}


@dataclass(frozen=True, kw_only=True)
class _Coverage:
    """Of one domain. `having` counts by statistic, `of` counts what each is a share of."""

    rows_before: int
    users_before: pl.Series  # hashes, distinct
    items_before: int
    having: dict[str, int]
    of: dict[str, int]


def measure_coverage(interactions: pl.DataFrame, domains: tuple[str, ...], store: Store) -> Values:
    """Numbers before the filters; shares of the kept interactions and of their items.

    Raises ValueError where reviews lack an interaction: one of the tables is out of date.
    """
    covered = {domain: _coverage(interactions, domain, store) for domain in domains}
    values: Values = {}
    for domain, coverage in covered.items():
        values |= _before(domain, [coverage]) | _shares(domain, [coverage])
    every = list(covered.values())
    return values | _before(ALL, every) | _shares(ALL, every)


def _coverage(interactions: pl.DataFrame, domain: str, store: Store) -> _Coverage:
    kept = interactions.filter(domain=domain)
    events = _hashes(kept.select(_EVENT))
    users, items = [pl.Series(dtype=pl.UInt64)], [pl.Series(dtype=pl.UInt64)]
    rows, matched = 0, {"rows": 0, "share_with_text": 0, "says_verified": 0, "share_verified": 0}
    for batch in store.read_batches(f"reviews/{domain}", [*_EVENT, "text", "verified"]):
        frame = _without_texts(batch)
        rows += frame.height
        users.append(frame["user_id"].hash().unique())
        items.append(frame["item_id"].hash().unique())
        ours = frame.filter(_among(frame.select(_EVENT), events))
        matched["rows"] += ours.height
        matched["share_with_text"] += int(ours["has_text"].sum())
        matched["says_verified"] += int(ours["verified"].count())
        matched["share_verified"] += int(ours["verified"].sum())
    if matched["rows"] < kept.height:
        raise ValueError(
            f"reviews/{domain} has {matched['rows']} of the {kept.height} interactions of the "
            "scenario: they were made of other reviews. Materialize interactions again"
        )
    ids = kept.select("item_id").unique()
    return _Coverage(
        rows_before=rows,
        users_before=pl.concat(users).unique(),
        items_before=pl.concat(items).n_unique(),
        having=matched | _described(domain, _hashes(ids), store),
        of=matched | {"items": ids.height},
    )


def _described(domain: str, ids: np.ndarray, store: Store) -> dict[str, int]:
    """How many of the items have each of the metadata's fields."""
    having = {f"share_with_{field}": 0 for field in _FIELDS}
    for batch in store.read_batches(f"items/{domain}", ["item_id", *_FIELDS]):
        frame = pl.DataFrame(pl.from_arrow(batch))
        ours = frame.filter(_among(frame.select("item_id"), ids))
        for field in _FIELDS[:-1]:
            having[f"share_with_{field}"] += int(ours[field].count())
        having["share_with_image_urls"] += int((ours["image_urls"].list.len() > 0).sum())
    return having


def _without_texts(batch: pa.RecordBatch) -> pl.DataFrame:
    has_text = batch.column("text").is_valid()
    narrow = batch.drop_columns(["text"]).append_column("has_text", has_text)
    return pl.DataFrame(pl.from_arrow(narrow))


def _hashes(rows: pl.DataFrame) -> np.ndarray:
    """Of each row one, distinct and ascending, for `_among`."""
    return rows.hash_rows().unique().sort().to_numpy()


def _among(rows: pl.DataFrame, hashes: np.ndarray) -> pl.Series:
    """Which rows have one of the hashes."""
    own = rows.hash_rows().to_numpy()
    if not len(hashes):
        return pl.Series(np.zeros(len(own), dtype=bool))
    order = np.argsort(own)  # ascending needles walk through the hashes once, cache by cache
    places = np.minimum(np.searchsorted(hashes, own[order]), len(hashes) - 1)
    found = np.empty(len(own), dtype=bool)
    found[order] = hashes[places] == own[order]
    return pl.Series(found)


def _before(domain: str, parts: list[_Coverage]) -> Values:
    users = pl.concat([part.users_before for part in parts])
    return {
        (domain, "reviews_before"): sum(part.rows_before for part in parts),
        (domain, "users_before"): users.n_unique(),
        (domain, "items_before"): sum(part.items_before for part in parts),
    }


def _shares(domain: str, parts: list[_Coverage]) -> Values:
    """Shares whose whole is not empty."""
    wholes = {name: sum(part.of[whole] for part in parts) for name, whole in _COUNTS.items()}
    return {
        (domain, name): sum(part.having[name] for part in parts) / whole
        for name, whole in wholes.items()
        if whole
    }
