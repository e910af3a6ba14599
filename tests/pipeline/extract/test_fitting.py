"""Prompts that are too long lose history, oldest first, and nothing else."""

from collections.abc import Sequence

import pytest

from pipeline.extract.engine import HISTORY, Request
from pipeline.extract.fitting import Fitted, fit, with_history

ROOM = 10


def words(requests: Sequence[Request]) -> list[list[int]]:
    """A token is a word."""
    return [list(range(len(str(with_history(request)).split()))) for request in requests]


def fitted(*history: str, prompt: str = f"They said: {HISTORY} Why ?") -> Fitted:
    request = Request(row="user 7", prompt=prompt, history=history)
    return fit([request], words, lambda _: ROOM, "tiny")[0]


def test_what_fits_is_left_as_it_is() -> None:
    found = fitted("one two", "three four", "five six")
    assert (found.cut, found.request.history) == (0, ("one two", "three four", "five six"))
    assert len(found.tokens) == 10


def test_the_oldest_entries_go_first_and_as_few_as_need_be() -> None:
    found = fitted("one", "two three", "four five", "six seven")
    assert (found.cut, found.request.history) == (1, ("two three", "four five", "six seven"))
    found = fitted(*["filler words"] * 500, "last")
    assert found.request.history == ("filler words", "filler words", "last")
    assert found.cut == 498 and len(found.tokens) <= ROOM


def test_of_a_newest_entry_that_is_too_long_alone_the_beginning_stays() -> None:
    found = fitted("old", " ".join(f"w{i}" for i in range(40)))
    assert found.cut == 2
    assert found.request.history and found.request.history[0].split() == [f"w{i}" for i in range(6)]


def test_history_stands_in_the_last_turn_of_a_chat() -> None:
    chat = (("system", "Be {history}"), ("user", f"I had:\n{HISTORY}\nNext?"))
    found = with_history(Request(row="r", prompt=chat, history=("a", "b")))
    assert found == (("system", "Be {history}"), ("user", "I had:\na\nb\nNext?"))


def test_a_prompt_without_history_may_hold_the_markers_words() -> None:
    title = f"A mug that says {HISTORY}"
    assert with_history(Request(row="r", prompt=title)) == title
    assert fit([Request(row="r", prompt=title)], words, lambda _: ROOM, "tiny")[0].cut == 0


def test_an_empty_history_is_an_error_that_names_the_row() -> None:
    with pytest.raises(ValueError, match=r"user 7 has an empty history.*leave the row out"):
        fitted()


@pytest.mark.parametrize("history", [None, ("x",)])
def test_a_prompt_too_long_without_history_is_an_error_with_figures(
    history: tuple[str, ...] | None,
) -> None:
    request = Request(row="item 9", prompt="much " * 12, history=history)
    with pytest.raises(ValueError, match=r"item 9: .* 12 tokens .* tiny has room for 10: raise"):
        fit([request], words, lambda _: ROOM, "tiny")


def test_room_is_each_requests_own() -> None:
    requests = [
        Request(row=str(room), prompt=f"x {HISTORY}", history=("a b c", "d e f")) for room in (7, 5)
    ]
    found = fit(requests, words, lambda request: int(request.row), "tiny")
    assert [f.cut for f in found] == [0, 1]
