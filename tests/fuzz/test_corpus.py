"""Every input that once was of interest, and random ones, through the parsers: none may fail."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.parsers import PARSERS

CORPUS = Path(__file__).with_name("corpus")
CASES = sorted(CORPUS.glob("*/*"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_inputs_of_the_corpus_are_rows_or_rejected(path: Path) -> None:
    PARSERS[path.parent.name](path.read_bytes())


@pytest.mark.parametrize("name", PARSERS)
def test_the_corpus_has_rows_and_rejected_inputs_of_every_parser(name: str) -> None:
    counts = [PARSERS[name](path.read_bytes()) for path in CASES if path.parent.name == name]
    assert max(counts) > 0 and min(counts) == 0


@pytest.mark.parametrize("name", PARSERS)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_random_and_damaged_inputs_are_rows_or_rejected(name: str, data: st.DataObject) -> None:
    seeds = [path.read_bytes() for path in CASES if path.parent.name == name]
    seed = data.draw(st.sampled_from(seeds) | st.binary(max_size=60))
    start = data.draw(st.integers(0, len(seed)))
    end = data.draw(st.integers(start, min(start + 8, len(seed))))
    other = data.draw(st.sampled_from(seeds))
    piece = data.draw(st.binary(max_size=4) | st.sampled_from([seed[start:], other[:40]]))
    PARSERS[name](seed[:start] + piece + seed[end:])
