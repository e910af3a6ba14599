"""Recommendations: the best items of the target domain for each cold user.

A cold user has no history in the target domain, so there is nothing to leave out.

Letters: N users, R recommendations.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from models.batch import ItemSpace
from pipeline.catalog import Scenario
from pipeline.columns import RECOMMENDATIONS
from pipeline.evaluate.ranking import Scorer, target_scores
from pipeline.outcome import Fact, Outcome
from pipeline.store import Store
from pipeline.train.cases import ColdCases, item_space

_PREVIEW_USERS = 2


def recommend(
    model: Scorer,
    cases: ColdCases,
    space: ItemSpace,
    top_n: int,
    *,
    batch_size: int = 256,
    device: torch.device | str = "cpu",
) -> tuple[Tensor, Tensor]:
    """Item ids [N, top_n], best first, and their scores; of the target domain alone.

    Of equal scores the lower id comes first, so that two runs agree. ValueError where a domain
    has fewer items than are wanted.
    """
    if not 1 <= top_n <= min(space.sizes):
        raise ValueError(
            f"top_n = {top_n}: it must lie in 1..{min(space.sizes)}, the items of the smallest "
            "domain: lower the scenario's top_n, or its k_core to keep more items"
        )
    items_NR = torch.empty(len(cases.user_N), top_n, dtype=torch.int64)
    scores_NR = torch.empty(len(cases.user_N), top_n)
    for some in target_scores(model, cases, space, batch_size=batch_size, device=device):
        ordered = some.scores_BC.sort(dim=1, descending=True, stable=True)
        first = space.ids(some.domain).start
        items_NR[some.row_B] = ordered.indices[:, :top_n].cpu() + first
        scores_NR[some.row_B] = ordered.values[:, :top_n].cpu().float()
    return items_NR, scores_NR


def write_recommendations(
    store: Store,
    scenario: Scenario,
    system: str,
    model: Scorer,
    cases: ColdCases,
    *,
    batch_size: int = 256,
    device: torch.device | str = "cpu",
) -> Outcome:
    """Recommend to every user of `cases`; write `recommendations/<scenario>/<system>`."""
    space = item_space(store, scenario)
    items_NR, scores_NR = recommend(
        model,
        cases,
        space,
        scenario.top_n,
        batch_size=batch_size,
        device=device,
    )
    table = _table(store, scenario, cases, items_NR.numpy(), scores_NR.numpy())
    return Outcome(
        artifact=store.write_table(
            f"recommendations/{scenario.name}/{system}", RECOMMENDATIONS, table
        ),
        facts=_facts(table, scenario, space),
        preview=table.slice(0, _PREVIEW_USERS * scenario.top_n),
    )


def _table(
    store: Store,
    scenario: Scenario,
    cases: ColdCases,
    items_NR: np.ndarray,
    scores_NR: np.ndarray,
) -> pa.Table:
    num_users, top_n = items_NR.shape
    vocabulary = store.read_table(f"vocabulary/{scenario.name}", ["item", "item_id", "title"])
    sequences = store.read_table(f"sequences/{scenario.name}", ["user", "user_id"])
    item_rows = _rows_of(vocabulary["item"], items_NR.reshape(-1), "vocabulary")
    user_rows = _rows_of(sequences["user"], np.repeat(cases.user_N.numpy(), top_n), "sequences")
    domains = pa.array(scenario.domains, pa.string())
    columns = {
        "user_id": sequences["user_id"].take(user_rows),
        "target_domain": domains.take(pa.array(np.repeat(cases.query.domain_B.numpy(), top_n))),
        "rank": pa.array(np.tile(np.arange(1, top_n + 1), num_users), pa.int32()),
        "item_id": vocabulary["item_id"].take(item_rows),
        "title": vocabulary["title"].take(item_rows),
        "score": pa.array(scores_NR.reshape(-1), pa.float32()),
    }
    return pa.table(columns, schema=RECOMMENDATIONS)


def _rows_of(column: pa.ChunkedArray, wanted: np.ndarray, table: str) -> pa.Array:
    """The row in which `column` has each wanted value."""
    rows = pc.index_in(pa.array(wanted, column.type), value_set=column.combine_chunks())
    if rows.null_count:
        lost = wanted[rows.is_null().to_numpy(zero_copy_only=False)][0]
        raise ValueError(f"{table} has no row for {lost}; materialize it and what follows it again")
    return rows


def _facts(table: pa.Table, scenario: Scenario, space: ItemSpace) -> dict[str, Fact]:
    """How many users, and how much of each catalogue anyone is shown at all."""
    facts: dict[str, Fact] = {"users": table.num_rows // scenario.top_n}
    for domain, size in zip(scenario.domains, space.sizes, strict=True):
        shown = table.filter(pc.equal(table["target_domain"], domain))["item_id"]
        facts[f"{domain}: items shown"] = pc.count_distinct(shown).as_py()
        facts[f"{domain}: share of its items shown"] = round(
            pc.count_distinct(shown).as_py() / size, 4
        )
    return facts
