"""Leave-one-out: a user's last interaction tests, the one before validates, the rest trains.

The history of a case holds every domain: nobody is cold. The test case shows the validation
label, which by then has happened, but no model trains on it.
"""

import polars as pl

from pipeline.catalog import Split
from pipeline.prepare.sequence_rows import case_rows, training_rows

LEAST = 3
"""Interactions of a user with cases; users with fewer only train."""


def leave_one_out(events: pl.DataFrame, split: Split) -> pl.DataFrame:
    """Rows of sequence_rows.ROW from events in time order, one user's beside each other.

    Where `split.newest` is set, each user is first cut to as many newest interactions.
    """
    numbered = events.with_columns(
        # 0 is the user's last interaction.
        pl.int_range(pl.len()).reverse().over("user").alias("later"),
        pl.len().over("user").alias("size"),
    )
    if split.newest is not None:
        numbered = numbered.filter(pl.col("later") < split.newest)
    tried = numbered.filter(pl.col("size") >= LEAST)
    past = tried.filter(pl.col("later") >= 2)
    return pl.concat(
        [
            training_rows(numbered.filter((pl.col("size") < LEAST) | (pl.col("later") >= 2))),
            case_rows("valid", past, tried.filter(later=1)),
            case_rows("test", tried.filter(pl.col("later") >= 1), tried.filter(later=0)),
        ]
    )
