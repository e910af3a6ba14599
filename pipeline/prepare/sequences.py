"""Interactions become one sequence for each user, cut for the inter-domain task of LGCD.

A training user keeps everything. A validation or test user keeps only what came before the
last item and lies in another domain than it: that item is the label, its domain the target,
and the user is cold there (LGCD, section 4.1.1). What is hidden is not written at all.

Rows are shuffled by a seeded permutation: in released files neighbouring rows share items,
so their order carries signal that no model may use.
"""

import numpy as np
import polars as pl

from pipeline.catalog import Scenario
from pipeline.columns import PARTS, SEQUENCES
from pipeline.outcome import Fact, Outcome
from pipeline.prepare.leaks import check_no_leak
from pipeline.prepare.splits import assign_parts
from pipeline.store import Store


def build_sequences(scenario: Scenario, store: Store) -> Outcome:
    """Write `sequences/<scenario>`. ValueError on a leak or an empty part."""
    item_domain = _item_domain(scenario, store)
    whole = assign_parts(_whole_sequences(scenario, store, item_domain), scenario)
    training = whole.filter(pl.col("part").is_in(["single", "overlap"])).with_columns(
        pl.lit(None, dtype=pl.String).alias("target_domain"),
        pl.lit(None, dtype=pl.Int32).alias("label"),
    )
    cold = _cut_cold(whole.filter(pl.col("part").is_in(["valid", "test"])), item_domain)
    columns = ["user_id", "part", "items", "target_domain", "label"]
    sequences = _shuffle(
        pl.concat([training.select(columns), cold.select(columns)]), scenario.split.seed
    )
    check_no_leak(sequences, item_domain, scenario.name)
    artifact = store.write_table(f"sequences/{scenario.name}", SEQUENCES, sequences.to_arrow())
    return Outcome(
        artifact=artifact,
        facts=_facts(sequences),
        preview=sequences.select(
            "user", "part", pl.col("items").list.len().alias("items"), "target_domain"
        )
        .head(8)
        .to_arrow(),
    )


def _item_domain(scenario: Scenario, store: Store) -> pl.DataFrame:
    columns = ["item", "domain", "item_id"]
    return pl.DataFrame(pl.from_arrow(store.read_table(f"vocabulary/{scenario.name}", columns)))


def _whole_sequences(scenario: Scenario, store: Store, item_domain: pl.DataFrame) -> pl.DataFrame:
    """One row a user: user_id, items in time order, number of domains, published part."""
    interactions = pl.DataFrame(pl.from_arrow(store.read_table(f"interactions/{scenario.name}")))
    return (
        interactions.join(
            _with_tie_break(item_domain, scenario), on=["domain", "item_id"], how="left"
        )
        .sort("user_id", "timestamp", "tie_break")
        .group_by("user_id", maintain_order=True)
        .agg("item", pl.col("domain").n_unique().alias("num_domains"), pl.col("part").first())
        .rename({"item": "items"})
    )


def _with_tie_break(item_domain: pl.DataFrame, scenario: Scenario) -> pl.DataFrame:
    """A random number for each item, to order what one user did at one time.

    Raw dumps give days, so ties are common; ordered by id, the second domain would come last
    and become the label far too often.
    """
    order = np.random.default_rng([scenario.split.seed, 1]).permutation(item_domain.height)
    return item_domain.with_columns(pl.Series("tie_break", order))


def _cut_cold(whole: pl.DataFrame, item_domain: pl.DataFrame) -> pl.DataFrame:
    """Label, target domain and visible history of users whose last item is held out."""
    labelled = whole.with_columns(
        pl.col("items").list.last().alias("label"),
        pl.col("items").list.head(pl.col("items").list.len() - 1).alias("item"),
    ).join(
        item_domain.select(pl.col("item").alias("label"), pl.col("domain").alias("target_domain")),
        on="label",
    )
    visible = (
        labelled.select("user_id", "target_domain", "item")
        .explode("item")
        .join(item_domain.select("item", "domain"), on="item", maintain_order="left")
        .filter(pl.col("domain") != pl.col("target_domain"))
        .group_by("user_id", maintain_order=True)
        .agg(pl.col("item").alias("items"))
    )
    cold = labelled.drop("item", "items").join(visible, on="user_id")
    if cold.height < whole.height:
        blank = whole.join(cold, on="user_id", how="anti")["user_id"][0]
        raise ValueError(
            f"evaluation user {blank!r} shows nothing outside the label's domain: move such users "
            "to the training part of the published split"
        )
    return cold


def _shuffle(sequences: pl.DataFrame, seed: int) -> pl.DataFrame:
    order = np.random.default_rng(seed).permutation(sequences.height)
    shuffled = sequences.sort("user_id")[order]
    return shuffled.select(
        pl.int_range(pl.len(), dtype=pl.Int32).alias("user"),
        "user_id",
        "part",
        pl.col("items").cast(pl.List(pl.Int32)),
        "target_domain",
        "label",
    )


def _facts(sequences: pl.DataFrame) -> dict[str, Fact]:
    facts: dict[str, Fact] = {}
    for part in PARTS:
        own = sequences.filter(part=part)
        facts[f"{part}_users"] = own.height
        facts[f"{part}_mean_length"] = round(own["items"].explode().len() / max(own.height, 1), 2)
    for domain in sequences["target_domain"].drop_nulls().unique().sort():
        own = sequences.filter(part="test", target_domain=domain)
        facts[f"test_users_to_{domain}"] = own.height
    return facts
