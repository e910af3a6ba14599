"""Text rules, one text at a time and whole columns; prices."""

import gzip
import json
import unicodedata
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.catalog import Domain
from pipeline.columns import ITEMS, RAW_ITEMS, REVIEWS
from pipeline.ingest.clean import (
    clean_line,
    clean_lines,
    clean_path,
    clean_text,
    clean_texts,
    clean_title,
)
from pipeline.ingest.clean_items import clean_items
from pipeline.ingest.clean_reviews import clean_reviews
from pipeline.ingest.rules import Rules


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


def _domain(rating_range: tuple[float, float] = (1.0, 5.0)) -> Domain:
    return Domain(
        name="toys",
        title="toys",
        format="amazon-2018",
        reviews="reviews",
        rating_range=rating_range,
    )


def _raw_reviews(**columns: list[object]) -> pl.DataFrame:
    length = len(next(iter(columns.values())))
    rest: dict[str, object] = {"user_id": "U", "item_id": "I", "timestamp": 1}
    rows = {name: columns.get(name, [rest.get(name)] * length) for name in REVIEWS.names}
    empty = pl.DataFrame(pl.from_arrow(REVIEWS.empty_table()))
    return pl.DataFrame(rows, schema=empty.schema)


def test_ids_lose_the_blanks_around_them_and_no_others() -> None:
    rules = Rules()
    ids = [" a b ", "a,b", "\ta\tb\n", "a\nb", "\u00a0\ufeffa\0", "", "  ", None]
    frame = clean_reviews(_raw_reviews(user_id=ids), _domain(), rules)
    assert frame["user_id"].to_list() == ["a b", "a,b", "a\tb", "a\nb", "a"]
    assert rules.dropped["without_user"] == 3
    assert rules.changed["ids_trimmed"] == 4
    frame = clean_reviews(_raw_reviews(item_id=ids), _domain(), Rules())
    assert frame["item_id"].to_list() == ["a b", "a,b", "a\tb", "a\nb", "a"]


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        (0, 0),
        (1_400_000_000, 1_400_000_000),
        (4_102_444_800, 4_102_444_800),
        (1_588_687_728_923, 1_588_687_728),
        (100_000_000_000, 100_000_000),
        (4_102_444_800_999, 4_102_444_800),
        (-1, None),
        (-(1 << 63), None),
        (4_102_444_801, None),
        (32_503_680_000, None),  # the year 3000
        (32_503_680_000_000, None),
        (1_588_687_728_923_000, None),  # microseconds
        ((1 << 63) - 1, None),
        (None, None),
    ],
)
def test_times_are_seconds_of_this_age(time: int | None, seconds: int | None) -> None:
    rules = Rules()
    frame = clean_reviews(_raw_reviews(timestamp=[time, 5]), _domain(), rules)
    assert frame["timestamp"].to_list() == ([5] if seconds is None else [seconds, 5])
    assert rules.dropped["absurd_time"] == (seconds is None)


def test_ratings_outside_the_range_are_dropped_and_no_rating_is_fine() -> None:
    ratings = [1.0, 5.0, None, 0.99, 5.01, -3.0, float("nan"), float("inf"), float("-inf")]
    rules = Rules()
    frame = clean_reviews(_raw_reviews(rating=ratings), _domain(), rules)
    assert frame["rating"].to_list() == [1.0, 5.0, None]
    assert rules.dropped["impossible_rating"] == 6
    wide = clean_reviews(_raw_reviews(rating=ratings), _domain((-10.0, 10.0)), Rules())
    assert wide["rating"].to_list() == [*ratings[:6]] or wide.height == 6


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("$1,299.00", 1299.0),
        ("1,234,567.89", 1234567.89),
        ("12.99", 12.99),
        (" $ 12.99 ", 12.99),
        ("USD 5", 5.0),
        ("US$5", 5.0),
        ("5", 5.0),
        ("\u20ac7.50", 7.5),
        ("\u00a37", 7.0),
        ("$9.99 - $19.99", 9.99),
        ("$9.99-$19.99", 9.99),
        ("$9.99 \u2013 $19.99", 9.99),
        ("12.99 EUR", 12.99),
        ("0", None),
        ("0.00", None),
        ("-3", None),
        ("1e309", None),
        ("1e+16", None),
        ("9" * 60, None),
        ("from 5.00", None),
        ("12,34", None),
        ("1.299,00", None),
        ("1,2,3", None),
        ("12.99.1", None),
        (".a-box-inner{background-color:#fff}", None),
        ("\u0661\u0662", None),
        ("inf", None),
        ("nan", None),
        ("", None),
        (" ", None),
        (None, None),
    ],
)
def test_a_price_is_the_first_amount_above_zero(text: str | None, price: float | None) -> None:
    rules = Rules()
    row = _raw_item(item_id="I", price=text)
    (found,) = clean_items(row, rules)["price"]
    assert found == (None if price is None else pytest.approx(price))
    assert rules.changed["prices_read"] == (price is not None)
    unreadable = price is None and text is not None and text.strip() != ""
    assert rules.changed["unreadable_prices"] == unreadable


def _raw_item(**values: object) -> pl.DataFrame:
    empty = pl.DataFrame(pl.from_arrow(RAW_ITEMS.empty_table()))
    return pl.DataFrame(
        {name: [values.get(name)] for name in RAW_ITEMS.names}, schema=empty.schema
    )


def test_an_item_is_cleaned_field_by_field() -> None:
    rules = Rules()
    row = _raw_item(
        item_id=" I1\t",
        title=" <b>Mug</b>\n&amp; Cup ",
        category="X &amp; Y",
        brand="A&amp;B ",
        description="one<br>two\n\nthree",
    )
    cleaned = clean_items(row, rules).select(ITEMS.names)
    assert cleaned.row(0) == (
        "I1",
        "Mug & Cup",
        "X & Y",
        [],
        "A&B",
        "one two\nthree",
        None,
        [],
    )
    assert rules.changed == {
        "ids_trimmed": 1,
        "titles_cleaned": 1,
        "prices_read": 0,
        "unreadable_prices": 0,
    }


def test_no_rows_are_cleaned_to_no_rows() -> None:
    assert clean_reviews(_raw_reviews(user_id=[]), _domain(), Rules()).height == 0
    assert clean_items(_raw_item().clear(), Rules()).height == 0
