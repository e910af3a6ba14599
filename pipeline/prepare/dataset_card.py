"""The dataset card of a scenario: what its data holds, in a table, in Markdown and in figures."""

import numpy as np
import polars as pl
import pyarrow as pa

from pipeline.catalog import Catalog, Scenario
from pipeline.outcome import Fact, Outcome
from pipeline.prepare import card_plots
from pipeline.prepare.card_coverage import measure_coverage
from pipeline.prepare.card_labels import ALL, Values, describe, in_order, printed
from pipeline.prepare.card_statistics import (
    measure_interactions,
    plausible,
    rating_counts,
    with_times,
)
from pipeline.prepare.card_text import (
    card,
    comparison_table,
    remarks_on,
    shared_table,
    statistics_table,
)
from pipeline.prepare.published_statistics import PublishedStatistics, published_statistics
from pipeline.store import Store

DATASET_CARD = pa.schema(
    [
        pa.field("domain", pa.string(), nullable=False),  # a domain's name, or "all"
        pa.field("statistic", pa.string(), nullable=False),  # see card_labels.STATISTICS
        pa.field("value", pa.float64(), nullable=False),
        pa.field("published", pa.float64()),  # what the source says; null where it says nothing
    ]
)

_HEADLINES = ("users", "items", "interactions", "overlap_users", "density")


def build_dataset_card(scenario: Scenario, catalog: Catalog, store: Store) -> Outcome:
    """Write `dataset_card/<scenario>` as a table and as Markdown.

    Raises ValueError where `scenario.statistics` is no known name, a domain is called "all",
    nothing was kept, or interactions and reviews do not belong together.
    """
    published = published_statistics(scenario.statistics) if scenario.statistics else None
    if ALL in scenario.domains:
        raise ValueError(
            f"scenario {scenario.name!r}: a domain is called {ALL!r}, which the dataset card needs "
            "for all of them together; rename it"
        )
    interactions = pl.DataFrame(pl.from_arrow(store.read_table(f"interactions/{scenario.name}")))
    if interactions.is_empty():
        raise ValueError(
            f"interactions/{scenario.name} is empty: widen scenario.{scenario.name}.filters"
        )
    values = measure_interactions(interactions, scenario.domains)
    values |= measure_coverage(interactions, scenario.domains, store)
    compared, left_out = _comparable(published, scenario)
    tables = _tables(scenario.domains, values, compared)
    key = f"dataset_card/{scenario.name}"
    artifact = store.write_table(key, DATASET_CARD, _rows(scenario.domains, values, compared))
    text = card(scenario, catalog, tables, remarks_on(published, left_out))
    store.write_text(key, ".md", text)
    return Outcome(
        artifact=artifact,
        facts=_facts(values, compared),
        tables=tables,
        plots=_plots(interactions, scenario.domains),
    )


def _comparable(
    published: PublishedStatistics | None, scenario: Scenario
) -> tuple[Values, list[str]]:
    """The published values that the scenario has a counterpart to, and why others have none."""
    if published is None:
        return {}, []
    missing = [domain for domain in published.domains if domain not in scenario.domains]
    extra = [domain for domain in scenario.domains if domain not in published.domains]
    # Without domains of their own the published totals are of all that there is.
    same = not published.domains or not (missing or extra)
    left_out = [
        f"Left out: published statistics of {domain!r}, no domain here." for domain in missing
    ]
    if not same and any(domain == ALL for domain, _ in published.values):
        left_out.append("Left out: published totals, which are of other domains together.")
    values = {
        (domain, statistic): value
        for (domain, statistic), value in published.values.items()
        if (domain in scenario.domains or (domain == ALL and same))
        and _other(statistic) not in missing
    }
    return values, left_out


def _other(statistic: str) -> str | None:
    """The second domain of a statistic of two."""
    key, _, other = statistic.partition(":")
    return other if key == "shared_users" else None


def _rows(domains: tuple[str, ...], values: Values, compared: Values) -> pa.Table:
    """DATASET_CARD, by domain in the scenario's order and statistic in the card's."""
    rows = []
    for name in (*domains, ALL):
        for statistic in in_order(key for domain, key in values if domain == name):
            theirs = compared.get((name, statistic))
            if theirs is None and (other := _other(statistic)):
                theirs = compared.get((other, f"shared_users:{name}"))
            rows.append((name, statistic, float(values[name, statistic]), theirs))
    columns = zip(*rows, strict=True)
    return pa.table([*columns], schema=DATASET_CARD)


def _tables(domains: tuple[str, ...], values: Values, compared: Values) -> dict[str, str]:
    several = len(domains) > 1
    tables = {"Statistics": statistics_table(values, (*domains, ALL) if several else domains)}
    if any(_other(statistic) for _, statistic in values):
        tables["Shared users"] = shared_table(values, domains)
    if compared:
        tables["Here and published"] = comparison_table(values, compared)
    return tables


def _facts(values: Values, compared: Values) -> dict[str, Fact]:
    facts: dict[str, Fact] = {key: int(values[ALL, key]) for key in _HEADLINES}
    facts["density"] = float(f"{values[ALL, 'density']:.4g}")
    if compared:
        same = sum(
            key in values
            and printed(values[key], describe(key[1]).kind)
            == printed(theirs, describe(key[1]).kind)
            for key, theirs in compared.items()
        )
        facts["as_published"] = f"{same} of {len(compared)} statistics"
    return facts


def _plots(interactions: pl.DataFrame, domains: tuple[str, ...]) -> dict[str, bytes]:
    """Figures by title; of times and ratings only where there are some."""
    lengths = _by_domain(interactions.group_by("domain", "user_id").len(), "len", domains)
    counts = _by_domain(interactions.group_by("domain", "item_id").len(), "len", domains)
    plots = {
        "Interactions of users": card_plots.sequence_lengths(lengths),
        "Interactions of items": card_plots.item_popularity(counts),
    }
    timed = with_times(interactions).filter(plausible(pl.col("timestamp")))
    if timed.height:
        days = timed.select("domain", day=pl.from_epoch(pl.col("timestamp") // 86_400, "d"))
        plots["Interactions over time"] = card_plots.over_time(_by_domain(days, "day", domains))
    ratings = rating_counts(interactions)
    if ratings.height:
        histograms = {
            domain: dict(ratings.filter(domain=domain).select("rating", "count").iter_rows())
            for domain in domains
        }
        plots["Ratings"] = card_plots.rating_histogram(histograms)
    return plots


def _by_domain(frame: pl.DataFrame, column: str, domains: tuple[str, ...]) -> dict[str, np.ndarray]:
    return {domain: frame.filter(domain=domain)[column].to_numpy() for domain in domains}
