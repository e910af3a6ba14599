"""Evaluation candidates, drawn once for each scenario and seed and shared by every system.

Two pools (columns.POOLS): negatives from the label's own domain, the primary reading of
LGCD's protocol and what LLMCDSR's evaluator does, and from all domains. Only the label is
left out; items of the user's own history may be negatives, as in LLMCDSR's evaluator. A pool
with no more items than are asked for is ranked whole.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl
import pyarrow as pa

from pipeline.catalog import Scenario
from pipeline.columns import CANDIDATES, POOLS
from pipeline.outcome import Outcome
from pipeline.store import Store

_POOL_STREAM = {"target": 0, "all": 1}  # keeps the draws of the two pools independent


def build_candidates(scenario: Scenario, store: Store) -> Outcome:
    """Write `candidates/<scenario>`."""
    sequences = pl.DataFrame(pl.from_arrow(store.read_table(f"sequences/{scenario.name}")))
    cold = sequences.filter(pl.col("label").is_not_null())
    vocabulary = pl.DataFrame(
        pl.from_arrow(store.read_table(f"vocabulary/{scenario.name}", ["item", "domain"]))
    )
    items = {
        domain: vocabulary.filter(domain=domain)["item"].to_numpy() for domain in scenario.domains
    }
    artifact = store.write_table(
        f"candidates/{scenario.name}", CANDIDATES, _batches(cold, items, scenario)
    )
    return Outcome(
        artifact=artifact,
        facts={
            "users": cold.height,
            "seeds": len(scenario.candidates.seeds),
            "negatives": scenario.candidates.num_negatives,
            **{f"items_{domain}": len(own) for domain, own in items.items()},
        },
    )


def _batches(
    cold: pl.DataFrame, items: dict[str, np.ndarray], scenario: Scenario
) -> Iterator[pa.RecordBatch]:
    everything = np.concatenate(list(items.values()))
    users, parts = cold["user"].to_list(), cold["part"].to_list()
    for pool in POOLS:
        for seed in scenario.candidates.seeds:
            generator = np.random.default_rng([seed, _POOL_STREAM[pool]])
            negatives = [
                draw_negatives(
                    items[domain] if pool == "target" else everything,
                    label,
                    scenario.candidates.num_negatives,
                    generator,
                )
                for domain, label in zip(cold["target_domain"], cold["label"], strict=True)
            ]
            yield pa.RecordBatch.from_pydict(
                {
                    "user": users,
                    "part": parts,
                    "pool": [pool] * len(users),
                    "seed": [seed] * len(users),
                    "negatives": negatives,
                },
                schema=CANDIDATES,
            )


def draw_negatives(
    pool: np.ndarray, label: int, count: int, generator: np.random.Generator
) -> np.ndarray:
    """`count` distinct items of `pool` other than `label`; all of them where it has no more."""
    if len(pool) - 1 <= count:
        return pool[pool != label]
    # One spare is drawn so that dropping the label still leaves enough.
    drawn = pool[generator.choice(len(pool), size=count + 1, replace=False)]
    return drawn[drawn != label][:count]
