"""Rules of whole rows: ids, times, ratings, prices."""

from collections.abc import Sequence

import polars as pl
import pytest

from pipeline.catalog import Domain
from pipeline.columns import ITEMS, RAW_ITEMS, REVIEWS
from pipeline.ingest.clean_items import clean_items
from pipeline.ingest.clean_reviews import clean_reviews
from pipeline.ingest.rules import Rules


def _domain(rating_range: tuple[float, float] = (1.0, 5.0)) -> Domain:
    return Domain(
        name="toys",
        title="toys",
        format="amazon-2018",
        reviews="reviews",
        rating_range=rating_range,
    )


def _raw_reviews(**columns: Sequence[object]) -> pl.DataFrame:
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
    assert wide["rating"].to_list() == pl.Series(ratings[:6], dtype=pl.Float32).to_list()


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
    return pl.DataFrame({name: [values.get(name)] for name in RAW_ITEMS.names}, schema=empty.schema)


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
