"""Lines in Python's own notation: literals alone, of bounded length and depth."""

import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.ingest.formats.python_literals import LONGEST, MOST_BRACES, parse_literal
from pipeline.ingest.formats.rows import RowError

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab'\"\\"), inner),
    max_leaves=10,
)


@given(value=VALUES)
@settings(max_examples=200, deadline=None)
def test_what_python_writes_is_read(value: Any) -> None:
    assert parse_literal(repr(value)) == value


@pytest.mark.parametrize(
    "line",
    [
        "{'a': __import__('os').system('touch hacked')}",
        "{'a': open('hacked', 'w')}",
        "{'a': [x for x in (1,)]}",
        "{'a': 'b'.upper()}",
        "{'a': f'{open(1)}'}",
        "{'a': 2**99999}",
        "{'a': lambda: 1}",
        "{[]: 1}",
        "{'a': 1",
        "{'a': '\n'}",
        "{'a': '\0'}",
        "{'a': '\\x'}",
        "{'a': " + "9" * 5000 + "}",
        "import os",
        "",
    ],
)
def test_what_is_no_literal_is_a_row_error_and_not_run(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RowError, match="neither JSON nor a Python literal"):
        parse_literal(line)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("opening", ["(", "[", "{'a': ", "-", "not ", "1+", "a.", "lambda:", "f("])
def test_deep_nesting_is_a_row_error(opening: str) -> None:
    for depth in (300, MOST_BRACES, 100_000):
        with pytest.raises(RowError):
            parse_literal("{'a': " + opening * depth + "1}")


def test_long_lines_and_many_braces_are_refused_before_they_cost_anything() -> None:
    with pytest.raises(RowError, match=r"of 10485768 characters and 1 opening .* at most 1048576"):
        parse_literal("{'a': '" + "x" * (10 << 20) + "'")
    with pytest.raises(RowError, match=r"and 1001 opening braces; at most .* and 1000 are read"):
        parse_literal("{'a': f'" + "{1}" * MOST_BRACES + "'}")
    longest = "{'a': '" + "x" * (LONGEST - 9) + "'}"
    assert len(parse_literal(longest)["a"]) == LONGEST - 9


@pytest.mark.parametrize("escape", ["\\ud83d", "\\uDE00", "\\U0000d83d", "\\ud83d\\ude00"])
def test_halves_of_characters_are_refused(escape: str) -> None:
    with pytest.raises(RowError, match="half a character of UTF-16"):
        parse_literal("{'a': '" + escape + "'}")
    assert parse_literal("{'a': '\\U0001f600'}") == {"a": "\U0001f600"}


def test_a_needless_backslash_is_no_fault() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert parse_literal(r"{'a': '\d \/'}") == {"a": r"\d \/"}
