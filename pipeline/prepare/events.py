"""Interactions as all tables of tasks read them: dense items, in each user's order.

What one user did at one time is ordered by a seeded random number of each item: raw dumps give
days, so ties are common, and an order by id would carry signal. Histories are spans of one flat
array, never rows built one by one.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import polars as pl
import pyarrow as pa

from pipeline.catalog import Scenario, Split
from pipeline.store import Store

BATCH_ELEMENTS = 4_000_000
"""Items of histories in one record batch: 16 MB."""


def read_events(scenario: Scenario, store: Store) -> pl.DataFrame:
    """The scenario's interactions in each user's order, users by their id.

    Columns: user (int64, dense, 0-based), user_id, domain, item (int32, of the vocabulary),
    timestamp, rating, behaviour, part. ValueError where the vocabulary lacks an item.
    """
    interactions = pl.DataFrame(pl.from_arrow(store.read_table(f"interactions/{scenario.name}")))
    columns = ["item", "domain", "item_id"]
    table = store.read_table(f"vocabulary/{scenario.name}", columns)
    vocabulary = pl.DataFrame(pl.from_arrow(table)).sort("item")
    order = np.random.default_rng([scenario.split.seed, 1]).permutation(vocabulary.height)
    events = interactions.join(
        vocabulary.with_columns(pl.Series("tie_break", order)), on=["domain", "item_id"], how="left"
    )
    unknown = events.filter(pl.col("item").is_null()).sort("domain", "item_id")
    if unknown.height:
        raise ValueError(
            f"scenario {scenario.name!r}: item {unknown['item_id'][0]!r} of domain "
            f"{unknown['domain'][0]!r} is not in the vocabulary: materialize the vocabulary again"
        )
    events = events.sort("user_id", "timestamp", "tie_break", "behaviour", "rating", "part")
    return events.select(
        pl.col("user_id").rle_id().cast(pl.Int64).alias("user"),
        "user_id",
        "domain",
        "item",
        "timestamp",
        "rating",
        "behaviour",
        "part",
    )


def cut_points(timestamps: pl.Series, split: Split) -> tuple[int, int]:
    """When validation and when testing begin, so that these shares of the interactions follow.

    What happened at a cut belongs to the later part: with many ties it is larger than its share.
    """
    ordered = timestamps.sort()

    def latest(count: int) -> int:
        return int(ordered[-count]) if count else int(ordered[-1]) + 1

    num_test, num_valid = (round(share * len(ordered)) for share in (split.test, split.valid))
    return latest(num_test + num_valid), latest(num_test)


def span_indices(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Indices of the spans [start, start + length), one span after the other."""
    if not len(lengths):
        return np.empty(0, dtype=np.int64)
    ends = np.cumsum(lengths)
    return np.arange(ends[-1]) + np.repeat(starts - (ends - lengths), lengths)


def as_lists(values: np.ndarray, lengths: np.ndarray) -> pa.ListArray:
    """Flat values as lists of these lengths."""
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values))


def chunks(lengths: np.ndarray, most: int = BATCH_ELEMENTS) -> Iterator[slice]:
    """Neighbouring rows whose lists have some `most` elements together, or one longer row."""
    # Every row counts one element more, so that empty lists fill a chunk, too.
    reached = np.cumsum(lengths.astype(np.int64) + 1) // most
    cuts = np.flatnonzero(np.diff(reached)) + 1
    bounds = [0, *cuts.tolist(), len(lengths)]
    for start, end in pairwise(bounds):
        if end > start:
            yield slice(start, end)
