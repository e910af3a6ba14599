"""Evaluation users as tensors: what a cold user shows, what is held out, what competes.

Shapes: N users, L history length, M negatives.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from models.batch import ItemSpace, Query
from pipeline.catalog import Scenario
from pipeline.store import Store
from pipeline.train.ragged import Ragged


@dataclass(frozen=True, kw_only=True)
class ColdCases:
    """Users of one part, in the order of the sequences table."""

    part: str  # valid or test
    user_N: Tensor  # int64, `user` of the sequences table
    query: Query  # history_NL left-padded, domain_N
    label_N: Tensor  # int64, the held-out item

    def batches(self, size: int) -> Iterator[slice]:
        for first in range(0, len(self.user_N), size):
            yield slice(first, first + size)

    def queries(self, size: int) -> Iterator[Query]:
        for rows in self.batches(size):
            yield Query(self.query.history_BL[rows], self.query.domain_B[rows])


def item_space(store: Store, scenario: Scenario) -> ItemSpace:
    """How many items each domain has, from the vocabulary."""
    domains = store.read_table(f"vocabulary/{scenario.name}", ["domain"])["domain"]
    counts = {entry["values"]: entry["counts"] for entry in pc.value_counts(domains).to_pylist()}
    return ItemSpace(sizes=tuple(counts[domain] for domain in scenario.domains))


def load_cold_cases(store: Store, scenario: Scenario, part: str) -> ColdCases:
    """The users of `part` with their visible histories, the most recent items kept."""
    table = store.read_table(f"sequences/{scenario.name}")
    table = table.filter(pc.equal(table["part"], part))
    histories = Ragged.of(table["items"])
    domains = [scenario.domains.index(name) for name in table["target_domain"].to_pylist()]
    everyone = np.arange(len(domains))
    return ColdCases(
        part=part,
        user_N=_integers(table["user"]),
        query=Query(
            histories.padded(everyone, scenario.training.max_length), torch.tensor(domains)
        ),
        label_N=_integers(table["label"]),
    )


def saved_candidates(store: Store, scenario: Scenario) -> pa.Table:
    """Those of all parts, pools and seeds, schema CANDIDATES."""
    return store.read_table(f"candidates/{scenario.name}")


def negatives_of(
    candidates: pa.Table,
    scenario: Scenario,
    cases: ColdCases,
    pools: Iterable[str],
    seeds: Iterable[int],
) -> dict[tuple[str, int], Tensor]:
    """Item ids [N, M] that compete with each user's label, int32, by pool and candidate seed.

    0 where a user has fewer than others. ValueError where the saved candidates do not cover the
    cases.
    """
    return {
        (pool, seed): _negatives(candidates, scenario, cases, pool, seed)
        for pool in pools
        for seed in seeds
    }


def _negatives(
    candidates: pa.Table, scenario: Scenario, cases: ColdCases, pool: str, seed: int
) -> Tensor:
    wanted = {"part": cases.part, "pool": pool, "seed": seed}
    own = [pc.equal(candidates[name], value) for name, value in wanted.items()]
    table = candidates.filter(reduce(pc.and_, own))
    rows = pc.index_in(pa.array(cases.user_N.numpy(), pa.int32()), table["user"])
    if rows.null_count:
        missing = cases.user_N[rows.is_null().to_numpy(zero_copy_only=False).argmax()]
        raise ValueError(
            f"candidates of {scenario.name!r} ({pool}, seed {seed}) lack user {missing}: "
            "materialize candidates again"
        )
    negatives = Ragged.of(table["negatives"], np.int32)  # of millions: half the memory to touch
    return negatives.padded(rows.to_numpy().astype(np.int64), negatives.longest)


def _integers(column: pa.ChunkedArray) -> Tensor:
    return torch.from_numpy(column.to_numpy().astype(np.int64))
