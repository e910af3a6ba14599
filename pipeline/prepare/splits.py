"""Splits by user, for the inter-domain task of LGCD: who trains, who validates, who tests.

A training user keeps everything. A validation or test user keeps only what came before the
last item and lies in another domain than it: that item is the label, its domain the target,
and the user is cold there (LGCD, section 4.1.1). What is hidden is not written at all.
"""

import numpy as np
import polars as pl

from pipeline.catalog import Scenario
from pipeline.columns import PARTS
from pipeline.prepare.sequence_rows import ROW, TRAINING_PARTS, training_rows


def split_by_user(events: pl.DataFrame, scenario: Scenario) -> pl.DataFrame:
    """Rows of sequence_rows.ROW from events in time order, one user's beside each other.

    Events have a column `part`, of the published split. ValueError where an evaluation user
    was active in no domain but the label's.
    """
    users = events.group_by("user", maintain_order=True).agg(
        pl.col("user_id").first(),
        pl.col("domain").n_unique().alias("num_domains"),
        pl.col("part").first(),
    )
    parts = assign_parts(users, scenario).select("user", "user_id", "part")
    of_user = events.drop("part").join(parts.drop("user_id"), on="user", maintain_order="left")
    trains = pl.col("part").is_in(TRAINING_PARTS)
    # A published part stays what it is, though filters may have left its user one domain alone.
    training = training_rows(of_user.filter(trains)).drop("part").join(parts, on="user_id")
    return pl.concat([training.select(ROW), _cold_rows(of_user.filter(~trains))])


def assign_parts(users: pl.DataFrame, scenario: Scenario) -> pl.DataFrame:
    """Set column `part` of a frame with user_id, num_domains and the published part.

    Random split: overlap users are permuted by the split's seed; the first shares validate
    and test, the others and all single-domain users train.
    """
    if scenario.split.kind == "published":
        return _published(users, scenario)
    single = users.filter(pl.col("num_domains") == 1)
    overlap = users.filter(pl.col("num_domains") > 1).sort("user_id")
    order = np.random.default_rng(scenario.split.seed).permutation(overlap.height)
    num_valid = round(scenario.split.valid * overlap.height)
    num_test = round(scenario.split.test * overlap.height)
    _check_all_have_some(scenario, overlap.height, num_valid, num_test)
    part = np.full(overlap.height, "overlap", dtype=object)
    part[order[:num_valid]] = "valid"
    part[order[num_valid : num_valid + num_test]] = "test"
    return pl.concat(
        [
            single.with_columns(pl.lit("single").alias("part")),
            overlap.with_columns(pl.Series("part", part.tolist(), dtype=pl.String)),
        ]
    )


def _check_all_have_some(scenario: Scenario, num: int, num_valid: int, num_test: int) -> None:
    """ValueError where nobody would train, validate or test: nothing after it could say why."""
    if min(num_valid, num_test, num - num_valid - num_test) < 1:
        raise ValueError(
            f"scenario {scenario.name!r}: of {num} users of several domains {num_valid} would "
            f"validate, {num_test} test and {num - num_valid - num_test} train, and each needs one "
            f"at least: change scenario.{scenario.name}.split.valid = {scenario.split.valid} and "
            f"split.test = {scenario.split.test}, or keep more users by scenario."
            f"{scenario.name}.filters"
        )


def _published(users: pl.DataFrame, scenario: Scenario) -> pl.DataFrame:
    wrong = users.filter(pl.col("part").is_null() | ~pl.col("part").is_in(PARTS))
    if wrong.height:
        raise ValueError(
            f"scenario {scenario.name!r} asks for the published split, but user "
            f"{wrong['user_id'][0]!r} has part {wrong['part'][0]!r}; allowed: {', '.join(PARTS)}. "
            f"Set scenario.{scenario.name}.split.kind = 'random' for data without one"
        )
    return users


def _cold_rows(held_out: pl.DataFrame) -> pl.DataFrame:
    """Label, target domain and visible history of users whose last item is held out."""
    labelled = held_out.with_columns(
        pl.col("item").last().over("user").alias("label"),
        pl.col("domain").last().over("user").alias("target_domain"),
    )
    # The label is of the target domain itself, so it goes with what is hidden.
    visible = labelled.filter(pl.col("domain") != pl.col("target_domain"))
    blank = labelled.join(visible, on="user", how="anti")
    if blank.height:
        raise ValueError(
            f"evaluation user {blank['user_id'].min()!r} shows nothing outside the label's domain: "
            "move such users to the training part of the published split"
        )
    return (
        visible.group_by("user", maintain_order=True)
        .agg(
            pl.col("item").alias("items"),
            pl.col("user_id", "part", "target_domain", "label").first(),
        )
        .select(ROW)
    )
