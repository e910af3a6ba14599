"""What single users are shown: their history, what they took next, and what systems offered.

Users are drawn by a seed among hits and among misses, as many of each as there are, up to
`_OF_EACH`; so a share of hits among examples says nothing. No user's id is told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.catalog.system_names import shown
from pipeline.evaluate.document import Block, Bullets, Cell, Fold, Grid, Heading, Paragraph

SEED = 0
_OF_EACH = 2
_NEWEST, _LETTERS = 10, 90


@dataclass(frozen=True, kw_only=True)
class Example:
    place: str
    history: tuple[str, ...]  # titles, oldest first
    taken: str  # the title of the held-out item
    offers: Mapping[
        str, Sequence[tuple[str, bool]]
    ]  # titles by system, best first; is it that item
    ranks: Mapping[str, str]  # of the held-out item, by system, in words


def draw(hit_N: np.ndarray, seed: int = SEED) -> list[int]:
    """Rows of hits, then of misses, each drawn without replacement and in ascending order."""
    generator = np.random.default_rng(seed)
    rows: list[int] = []
    for wanted in (True, False):
        found = np.flatnonzero(hit_N == wanted)
        drawn = generator.permutation(found)[:_OF_EACH]
        rows += sorted(drawn.tolist())
    return rows


def example_blocks(examples: Sequence[Example], system: str) -> list[Block]:
    told = (
        f"Test users drawn by seed {SEED}: in each domain up to {_OF_EACH} of those to whom"
        f" {shown(system)} offered what they took next, and up to {_OF_EACH} of the others. So many"
        " hits are no measure; the leaderboard is. The systems are run with the seed that did best"
        " on validation users, and offer items of the whole target domain."
    )
    blocks: list[Block] = [Paragraph(told)]
    for number, example in enumerate(examples, 1):
        blocks += [
            Heading(f"User {number}, {example.place}", 3),
            Paragraph(f"Took next: {cut(example.taken)}"),
            Bullets(tuple(f"{shown(name)}: {said}" for name, said in example.ranks.items())),
            Fold(f"History of user {number}: {_count(example.history)}", _history(example)),
            _offers(example, number),
        ]
    return blocks


def _count(history: Sequence[str]) -> str:
    return f"{len(history)} item{'s' if len(history) != 1 else ''}"


def _history(example: Example) -> tuple[Block, ...]:
    newest = tuple(cut(title) for title in example.history[-_NEWEST:])
    older = len(example.history) - len(newest)
    said = f"The newest {_NEWEST}, oldest first; {older} older ones are left out."
    return (Paragraph(said if older else "Oldest first."), Bullets(newest))


def _offers(example: Example, number: int) -> Grid:
    systems = list(example.offers)
    lines = []
    for place in range(max(len(offers) for offers in example.offers.values())):
        cells = []
        for system in systems:
            offers = example.offers[system]
            title, is_taken = offers[place] if place < len(offers) else ("", False)
            cells.append(Cell(cut(title), "taken next" if is_taken else "", strong=is_taken))
        lines.append((Cell(str(place + 1)), *cells))
    caption = f"What systems offer user {number}, best first"
    return Grid(("Place", *map(shown, systems)), tuple(lines), caption, words=1 + len(systems))


def cut(title: str) -> str:
    """Titles of shops can be paragraphs."""
    one_line = " ".join(title.split())
    return one_line if len(one_line) <= _LETTERS else f"{one_line[:_LETTERS].rstrip()}\u2026"
