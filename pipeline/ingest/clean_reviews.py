"""The rules that reviews go through, whatever file they come from."""

import polars as pl

from pipeline.catalog import Domain
from pipeline.ingest.clean import clean_texts
from pipeline.ingest.rules import Rules

_FIRST_MILLISECOND = 100_000_000_000
"""As seconds the year 5138, as milliseconds 1973, before all data: tells the two apart."""

BLANKS = " \t\r\n\v\f\0\u00a0\ufeff"
_LAST_SECOND = 4_102_444_800  # the year 2100


def clean_reviews(frame: pl.DataFrame, domain: Domain, rules: Rules) -> pl.DataFrame:
    """Rows in REVIEWS columns, cleaned; those that cannot be used are dropped and counted."""
    frame = trimmed(frame, ("user_id", "item_id"), rules)
    frame = rules.kept(frame, "without_user", blank(frame["user_id"]), "user_id")
    frame = rules.kept(frame, "without_item", blank(frame["item_id"]), "item_id")
    frame = _in_seconds(frame, rules)
    frame = rules.kept(frame, "absurd_time", _is_absurd(frame["timestamp"]), "timestamp")
    frame = rules.kept(frame, "impossible_rating", _is_impossible(frame, domain), "rating")
    texts = clean_texts(frame["text"])
    rules.change("texts_cleaned", int((texts.ne_missing(frame["text"])).sum()))
    return frame.with_columns(texts.alias("text"))


def trimmed(frame: pl.DataFrame, columns: tuple[str, ...], rules: Rules) -> pl.DataFrame:
    """Ids without blanks around them; what lies inside stays."""
    bare = frame.select(pl.col(*columns).str.strip_chars(BLANKS))
    loose = sum(int((bare[name] != frame[name]).sum()) for name in columns)
    if not loose:
        return frame
    rules.change("ids_trimmed", loose)
    return frame.with_columns(bare)


def blank(ids: pl.Series) -> pl.Series:
    """Which trimmed ids are none."""
    return ids.is_null() | (ids == "").fill_null(False)


def _in_seconds(frame: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    late = (frame["timestamp"] >= _FIRST_MILLISECOND).fill_null(False)
    if not late.any():
        return frame
    rules.change("milliseconds", int(late.sum()))
    time = pl.col("timestamp")
    return frame.with_columns(pl.when(late).then(time // 1000).otherwise(time).alias("timestamp"))


def _is_absurd(times: pl.Series) -> pl.Series:
    return times.is_null() | (times < 0).fill_null(True) | (times > _LAST_SECOND).fill_null(True)


def _is_impossible(frame: pl.DataFrame, domain: Domain) -> pl.Series:
    low, high = domain.rating_range
    return (~frame["rating"].is_between(low, high) | frame["rating"].is_nan()).fill_null(False)
