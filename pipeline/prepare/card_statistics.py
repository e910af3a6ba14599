"""How each statistic of a dataset card is measured."""

from datetime import UTC, datetime
from typing import Any

import polars as pl

from pipeline.prepare.card_labels import ALL, Values

MOST_PAIRED = 12
"""Domains; of more, no matrix of shared users is made."""

MOST_RATINGS = 20
"""Different ratings; where there are more, ten equal ranges are counted."""


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


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
