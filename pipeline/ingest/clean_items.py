"""The rules that metadata goes through, whatever file it comes from."""

import polars as pl

from pipeline.ingest.clean import clean_line, clean_lines, clean_texts, clean_title
from pipeline.ingest.clean_reviews import blank, trimmed
from pipeline.ingest.rules import Rules

_AMOUNT = (
    r"^\s*(?:[A-Z]{2,3}\s*)?[$€£¥]?\s*(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?:\s|$|-|\u2013)"
)
"""The first amount: "$1,299.00", "12.99", "USD 5", "$9.99 - $19.99" (a range counts by its low
end). Whatever else a price holds, such as a page's script, is no amount."""


def clean_items(frame: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """Rows in RAW_ITEMS columns as rows in ITEMS columns; those without an id are dropped."""
    frame = trimmed(frame, ("item_id",), rules)
    frame = rules.kept(frame, "without_item", blank(frame["item_id"]), "item_id")
    titles = clean_lines(frame["title"], clean_title)
    rules.change("titles_cleaned", int(titles.ne_missing(frame["title"]).sum()))
    return frame.with_columns(
        titles.alias("title"),
        clean_lines(frame["brand"], clean_line).alias("brand"),
        clean_lines(frame["category"], clean_line).alias("category"),
        clean_texts(frame["description"]).alias("description"),
        _prices(frame["price"], rules).alias("price"),
        clean_paths(frame["categories"]).alias("categories"),
        pl.col("image_urls").fill_null(pl.lit([], pl.List(pl.String))),
    )


def clean_paths(paths: pl.Series) -> pl.Series:
    """Every path without markup; an empty list where there is none."""
    lengths = paths.list.len().fill_null(0)
    flat = paths.filter(lengths > 0).explode()
    names = pl.DataFrame({"row": pl.int_range(len(paths), eager=True)}).select(
        pl.col("row").repeat_by(lengths).explode().drop_nulls()
    )
    cleaned = names.with_columns(clean_lines(flat, clean_line).alias("path")).drop_nulls()
    grouped = cleaned.group_by("row", maintain_order=True).agg("path")
    every = pl.DataFrame({"row": pl.int_range(len(paths), eager=True)})
    lists = every.join(grouped, on="row", how="left", maintain_order="left")["path"]
    return lists.fill_null(pl.Series([[]], dtype=pl.List(pl.String)).first())


def _prices(texts: pl.Series, rules: Rules) -> pl.Series:
    """Amounts above 0; null where there is none."""
    amounts = texts.str.extract(_AMOUNT, 1).str.replace_all(",", "", literal=True)
    prices = amounts.cast(pl.Float32, strict=False)
    prices = prices.set(~((prices > 0) & prices.is_finite()).fill_null(False), None)
    given = texts.is_not_null() & (texts.str.strip_chars() != "").fill_null(False)
    rules.change("prices_read", int(prices.is_not_null().sum()))
    rules.change("unreadable_prices", int((given & prices.is_null()).sum()))
    return prices
