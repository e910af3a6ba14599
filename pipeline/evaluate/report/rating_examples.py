"""Examples of predicted ratings: what a user rated in the other domain, and what was hidden."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog import Scenario
from pipeline.catalog.system_names import shown
from pipeline.evaluate.document import Block, Bullets, Cell, Fold, Grid, Heading, Paragraph
from pipeline.evaluate.ratings.comparable import Predicted
from pipeline.evaluate.report.examples import SEED, cut, draw
from pipeline.store import Store

_MOST = 10  # ratings shown of a user, in either domain


def rating_example_blocks(
    scenario: Scenario, store: Store, ratio: float, systems: Sequence[Predicted]
) -> list[Block]:
    """`systems` are the one that the page is about and the baseline to beat, if there is one."""
    vocabulary = store.read_table(f"vocabulary/{scenario.name}", ["item", "title"])
    titles = dict(
        zip(*(vocabulary[name].to_pylist() for name in vocabulary.column_names), strict=True)
    )
    users = np.unique(systems[0].user_N)
    error_KU = np.stack([_errors(one, users) for one in systems])
    level_U = error_KU[1] if len(systems) > 1 else np.full(len(users), np.median(error_KU[0]))
    nearer_U = error_KU[0] < level_U
    ratings = _auxiliary(scenario, store, ratio)
    blocks: list[Block] = [Paragraph(_how_drawn(ratio, systems))]
    for number, row in enumerate(draw(nearer_U), 1):
        history = ratings.filter(pc.equal(ratings["user"], int(users[row])))
        blocks += [
            Heading(f"User {number}", 3),
            _history(history, titles, number),
            _hidden(systems, int(users[row]), titles, number),
        ]
    return blocks


def _how_drawn(ratio: float, systems: Sequence[Predicted]) -> str:
    level = (
        f"than those of {shown(systems[1].system)}"
        if len(systems) > 1
        else "than the median user's"
    )
    return (
        f"Test users of cold ratio {ratio:g} drawn by seed {SEED}: as many of those whose hidden"
        f" ratings {shown(systems[0].system)} predicts with smaller errors {level} as of the"
        " others. So this is no measure; the leaderboard is. Predictions are means over training"
        " seeds."
    )


def _errors(predicted: Predicted, users: np.ndarray) -> np.ndarray:
    """Each user's mean absolute error."""
    place_N = np.searchsorted(users, predicted.user_N)
    error_N = np.abs(predicted.error_SN).mean(axis=0)
    return np.bincount(place_N, weights=error_N) / np.bincount(place_N)


def _auxiliary(scenario: Scenario, store: Store, ratio: float) -> pa.Table:
    """Training ratings of the auxiliary domain, oldest first."""
    table = store.read_table(f"ratings/{scenario.name}")
    at_ratio = pc.equal(table["cold_ratio"], pa.scalar(ratio, pa.float32()))
    of_domain = pc.equal(table["domain"], scenario.domains[0])
    trained = pc.equal(table["part"], "train")
    return table.filter(pc.and_(pc.and_(at_ratio, of_domain), trained)).sort_by("timestamp")


def _history(history: pa.Table, titles: Mapping[int, str], number: int) -> Block:
    newest = history.slice(max(history.num_rows - _MOST, 0)).to_pylist()
    told = tuple(f"{cut(titles[row['item']])}: rated {row['rating']:g}" for row in newest)
    older = history.num_rows - len(newest)
    said = f"The newest {_MOST}, oldest first; {older} older ones are left out."
    summary = f"History of user {number}: {history.num_rows} ratings"
    return Fold(summary, (Paragraph(said if older else "Oldest first."), Bullets(told)))


def _hidden(
    systems: Sequence[Predicted], user: int, titles: Mapping[int, str], number: int
) -> Grid:
    rows = np.flatnonzero(systems[0].user_N == user)[:_MOST]
    lines = []
    for row in rows.tolist():
        predictions = (f"{one.predicted_SN[:, row].mean():.2f}" for one in systems)
        title, given = cut(titles[int(systems[0].item_N[row])]), f"{systems[0].rating_N[row]:g}"
        lines.append((Cell(title), *map(Cell, (given, *predictions))))
    header = ("Item", "Rated", *(shown(one.system) for one in systems))
    return Grid(header, tuple(lines), caption=f"Hidden ratings of user {number}")
