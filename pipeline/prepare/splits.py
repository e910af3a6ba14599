"""Who trains, who validates, who tests: every user gets one part."""

import numpy as np
import polars as pl

from pipeline.catalog import Scenario
from pipeline.columns import PARTS


def assign_parts(sequences: pl.DataFrame, scenario: Scenario) -> pl.DataFrame:
    """Set column `part` of a frame with user_id, num_domains and the published part.

    Random split: overlap users are permuted by the split's seed; the first shares validate
    and test, the others and all single-domain users train.
    """
    if scenario.split.kind == "published":
        return _published(sequences, scenario)
    single = sequences.filter(pl.col("num_domains") == 1)
    overlap = sequences.filter(pl.col("num_domains") > 1).sort("user_id")
    order = np.random.default_rng(scenario.split.seed).permutation(overlap.height)
    num_valid = round(scenario.split.valid * overlap.height)
    num_test = round(scenario.split.test * overlap.height)
    part = np.full(overlap.height, "overlap", dtype=object)
    part[order[:num_valid]] = "valid"
    part[order[num_valid : num_valid + num_test]] = "test"
    return pl.concat(
        [
            single.with_columns(pl.lit("single").alias("part")),
            overlap.with_columns(pl.Series("part", part.tolist(), dtype=pl.String)),
        ]
    )


def _published(sequences: pl.DataFrame, scenario: Scenario) -> pl.DataFrame:
    wrong = sequences.filter(pl.col("part").is_null() | ~pl.col("part").is_in(PARTS))
    if wrong.height:
        raise ValueError(
            f"scenario {scenario.name!r} asks for the published split, but user "
            f"{wrong['user_id'][0]!r} has part {wrong['part'][0]!r}; allowed: {', '.join(PARTS)}. "
            f"Set scenario.{scenario.name}.split.kind = 'random' for data without one"
        )
    return sequences
