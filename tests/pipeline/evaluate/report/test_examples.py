"""Examples: drawn by the seed, hits and misses alike, and nobody is named."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.evaluate.document import to_markdown
from pipeline.evaluate.report.examples import Example, cut, draw, example_blocks


def test_hits_and_misses_are_drawn_alike_and_the_same_every_time() -> None:
    hit_N = np.array([True] * 5 + [False] * 95)
    rows = draw(hit_N)
    assert rows == draw(hit_N) and len(set(rows)) == 4
    assert hit_N[rows].tolist() == [True, True, False, False]
    assert draw(hit_N) != draw(hit_N, seed=1)


@pytest.mark.parametrize(("hits", "misses"), [(0, 3), (1, 0), (1, 1), (0, 0)])
def test_where_there_are_fewer_all_of_them_are_shown(hits: int, misses: int) -> None:
    hit_N = np.array([True] * hits + [False] * misses, dtype=bool)
    assert len(draw(hit_N)) == min(hits, 2) + min(misses, 2)


def test_an_example_tells_history_offers_and_what_was_taken() -> None:
    example = Example(
        place="target domain food",
        history=tuple(f"item {number}" for number in range(12)),
        taken="tea <1>",
        offers={"lgcd": [("tea <1>", True), ("b", False)], "sasrec": [("c", False)]},
        ranks={"lgcd": "offered at place 1 of 2", "sasrec": "not among the 1 items offered"},
    )
    text = to_markdown(example_blocks([example, replace(example, history=("x",))], "lgcd"))
    assert "Test users drawn by seed 0" in text
    assert "### User 1, target domain food" in text and "### User 2, target domain food" in text
    assert "| 1 | **tea &lt;1&gt;** taken next | c |" in text and "| 2 | b |  |" in text
    assert "2 older ones are left out" in text and "- item 11" in text and "- item 1\n" not in text


def test_paragraphs_that_shops_call_titles_are_cut() -> None:
    assert cut("a  b\nc") == "a b c"
    assert len(cut("word " * 100)) <= 91 and cut("word " * 100).endswith("\u2026")
