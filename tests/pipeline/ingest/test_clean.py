"""Text rules, one text at a time and whole columns."""

import gzip
import json
import unicodedata
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.ingest.clean import (
    clean_line,
    clean_lines,
    clean_path,
    clean_text,
    clean_texts,
    clean_title,
)


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("Macaroni &amp; Cheese", "Macaroni & Cheese"),
        ("Maggiano&#39;s", "Maggiano's"),
        ("Salt &amp;amp; Pepper", "Salt & Pepper"),
        ("AT&T and R&D; done", "AT&T and R&D; done"),
        ("Black&ltd", "Black&ltd"),
        ("<b>Sushi</b> Mat, <i>Large</i>, Black", "Sushi Mat, Large, Black"),
        ("one<br/>two<p class='x'>three", "one two three"),
        ("seen &lt;b&gt;bold&lt;/b&gt;", "seen bold"),
        ("I <3 this; 5 < 6 > 4", "I <3 this; 5 < 6 > 4"),
        ("a\x00b\x07c\td\u00a0e", "a b c d e"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("Cre\u0300me", "Cr\u00e8me"),
        ("  two \r\n lines ", "two lines"),
        ("\u65e5\u672c \U0001f363", "\u65e5\u672c \U0001f363"),
        ("a <!-- <b>note</b> --> b<!---->c", "a b c"),
        ("a <!-- x <!-- y --> b --> c", "a b --> c"),
        ("a <!--> b", "a <!--> b"),
        ("&#0;&#55357;&#9999999;", "\ufffd\ufffd\ufffd"),
    ],
)
def test_a_line_loses_markup_and_nothing_else(raw: str, clean: str) -> None:
    assert clean_line(raw) == clean


@pytest.mark.parametrize("raw", [None, "", "  \t ", "<br/>", "&nbsp;", "<!-- x -->", "\u2028"])
def test_what_holds_nothing_readable_is_null(raw: str | None) -> None:
    assert clean_line(raw) is None
    assert clean_text(raw) is None
    assert clean_title(raw) is None


def test_text_keeps_its_line_breaks_once() -> None:
    assert clean_text(" Nice \n\n\r\n it &amp; me\u2028end") == "Nice\nit & me\nend"


def test_a_title_that_is_a_page_script_is_null() -> None:
    assert clean_title("var aPageStart = (new Date()).getTime();") is None


def test_a_category_path_skips_names_that_hold_only_markup() -> None:
    assert clean_path(["Home &amp; Kitchen", "</span></span>", " Mugs "]) == "Home & Kitchen > Mugs"
    assert clean_path([]) is None


@pytest.mark.parametrize(
    "part", ["<!--", "<a ", "<", "<a href=", "&", "&#x", "&amp;", "-->", " ", "\u0300\u0316"]
)
def test_no_text_takes_quadratic_time(part: str) -> None:
    """A hundred thousand of them would take minutes, and the test would not end."""
    cleaned = clean_text("a" + part * 100_000 + "b")
    assert cleaned is not None
    assert cleaned == unicodedata.normalize("NFC", cleaned) or "\u0300" in part


def test_long_and_short_texts_are_composed_alike() -> None:
    text = "Cre\u0300me \u1e9b\u0323 \uac00\u11a8 "
    assert clean_line(text * 1000) == " ".join([str(clean_line(text))] * 1000)


PIECES = st.sampled_from(
    [
        *"aZ09,.;:!?-'\"()/\\#=>",
        " ",
        "  ",
        "\n",
        "\n\n",
        " \n ",
        "\r\n",
        "\t",
        "\v",
        "\x00",
        "\x1f",
        "\x7f",
        "\x85",
        "\u00a0",
        "\u00ad",
        "\u2003",
        "\u2028",
        "\u200b",
        "\u200d",
        "\u3000",
        "\ufeff",
        "\u0300",
        "e\u0301",
        "\u00e9",
        "\u212b",
        "\u65e5",
        "\U0001f363",
        "&",
        "&amp;",
        "&amp;amp;",
        "&nbsp;",
        "&#10;",
        "&#0;",
        "&lt;",
        "&gt;",
        "&#x3c;",
        "&bogus;",
        "&copy",
        "<",
        "<b>",
        "</b>",
        "<br />",
        "<p class='x'>",
        "<!--",
        "-->",
        "getTime",
    ]
)
TEXTS = st.lists(
    st.none() | st.lists(PIECES, max_size=8).map("".join) | st.text(max_size=8), max_size=12
)


@given(texts=TEXTS)
@settings(max_examples=400, deadline=None)
def test_columns_are_cleaned_as_their_texts_are(texts: list[str | None]) -> None:
    column = pl.Series(texts, dtype=pl.String)
    assert clean_texts(column).to_list() == [clean_text(text) for text in texts]
    for rule in (clean_line, clean_title):
        assert clean_lines(column, rule).to_list() == [rule(text) for text in texts]
    assert column.to_list() == texts


@given(texts=TEXTS)
@settings(max_examples=200, deadline=None)
def test_cleaned_texts_hold_no_blanks_or_controls_to_clean(texts: list[str | None]) -> None:
    for text in clean_texts(pl.Series(texts, dtype=pl.String)).drop_nulls():
        assert text.replace("\n", "").strip()
        assert all(line == " ".join(line.split()) and line for line in text.split("\n"))
        assert not any(unicodedata.category(mark) == "Cc" for mark in text.replace("\n", ""))


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("amazon2018-small-5core", "All_Beauty_5.json.gz"),
        ("amazon2018-small-5core", "Magazine_Subscriptions_5.json.gz"),
        ("amazon2014-music-movies", "reviews_Movies_and_TV_5.first999.json.gz"),
    ],
)
def test_columns_of_real_reviews_are_cleaned_as_their_texts_are(
    real: Callable[[str], Path], folder: str, name: str
) -> None:
    with gzip.open(real(folder) / name) as file:
        texts = [json.loads(line).get("reviewText") for line in file]
    cleaned = clean_texts(pl.Series(texts, dtype=pl.String)).to_list()
    assert cleaned == [clean_text(text) for text in texts]
    assert cleaned != texts
