"""Cleaning by rules, each of which counts what it changes or drops.

Changing is always fine. Dropping too much is a sign of a wrong reading: more rows than
`domain.max_dropped_share` without an id, a time or a possible rating is an error.
"""

from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from pipeline.catalog import Domain
from pipeline.ingest.formats.rows import shown

Effect = Literal["changed", "dropped"]

_MEANINGS = {
    "ids_trimmed": "blanks around a user's or an item's id taken away",
    "milliseconds": "time given in milliseconds, turned into seconds",
    "texts_cleaned": "markup, entities, control characters, needless blanks taken away",
    "titles_cleaned": "the same taken away from titles; page scripts are no titles",
    "prices_read": "prices given as text, turned into numbers",
    "without_user": "no user id",
    "without_item": "no item id",
    "absurd_time": "no time, one before 1970, or one after 2100",
    "impossible_rating": "a rating outside the domain's range",
    "outside_the_sub_domain": "items of other categories",
    "duplicates": "further rows of what was there: a user and item, or an item's metadata",
    "unreadable_prices": "prices that hold no amount",
}
"""What each rule means, in the order in which people see them."""

_NO_FAULT = ("outside_the_sub_domain", "duplicates")
"""What drops rows without saying anything about how well a file was read."""


@dataclass
class Rules:
    """How many rows each rule changed or dropped; filled while batches stream by."""

    changed: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)  # an offending value of each drop

    def change(self, rule: str, count: int) -> None:
        self.changed[rule] = self.changed.get(rule, 0) + count

    def drop(self, rule: str, count: int) -> None:
        self.dropped[rule] = self.dropped.get(rule, 0) + count

    def kept(self, frame: pl.DataFrame, rule: str, bad: pl.Series, column: str) -> pl.DataFrame:
        """The frame without its bad rows, which are counted; `column` has the offending values."""
        count = int(bad.sum())
        self.drop(rule, count)
        if not count:
            return frame
        self.examples.setdefault(rule, f"{column} = {shown(frame[column].filter(bad)[0])}")
        return frame.filter(~bad)

    def check(self, rows_in: int, domain: Domain) -> None:
        """ValueError where faulty rows are more than the domain's share of all."""
        faulty = {rule: n for rule, n in self.dropped.items() if n and rule not in _NO_FAULT}
        allowed = domain.max_dropped_share
        if sum(faulty.values()) <= allowed * rows_in:
            return
        listed = "; ".join(f"{_MEANINGS[r]}: {n} ({self.examples[r]})" for r, n in faulty.items())
        raise ValueError(
            f"domain {domain.name!r}: of {rows_in} rows {sum(faulty.values())} cannot be used: "
            f"{listed}. domain.{domain.name}.max_dropped_share allows {allowed:.0%}: check "
            "columns, format and rating_range in the catalog, or raise that key"
        )

    def facts(self) -> dict[str, int | float | str]:
        """Counts by rule for people, those that did nothing left out."""
        dropped = {f"dropped_{rule}": n for rule, n in self.dropped.items() if n}
        return {**dropped, **{f"changed_{rule}": n for rule, n in self.changed.items() if n}}

    def markdown(self, rows_in: int, rejected: int, rows_out: int) -> str:
        """Rows in, what each rule did, rows out, as a table."""
        lines = ["| rule | rows | what it does |", "|---|---:|---|"]
        lines.append(f"| *rows in* | {rows_in + rejected:,} | what the files hold |")
        lines.append(f"| rejected | {rejected:,} | unreadable; the first are listed below |")
        for effect, counts in (("dropped", self.dropped), ("changed", self.changed)):
            for rule, meaning in _MEANINGS.items():
                if rule in counts:
                    lines.append(f"| {effect}: {rule} | {counts[rule]:,} | {meaning} |")
        lines.append(f"| *rows out* | {rows_out:,} | |")
        return "\n".join(lines)
