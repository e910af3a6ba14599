"""Evaluation candidates, drawn once for each scenario and seed and shared by every system.

Two pools (columns.POOLS): negatives from the label's own domain, the primary reading of
LGCD's protocol and what LLMCDSR's evaluator does, and from all domains. The label is left out;
items of the user's own history may be negatives, as in LLMCDSR's evaluator, unless the scenario
asks for unseen ones, as ABXI's evaluator does. A pool with no more items than are asked for is
ranked whole.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl
import pyarrow as pa

from pipeline.catalog import Scenario
from pipeline.columns import CANDIDATES, POOLS
from pipeline.outcome import Outcome
from pipeline.store import Store

BATCH_CASES = 16_384
_POOL_STREAM = {"target": 0, "all": 1}  # keeps the draws of the two pools independent


def build_candidates(scenario: Scenario, store: Store) -> Outcome:
    """Write `candidates/<scenario>`. ValueError where a case is left without any negative."""
    sequences = pl.DataFrame(pl.from_arrow(store.read_table(f"sequences/{scenario.name}")))
    vocabulary = pl.DataFrame(
        pl.from_arrow(
            store.read_table(f"vocabulary/{scenario.name}", ["item", "domain", "item_id"])
        )
    )
    cold = sequences.filter(pl.col("label").is_not_null())
    if scenario.candidates.unseen:
        cases = _leave_out_seen(cold, vocabulary, scenario, store)
    else:
        cases = cold.with_columns(pl.concat_list("label").alias(pool) for pool in POOLS)
    items = {
        domain: vocabulary.filter(domain=domain)["item"].to_numpy() for domain in scenario.domains
    }
    artifact = store.write_table(
        f"candidates/{scenario.name}", CANDIDATES, _batches(cases, items, scenario)
    )
    return Outcome(
        artifact=artifact,
        facts={
            "users": cold["user_id"].n_unique(),
            "cases": cold.height,
            "seeds": len(scenario.candidates.seeds),
            "negatives": scenario.candidates.num_negatives,
            **{f"items_{domain}": len(own) for domain, own in items.items()},
        },
    )


def _leave_out_seen(
    cold: pl.DataFrame, vocabulary: pl.DataFrame, scenario: Scenario, store: Store
) -> pl.DataFrame:
    """Cases with a column for each pool: the user's items in it, whenever they were met."""
    columns = ["user_id", "domain", "item_id"]
    table = store.read_table(f"interactions/{scenario.name}", columns)
    seen = (
        pl.DataFrame(pl.from_arrow(table))
        .join(cold, on="user_id", how="semi")
        .join(vocabulary, on=["domain", "item_id"])
        .select("user_id", "domain", "item")
        .unique()
        .sort("user_id", "item")
    )
    everywhere = seen.group_by("user_id").agg(pl.col("item").alias("all"))
    own = seen.group_by("user_id", pl.col("domain").alias("target_domain")).agg(
        pl.col("item").alias("target")
    )
    return cold.join(own, on=["user_id", "target_domain"], how="left", maintain_order="left").join(
        everywhere, on="user_id", how="left", maintain_order="left"
    )


def _batches(
    cases: pl.DataFrame, items: dict[str, np.ndarray], scenario: Scenario
) -> Iterator[pa.RecordBatch]:
    """One for some thousand cases, since a million of them would not fit in memory."""
    everything = np.concatenate(list(items.values()))
    for pool in POOLS:
        for seed in scenario.candidates.seeds:
            generator = np.random.default_rng([seed, _POOL_STREAM[pool]])
            for some in cases.iter_slices(BATCH_CASES):
                negatives = [
                    draw_negatives(
                        items[domain] if pool == "target" else everything,
                        left_out,
                        scenario.candidates.num_negatives,
                        generator,
                    )
                    for domain, left_out in zip(
                        some["target_domain"], _arrays(some[pool]), strict=True
                    )
                ]
                _check_not_empty(negatives, some, pool, scenario)
                yield pa.RecordBatch.from_pydict(
                    {
                        "user": some["user"].to_list(),
                        "part": some["part"].to_list(),
                        "pool": [pool] * some.height,
                        "seed": [seed] * some.height,
                        "negatives": negatives,
                    },
                    schema=CANDIDATES,
                )


def draw_negatives(
    pool: np.ndarray, left_out: np.ndarray, count: int, generator: np.random.Generator
) -> np.ndarray:
    """`count` distinct items of `pool`, none of `left_out`; all others where there are no more.

    `left_out` holds distinct items of `pool`, among them the label.
    """
    if len(pool) - len(left_out) <= count:
        return pool[~np.isin(pool, left_out)]
    # So many spares are drawn that dropping what is left out still leaves enough.
    drawn = pool[generator.choice(len(pool), size=count + len(left_out), replace=False)]
    return drawn[~np.isin(drawn, left_out)][:count]


def _arrays(lists: pl.Series) -> list[np.ndarray]:
    ends = lists.list.len().cum_sum().to_numpy()
    return np.split(lists.explode().to_numpy(), ends[:-1])


def _check_not_empty(
    negatives: list[np.ndarray], cases: pl.DataFrame, pool: str, scenario: Scenario
) -> None:
    for row, drawn in enumerate(negatives):
        if not len(drawn):
            raise ValueError(
                f"scenario {scenario.name!r}: no negative is left for user "
                f"{cases['user_id'][row]!r} in pool {pool!r} (target domain "
                f"{cases['target_domain'][row]!r}): the domain has no item but the label"
                + (" and what the user had" if scenario.candidates.unseen else "")
            )
