"""What a dataset card counts: names of the statistics, and how each is measured."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
import polars as pl

ALL = "all"
"""The name of all domains of a scenario together."""

MOST_PAIRED = 12
"""Domains; of more, no matrix of shared users is made."""

MOST_RATINGS = 20
"""Different ratings; where there are more, ten equal ranges are counted."""

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


def measure_interactions(interactions: pl.DataFrame, domains: tuple[str, ...]) -> Values:
    """All statistics that the table of interactions answers by itself; it may not be empty."""
    users = interactions.group_by("domain", "user_id").len("count")
    items = interactions.group_by("domain", "item_id").len("count")
    people = users.group_by("user_id").agg(pl.col("count").sum(), pl.col("domain").len())
    shared = users.join(people.filter(pl.col("domain") > 1), on="user_id", how="semi")
    values: Values = {(ALL, "overlap_users"): shared["user_id"].n_unique()}
    values |= _shape(ALL, people["count"], items["count"])
    for domain in domains:
        lengths = users.filter(domain=domain)["count"]
        values |= _shape(domain, lengths, items.filter(domain=domain)["count"])
        values[domain, "overlap_users"] = shared.filter(domain=domain).height
    if 1 < len(domains) <= MOST_PAIRED:
        values |= _pairs(shared, domains)
    values |= _days(interactions)
    values |= _ratings(interactions)
    for column in ("behaviour", "part"):
        values |= _groups(interactions, column)
    return values


def _shape(domain: str, lengths: pl.Series, counts: pl.Series) -> Values:
    """Of numbers of interactions by user, and by item."""
    total = int(lengths.sum())
    measured: dict[str, Any] = {
        "interactions": total,
        "users": len(lengths),
        "items": len(counts),
        "density": _ratio(total, len(lengths) * len(counts)),
        "sequence_length_mean": lengths.mean(),
        "sequence_length_median": lengths.median(),
        "sequence_length_p95": lengths.quantile(0.95, "linear"),
        "sequence_length_max": lengths.max(),
        "share_users_with_one": _ratio(int((lengths == 1).sum()), len(lengths)),
        "item_count_mean": counts.mean(),
        "item_count_median": counts.median(),
        "item_count_max": counts.max(),
    }
    # Of a domain that the filters emptied there is no mean.
    return {(domain, key): float(value) for key, value in measured.items() if value is not None}


def _pairs(shared: pl.DataFrame, domains: tuple[str, ...]) -> Values:
    """Users of each two domains, in both orders; `shared` has domain and user_id."""
    pairs = shared.select("domain", "user_id").join(shared, on="user_id")
    counts = pairs.group_by("domain", "domain_right").len()
    found = {(one, other): count for one, other, count in counts.iter_rows()}
    return {
        (one, f"shared_users:{other}"): found.get((one, other), 0)
        for one in domains
        for other in domains
        if one != other
    }


def with_times(interactions: pl.DataFrame) -> pl.DataFrame:
    """Rows of the domains whose timestamps are times, not positions in a sequence.

    A domain's median must lie between 1995 and 2100: one wrong time among true ones shall show
    in the card, not hide the others.
    """
    median = pl.col("timestamp").median().over("domain")
    return interactions.filter(plausible(median))


def plausible(seconds: pl.Expr) -> pl.Expr:
    """Is it a time that an interaction may have?"""
    lowest, highest = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (1995, 2100))
    return (seconds >= lowest) & (seconds < highest)


def _days(interactions: pl.DataFrame) -> Values:
    timed = with_times(interactions)
    day = pl.col("timestamp") // 86_400
    ends = timed.group_by("domain").agg(day.min().alias("first"), day.max().alias("last"))
    values: Values = {}
    for domain, first, last in ends.iter_rows():
        values |= {(domain, "first_day"): first, (domain, "last_day"): last}
    if ends.height:
        whole = ends.select(pl.col("first").min(), pl.col("last").max()).row(0)
        values |= {(ALL, "first_day"): whole[0], (ALL, "last_day"): whole[1]}
    return values


def rating_counts(interactions: pl.DataFrame) -> pl.DataFrame:
    """(domain, rating, count), sorted; `rating` is the lower end of a range where they are many."""
    rated = interactions.select("domain", pl.col("rating").cast(pl.Float64)).drop_nulls("rating")
    rating = pl.col("rating")
    if rated["rating"].n_unique() > MOST_RATINGS:
        lowest, highest = rated.select(rating.min(), rating.max().alias("highest")).row(0)
        width = (highest - lowest) / 10
        step = ((rating - lowest) / width).floor().clip(0, 9)
        rated = rated.with_columns(rating=lowest + step * width)
    return rated.group_by("domain", "rating").len("count").sort("domain", "rating")


def _ratings(interactions: pl.DataFrame) -> Values:
    rating = pl.col("rating").cast(pl.Float64)
    totals = [rating.mean().alias("mean"), rating.count().alias("rated"), pl.len().alias("rows")]
    by_domain = interactions.group_by("domain").agg(totals)
    whole = interactions.select(pl.lit(ALL).alias("domain"), *totals)
    values: Values = {}
    for domain, mean, rated, rows in [*by_domain.iter_rows(), *whole.iter_rows()]:
        if rated:
            values |= {(domain, "share_rated"): rated / rows, (domain, "rating_mean"): mean}
    ranged = interactions["rating"].drop_nulls().n_unique() > MOST_RATINGS
    key = "ratings_from" if ranged else "ratings"
    for domain, low, count in rating_counts(interactions).iter_rows():
        statistic = f"{key}:{low:g}"
        values[domain, statistic] = count
        values[ALL, statistic] = values.get((ALL, statistic), 0) + count
    return values


def _groups(interactions: pl.DataFrame, column: str) -> Values:
    """Interactions and users of each behaviour or published part."""
    named = interactions.drop_nulls(column)
    numbers = [pl.len(), pl.col("user_id").n_unique()]
    by_domain = named.group_by("domain", column).agg(numbers)
    whole = named.group_by(column).agg(numbers).select(pl.lit(ALL).alias("domain"), pl.all())
    values: Values = {}
    for domain, of, rows, users in [*by_domain.iter_rows(), *whole.iter_rows()]:
        values[domain, f"interactions_of_{column}:{of}"] = rows
        values[domain, f"users_of_{column}:{of}"] = users
    return values


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


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
