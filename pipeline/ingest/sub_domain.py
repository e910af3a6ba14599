"""Sub-domains: the items of a domain that lie on some category paths, and on none of others."""

import re

import polars as pl

from pipeline.catalog import Domain


def lies_within(categories: pl.Series, domain: Domain) -> pl.Series:
    """Which items belong to a sub-domain; `categories` lists every path of each item.

    A path is matched from its first name on; "*" stands for any one name: "* > Rock" has
    "Digital Music > Rock" and "CDs & Vinyl > Rock > Progressive", but not "Rock".
    """
    mask = _any_path(categories, domain.paths)
    if domain.without:
        mask &= ~_any_path(categories, domain.without)
    return mask


def _any_path(categories: pl.Series, patterns: tuple[str, ...]) -> pl.Series:
    regex = "|".join(_regex(pattern) for pattern in patterns)
    matches = categories.list.eval(pl.element().str.contains(f"(?s){regex}")).list.any()
    return matches.fill_null(False)


def _regex(pattern: str) -> str:
    names = (name.strip() for name in pattern.split(" > "))
    parts = ("[^>]+" if name == "*" else re.escape(name) for name in names)
    return f"^(?:{' > '.join(parts)})(?: > |$)"
