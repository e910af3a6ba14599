"""Reviews of a scenario's domains become one table of interactions: window and k-core."""

import polars as pl

from pipeline.catalog import Scenario
from pipeline.columns import INTERACTIONS
from pipeline.outcome import Fact, Outcome
from pipeline.prepare.kcore import k_core
from pipeline.store import Store


def build_interactions(scenario: Scenario, store: Store) -> Outcome:
    """Write `interactions/<scenario>`. ValueError where nothing or no shared user is left."""
    reviews = pl.concat(_reviews_of(domain, store) for domain in scenario.domains)
    windowed = _in_window(reviews, scenario)
    kept = k_core(windowed, scenario.filters.k_core)
    num_overlap = _num_overlap_users(kept)
    if num_overlap == 0:
        raise ValueError(_nothing_shared(scenario, reviews, windowed, kept))
    kept = kept.sort("user_id", "timestamp", "domain", "item_id")
    artifact = store.write_table(f"interactions/{scenario.name}", INTERACTIONS, kept.to_arrow())
    facts: dict[str, Fact] = {
        "reviews": reviews.height,
        "in_time_window": windowed.height,
        "in_k_core": kept.height,
        "users": kept["user_id"].n_unique(),
        "overlap_users": num_overlap,
        **{
            f"items_{domain}": kept.filter(domain=domain)["item_id"].n_unique()
            for domain in scenario.domains
        },
    }
    return Outcome(artifact=artifact, facts=facts)


def _reviews_of(domain: str, store: Store) -> pl.DataFrame:
    table = store.read_table(f"reviews/{domain}", ["user_id", "item_id", "timestamp", "part"])
    frame = pl.DataFrame(pl.from_arrow(table))
    return frame.select("user_id", pl.lit(domain).alias("domain"), "item_id", "timestamp", "part")


def _in_window(reviews: pl.DataFrame, scenario: Scenario) -> pl.DataFrame:
    start, end = scenario.filters.start, scenario.filters.end
    if start is not None:
        reviews = reviews.filter(pl.col("timestamp") >= start)
    if end is not None:
        reviews = reviews.filter(pl.col("timestamp") < end)
    return reviews


def _num_overlap_users(interactions: pl.DataFrame) -> int:
    domains = interactions.group_by("user_id").agg(pl.col("domain").n_unique())
    return domains.filter(pl.col("domain") > 1).height


def _nothing_shared(
    scenario: Scenario, reviews: pl.DataFrame, windowed: pl.DataFrame, kept: pl.DataFrame
) -> str:
    shared = [_num_overlap_users(frame) for frame in (reviews, windowed, kept)]
    return (
        f"scenario {scenario.name!r}: no user is active in both {' and '.join(scenario.domains)} "
        f"(shared users: {shared[0]} in the reviews, {shared[1]} in the time window, {shared[2]} "
        f"in the {scenario.filters.k_core}-core). Check that the domains come from the same "
        "release and that user and item columns are not swapped, or widen "
        f"scenario.{scenario.name}.filters"
    )
