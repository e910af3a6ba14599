"""Whether users' generated titles are near the items that stand for them, and nearer than others'.

A user's titles are compared with the nearest item found for them, and with that of another user
whose titles are of the same domain: where both are alike, the titles carry nothing of the user.
"""

from itertools import pairwise
from typing import Any

import numpy as np

from pipeline.catalog import Scenario
from pipeline.finding import Finding
from pipeline.store import Store

LEAST_SIMILARITY = 0.3
"""Median cosine of a user's titles and the nearest item. In the demo it is 0.56, and 0.34 with
another user's titles of the same domain."""

_MOST_USERS = 20_000  # that are shuffled; the median of more would be the same


def titles_are_near(scenario: Scenario, store: Store) -> Finding:
    """Medians over users with titles; of more than 20,000 users, of the first."""
    columns = ["user", "target_domain", "items", "scores"]
    found = store.read_table(f"pseudo_interactions/{scenario.name}", columns)
    if found.num_rows == 0:
        return Finding(passed=False, says="no user has a title that an item was found for")
    best = np.array([scores[0] for scores in found["scores"].to_pylist()])
    own, shuffled = _cosines(found.slice(0, _MOST_USERS).to_pylist(), scenario, store)
    median = float(np.median(own))
    other = float(np.median(shuffled)) if len(shuffled) else -1.0  # one user: nobody to swap with
    return Finding(
        passed=median >= LEAST_SIMILARITY and median > other,
        says=f"median cosine of titles and their nearest item {median:.3f} (at least "
        f"{LEAST_SIMILARITY}), of another user's titles and that item {other:.3f}",
        figures={
            "users": found.num_rows,
            "median similarity": round(median, 4),
            "median similarity, shuffled": round(other, 4),
            "median best score": round(float(np.median(best)), 4),
        },
    )


def _cosines(
    rows: list[dict[str, Any]], scenario: Scenario, store: Store
) -> tuple[np.ndarray, np.ndarray]:
    """Of each user's mean title with its own nearest item, and with the next user's."""
    titles = {n: t.numpy() for n, t in store.read_tensors(f"title_vectors/{scenario.name}").items()}
    vectors = store.read_tensors(f"item_text/{scenario.name}")["vectors"].numpy()
    row_of = {
        (user, scenario.domains[target]): place
        for place, (user, target) in enumerate(
            zip(titles["user"].tolist(), titles["target"].tolist(), strict=True)
        )
    }
    spans = list(pairwise(titles["bounds"].tolist()))
    own, shuffled = [], []
    for domain in scenario.domains:
        of_domain = [row for row in rows if row["target_domain"] == domain]
        if not of_domain:
            continue
        places = [row_of[row["user"], domain] for row in of_domain]
        means = np.stack([titles["vectors"][slice(*spans[place])].mean(axis=0) for place in places])
        means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
        nearest = vectors[[row["items"][0] for row in of_domain]]
        own.append((means * nearest).sum(axis=1))
        others = np.roll(nearest, 1, axis=0) if len(nearest) > 1 else nearest[:0]
        shuffled.append((means[: len(others)] * others).sum(axis=1))
    return np.concatenate(own), np.concatenate(shuffled)
