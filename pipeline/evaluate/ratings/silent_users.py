"""The error of users who wrote nothing in the auxiliary domain, apart from that of the others.

They are known by the items that they rated alone (see `models/music_vectors.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from pipeline.catalog.system_names import shown
from pipeline.evaluate.document import Block, Cell, Grid, Heading, Paragraph
from pipeline.evaluate.ratings.comparable import Predicted
from pipeline.evaluate.ratings.errors import METRICS, seed_errors

Silent = tuple[frozenset[int], ...]
"""For each cold ratio, ascending, the numbers of test users without auxiliary text."""

TITLE = "Test users with and without text"


def silent_blocks(silent: Silent, places: Mapping[float, Sequence[Predicted]]) -> list[Block]:
    """`places`: what systems predict of the test ratings, by cold ratio, ascending."""
    told = (
        "Users who wrote nothing in the auxiliary domain are known by the features of the items"
        " that they rated there. Figures are over the ratings of either group."
    )
    return [
        Heading(TITLE),
        Paragraph(told),
        *(
            _grid(ratio, users, systems)
            for users, (ratio, systems) in zip(silent, places.items(), strict=True)
        ),
    ]


def _grid(ratio: float, silent: frozenset[int], systems: Sequence[Predicted]) -> Grid:
    is_silent_N = np.isin(systems[0].user_N, sorted(silent))
    groups = {"with text": ~is_silent_N, "without": is_silent_N}
    lines = []
    for predicted in systems:
        figures = [
            _figure(predicted, rows, metric) for rows in groups.values() for metric in METRICS
        ]
        lines.append((Cell(shown(predicted.system)), *figures))
    counts = {
        name: f"{len(np.unique(systems[0].user_N[rows]))} users {name}"
        for name, rows in groups.items()
    }
    header = [f"{metric}, {counts[name]}" for name in groups for metric in METRICS]
    caption = f"{TITLE}, cold ratio {ratio:g}"
    return Grid((f"Cold ratio {ratio:g}", *header), tuple(lines), caption)


def _figure(predicted: Predicted, rows: np.ndarray, metric: str) -> Cell:
    if not rows.any():
        return Cell("")
    own = replace(
        predicted,
        user_N=predicted.user_N[rows],
        item_N=predicted.item_N[rows],
        rating_N=predicted.rating_N[rows],
        predicted_SN=predicted.predicted_SN[:, rows],
    )
    return Cell(f"{seed_errors(own, metric).mean():.4f}")
