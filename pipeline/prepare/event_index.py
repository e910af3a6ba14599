"""Numbers looked up by (user, item), by the million: what the leak checks hold tables against."""

from dataclasses import dataclass

import numpy as np
import polars as pl

_STRIDE = 2**31  # beyond every item, which is an int32

NEVER = np.iinfo(np.int64).max
"""What an unknown pair has for a value: later than everything."""


@dataclass(frozen=True, kw_only=True)
class EventIndex:
    """The least value of each pair of a user (or user and behaviour) and an item."""

    keys: np.ndarray  # int64, sorted
    values: np.ndarray  # int64

    def find(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """The pairs' values; NEVER where a pair is not known."""
        if not len(self.keys):
            return np.full(len(users), NEVER)
        keys = users.astype(np.int64) * _STRIDE + items
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[at] == keys, self.values[at], NEVER)


def index_events(users: pl.Series, items: pl.Series, values: pl.Series) -> EventIndex:
    pairs = pl.DataFrame(
        {
            "key": users.cast(pl.Int64) * _STRIDE + items.cast(pl.Int64),
            "value": values.cast(pl.Int64),
        }
    )
    least = pairs.group_by("key").agg(pl.col("value").min()).sort("key")
    return EventIndex(keys=least["key"].to_numpy(), values=least["value"].to_numpy())


def event_users(rows: pl.DataFrame, events: pl.DataFrame, where: str) -> np.ndarray:
    """The users of `rows` as `events` numbers them. ValueError where one is not known."""
    known = events.select("user_id", pl.col("user").alias("of_events")).unique("user_id")
    found = rows.select("user_id").join(known, on="user_id", how="left", maintain_order="left")
    unknown = found.filter(pl.col("of_events").is_null())
    if unknown.height:
        raise ValueError(f"{where}: user {unknown['user_id'][0]!r} has no interaction")
    return found["of_events"].to_numpy()
