"""Pseudo-interactions: generated titles grounded in the nearest real items (LGCD, section 3.3).

LGCD encodes the generated titles with its pre-trained text encoder and takes the nK items
nearest to that one vector (eq. 5-6). Here the vector is the mean of the titles' frozen text
vectors, and the search runs in their space: then one artifact serves every system, and no
training has to come before it. `GroundingConfig.query="each"` lets every title search for
itself instead, since the mean of unlike titles may lie near generic items.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import pyarrow as pa

from pipeline.catalog import Scenario
from pipeline.columns import PSEUDO_INTERACTIONS
from pipeline.outcome import Outcome
from pipeline.retrieve.index import nearest
from pipeline.retrieve.recall import recall_of_probe
from pipeline.store import Store


@dataclass(frozen=True, kw_only=True)
class GroundingConfig:
    num_items: int = 20  # the most that training can ask for as nK; LGCD's sweep peaks at 10
    query: Literal["mean", "each"] = "mean"


def build_pseudo_interactions(scenario: Scenario, store: Store, config: GroundingConfig) -> Outcome:
    """Write `pseudo_interactions/<scenario>`: nK items for each user with a usable title."""
    tensors = store.read_tensors(f"title_vectors/{scenario.name}")
    titles = {name: tensor.numpy() for name, tensor in tensors.items()}
    queries = [titles["vectors"][start:end] for start, end in pairwise(titles["bounds"])]
    rows: list[dict[str, object]] = []
    for position, domain in enumerate(scenario.domains):
        asked = titles["target"] == position
        chosen = [i for i, query in enumerate(queries) if asked[i] and len(query)]
        if chosen:
            items, vectors = _pool(scenario, store, domain)
            found = ground([queries[i] for i in chosen], items, vectors, config)
            rows += [
                _row(titles, i, domain) | {"items": own, "scores": scores}
                for i, (own, scores) in zip(chosen, found, strict=True)
            ]
    rows.sort(key=lambda row: (str(row["part"]), row["user"], str(row["target_domain"])))
    table = pa.Table.from_pylist(rows, schema=PSEUDO_INTERACTIONS)
    artifact = store.write_table(f"pseudo_interactions/{scenario.name}", PSEUDO_INTERACTIONS, table)
    facts = {
        "users": sum(row["part"] == "single" for row in rows),
        "users_without_titles": len(queries) - len(rows),
        "items_each": config.num_items,
        "distinct_items": len({item for row in rows for item in row["items"]}),  # type: ignore[attr-defined]
    }
    return Outcome(
        artifact=artifact,
        facts=facts | recall_of_probe(table, scenario, store),
        preview=table.slice(0, 8),
    )


def ground(
    titles: Sequence[np.ndarray], items: np.ndarray, vectors: np.ndarray, config: GroundingConfig
) -> list[tuple[list[int], list[float]]]:
    """For each user's titles, [titles, width], the nearest distinct items with their cosines,
    nearest first.

    `items` are the ids of the rows of `vectors`; all vectors are of unit length.
    """
    groups = list(titles)
    if config.query == "mean":
        means = np.stack([group.mean(0) for group in groups])
        groups = list((means / np.linalg.norm(means, axis=1, keepdims=True))[:, None])
    scores, rows = nearest(np.concatenate(groups), vectors, min(config.num_items, len(items)))
    bounds = np.cumsum([0, *(len(group) for group in groups)])
    return [
        _best_of(items[rows[start:end]], scores[start:end], config.num_items)
        for start, end in pairwise(bounds)
    ]


def _best_of(items: np.ndarray, scores: np.ndarray, count: int) -> tuple[list[int], list[float]]:
    """Merge the searches of one user's titles, in turn by rank, so that each title has a say."""
    by_rank = zip(items.T.ravel().tolist(), scores.T.ravel().tolist(), strict=True)
    best: dict[int, float] = {}
    for item, score in by_rank:
        if len(best) == count:
            break
        best.setdefault(item, score)
    ordered = sorted(best.items(), key=lambda pair: -pair[1])
    return [item for item, _ in ordered], [score for _, score in ordered]


def _pool(scenario: Scenario, store: Store, domain: str) -> tuple[np.ndarray, np.ndarray]:
    vocabulary = store.read_table(f"vocabulary/{scenario.name}", ["item", "domain"])
    items = vocabulary["item"].to_numpy()[vocabulary["domain"].to_numpy() == domain]
    vectors = store.read_tensors(f"item_text/{scenario.name}")["vectors"].numpy()
    return items, vectors[items]


def _row(titles: dict[str, np.ndarray], i: int, domain: str) -> dict[str, object]:
    part = "single" if titles["single"][i] else "overlap"
    return {"user": int(titles["user"][i]), "part": part, "target_domain": domain}
