"""What a dataset card counts: names of the statistics, their order, and how values are printed.

Free of Polars, because the report of a scenario reads stored cards where there is none.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

ALL = "all"
"""The name of all domains of a scenario together."""

Values = dict[tuple[str, str], float]
"""By domain, or ALL, and key of a statistic."""

Kind = Literal["count", "number", "share", "day"]


@dataclass(frozen=True, kw_only=True)
class Statistic:
    label: str
    kind: Kind = "count"


STATISTICS: dict[str, Statistic] = {
    "reviews_before": Statistic(label="interactions before the filters"),
    "users_before": Statistic(label="users before the filters"),
    "items_before": Statistic(label="items before the filters"),
    "interactions": Statistic(label="interactions"),
    "users": Statistic(label="users"),
    "items": Statistic(label="items"),
    "overlap_users": Statistic(label="users active in two domains or more"),
    "shared_users": Statistic(label="users shared with"),
    "density": Statistic(label="density: interactions / (users x items)", kind="share"),
    "sequence_length_mean": Statistic(label="interactions of a user, mean", kind="number"),
    "sequence_length_median": Statistic(label="interactions of a user, median", kind="number"),
    "sequence_length_p95": Statistic(label="interactions of a user, 95 % quantile", kind="number"),
    "sequence_length_max": Statistic(label="interactions of a user, most"),
    "share_users_with_one": Statistic(label="users with one interaction", kind="share"),
    "item_count_mean": Statistic(label="interactions of an item, mean", kind="number"),
    "item_count_median": Statistic(label="interactions of an item, median", kind="number"),
    "item_count_max": Statistic(label="interactions of an item, most"),
    "first_day": Statistic(label="first interaction (UTC)", kind="day"),
    "last_day": Statistic(label="last interaction (UTC)", kind="day"),
    "share_with_title": Statistic(label="items with title", kind="share"),
    "share_with_category": Statistic(label="items with category", kind="share"),
    "share_with_brand": Statistic(label="items with brand", kind="share"),
    "share_with_description": Statistic(label="items with description", kind="share"),
    "share_with_price": Statistic(label="items with price", kind="share"),
    "share_with_image_urls": Statistic(label="items with image URL", kind="share"),
    "share_with_text": Statistic(label="interactions with review text", kind="share"),
    "share_verified": Statistic(label="verified purchases, where the source says", kind="share"),
    "share_rated": Statistic(label="interactions with rating", kind="share"),
    "rating_mean": Statistic(label="rating, mean", kind="number"),
    "ratings": Statistic(label="ratings of"),
    "ratings_from": Statistic(label="ratings from"),
    "interactions_of_behaviour": Statistic(label="interactions of behaviour"),
    "users_of_behaviour": Statistic(label="users of behaviour"),
    "interactions_of_part": Statistic(label="interactions of published part"),
    "users_of_part": Statistic(label="users of published part"),
}
"""In the card's order. Some keys go on with ":" and a part, behaviour, rating or domain."""


def describe(statistic: str) -> Statistic:
    """How people call a statistic: "users_of_part:test" is "users of published part test"."""
    key, _, of = statistic.partition(":")
    known = STATISTICS[key]
    return Statistic(label=f"{known.label} {of}".strip(), kind=known.kind)


def in_order(statistics: Iterable[str]) -> list[str]:
    """Distinct keys in the card's order; of one key, numbers by size and names by alphabet."""
    ranks = {key: rank for rank, key in enumerate(STATISTICS)}

    def place(statistic: str) -> tuple[int, float, str]:
        key, _, of = statistic.partition(":")
        number = float(of) if key.startswith("ratings") else math.inf
        return ranks[key], number, of

    return sorted(set(statistics), key=place)


def printed(value: float, kind: Kind) -> str:
    """A value as people read it: 1,234 or 8.22 or 1.25 % or 2014-07-23."""
    match kind:
        case "count":
            return f"{value:,.0f}"
        case "number":
            return f"{value:,.2f}"
        case "share":
            return f"{100 * value:.4g} %"
        case "day":
            return str(np.datetime64(int(value), "D"))
