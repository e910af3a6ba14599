"""Interactions become sequences, cut into what trains and what is asked as the split says.

Rows are shuffled by a seeded permutation: in released files neighbouring rows share items,
so their order carries signal that no model may use.
"""

import numpy as np
import polars as pl

from pipeline.catalog import Scenario
from pipeline.columns import PARTS, SEQUENCES
from pipeline.outcome import Fact, Outcome
from pipeline.prepare.events import read_events
from pipeline.prepare.global_time import Cuts, find_cuts, split_by_time
from pipeline.prepare.leaks import check_no_leak
from pipeline.prepare.leave_one_out import leave_one_out
from pipeline.prepare.splits import split_by_user
from pipeline.prepare.time_leaks import check_times
from pipeline.store import Store


def build_sequences(scenario: Scenario, store: Store) -> Outcome:
    """Write `sequences/<scenario>`. ValueError on a leak or an empty part."""
    item_domain = _item_domain(scenario, store)
    events = read_events(scenario, store)
    cuts = find_cuts(events, scenario) if scenario.split.kind == "global-time" else None
    sequences = _shuffle(_split(events, cuts, scenario), scenario.split.seed)
    check_no_leak(sequences, item_domain, scenario)
    if cuts is not None:
        check_times(sequences, events, cuts, scenario)
    artifact = store.write_table(f"sequences/{scenario.name}", SEQUENCES, sequences.to_arrow())
    return Outcome(
        artifact=artifact,
        facts=_facts(sequences) | _tie_facts(sequences, events) | _time_facts(events, cuts),
        preview=sequences.select(
            "user", "part", pl.col("items").list.len().alias("items"), "target_domain"
        )
        .head(8)
        .to_arrow(),
    )


def _item_domain(scenario: Scenario, store: Store) -> pl.DataFrame:
    table = store.read_table(f"vocabulary/{scenario.name}", ["item", "domain"])
    return pl.DataFrame(pl.from_arrow(table))


def _split(events: pl.DataFrame, cuts: Cuts | None, scenario: Scenario) -> pl.DataFrame:
    if cuts is not None:
        return split_by_time(events, cuts, scenario)
    if scenario.split.kind == "leave-one-out":
        return leave_one_out(events, scenario.split)
    return split_by_user(events, scenario)


def _shuffle(sequences: pl.DataFrame, seed: int) -> pl.DataFrame:
    order = np.random.default_rng(seed).permutation(sequences.height)
    shuffled = sequences.sort("user_id", "part")[order]
    return shuffled.select(
        pl.int_range(pl.len(), dtype=pl.Int32).alias("user"),
        "user_id",
        "part",
        pl.col("items").cast(pl.List(pl.Int32)),
        "target_domain",
        "label",
    )


def _facts(sequences: pl.DataFrame) -> dict[str, Fact]:
    facts: dict[str, Fact] = {"users": sequences["user_id"].n_unique()}
    for part in PARTS:
        own = sequences.filter(part=part)
        facts[f"{part}_users"] = own.height
        facts[f"{part}_mean_length"] = round(own["items"].explode().len() / max(own.height, 1), 2)
    for domain in sequences["target_domain"].drop_nulls().unique().sort():
        own = sequences.filter(part="test", target_domain=domain)
        facts[f"test_users_to_{domain}"] = own.height
    trained = sequences.filter(pl.col("label").is_null())["items"].explode().unique().implode()
    for part in ("valid", "test"):
        labels = sequences.filter(part=part)["label"]
        facts[f"{part}_labels_unseen_in_training"] = int((~labels.is_in(trained)).sum())
    return facts


def _tie_facts(sequences: pl.DataFrame, events: pl.DataFrame) -> dict[str, Fact]:
    """How much stands in random order, because its user did something else at the same time."""
    same = pl.struct("user_id", "timestamp")
    tied = events.filter((same == same.shift(1)) | (same == same.shift(-1)))
    cases = sequences.filter(part="test").select("user_id", pl.col("label").alias("item"))
    return {
        "tied_interactions": tied.height,
        "tied_test_labels": cases.join(tied, on=["user_id", "item"], how="semi").height,
    }


def _time_facts(events: pl.DataFrame, cuts: Cuts | None) -> dict[str, Fact]:
    if cuts is None:
        return {}
    time = events["timestamp"]
    return {
        "valid_from": cuts.valid,
        "test_from": cuts.test,
        "valid_interactions": int(((time >= cuts.valid) & (time < cuts.test)).sum()),
        "test_interactions": int((time >= cuts.test).sum()),
    }
