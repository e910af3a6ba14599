"""Hit rates by how much a user shows, and by how known the item is that the user took next.

Letters: N users, K systems.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog import Scenario
from pipeline.evaluate.comparable import Ranking
from pipeline.evaluate.report.slices import Figure, Measured, Slices, slices
from pipeline.evaluate.significance import Bootstrap, intervals
from pipeline.store import Store


def ranking_slices(
    scenario: Scenario, store: Store, rankings: Sequence[Ranking], metric: str
) -> Iterator[Slices]:
    """Of one domain's rankings: that of the system the page is about, and the baseline to beat."""
    value_NK = np.stack([one.metric_SN(metric).mean(axis=0) for one in rankings], axis=1)
    systems = [one.system for one in rankings]
    for title, values, value_N in _axes(scenario, store, rankings[0].user_N):
        yield slices(
            value_N,
            lambda mask_N: measure(value_NK[mask_N], systems),
            title=title,
            values=values,
            metric=metric,
            cases="users",
        )


def measure(value_NK: np.ndarray, systems: Sequence[str]) -> Measured:
    """Means over users with their intervals; the first system less the second, where there is."""
    if len(systems) > 1:
        value_NK = np.column_stack([value_NK, value_NK[:, 0] - value_NK[:, 1]])
    low_K, high_K = intervals(value_NK, Bootstrap())
    figures = [
        Figure(mean=float(mean), low=float(low), high=float(high))
        for mean, low, high in zip(value_NK.mean(axis=0), low_K, high_K, strict=True)
    ]
    named = dict(zip(systems, figures, strict=False))
    return named, figures[-1] if len(systems) > 1 else None


def _axes(
    scenario: Scenario, store: Store, user_N: np.ndarray
) -> Iterator[tuple[str, str, np.ndarray]]:
    """Title, what is counted, and the count of each user."""
    columns = ["user", "part", "items", "label"]
    sequences = store.read_table(f"sequences/{scenario.name}", columns)
    users = pa.array(user_N, sequences["user"].type)
    rows = sequences.take(pc.index_in(users, value_set=sequences["user"].combine_chunks()))
    length_N = pc.list_value_length(rows["items"]).to_numpy().astype(np.int64)
    yield "By length of the history", "items of the history", length_N
    trained = sequences.filter(pc.is_in(sequences["part"], pa.array(["single", "overlap"])))
    label_N = rows["label"].to_numpy().astype(np.int64)
    items = pc.list_flatten(trained["items"]).to_numpy()
    count_V = np.bincount(items, minlength=int(label_N.max()) + 1)
    yield "By popularity of what was taken next", "training events of the item", count_V[label_N]
