"""Text rules of ingestion: what a title or a review looks like after cleaning.

Raw dumps carry HTML entities (often escaped twice), tags, control characters and, in some
titles, a whole page script. Every rule that removes or changes a character is here.
"""

import html
import re
import unicodedata
from collections.abc import Callable

import polars as pl

_NEEDS_CARE = r"[&<]|[^\x20-\x7e\n]"
"""Outside of it, cleaning does no more than what `_tidied` does."""

_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_INLINE_TAG = re.compile(r"</?(?:a|b|em|font|i|small|span|strong|sub|sup|u)(?:\s[^<>]*)?/?>", re.I)
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060\ufeff]")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
_LINE_BREAK = re.compile("\r\n?|[\u2028\u2029]")
_PAGE_SCRIPT = "getTime"
_LONG = 4_000  # characters


def clean_line(text: str | None) -> str | None:
    """One line of text without markup; null where nothing readable is left."""
    if text is None:
        return None
    return " ".join(_without_markup(text).split()) or None


def clean_text(text: str | None) -> str | None:
    """Like `clean_line`, but line breaks stay, one where there were several."""
    if text is None:
        return None
    lines = (" ".join(line.split()) for line in _without_markup(text).split("\n"))
    return "\n".join(line for line in lines if line) or None


def clean_title(text: str | None) -> str | None:
    """A product's title; null where it is empty or holds a page's script instead.

    Some titles of the 2018 metadata are the script of the page's timer; its call of
    getTime() tells them, as in the release's own example notebook.
    """
    if text is None or _PAGE_SCRIPT in text:
        return None
    return clean_line(text)


def clean_path(names: list[str]) -> str | None:
    """A category path: names without markup, blank ones left out, joined by " > "."""
    cleaned = (clean_line(name) for name in names)
    return " > ".join(name for name in cleaned if name) or None


def clean_texts(texts: pl.Series) -> pl.Series:
    """`clean_text` of every text: at once where spaces and line breaks alone can change."""
    return _cleaned(texts, clean_text)


def clean_lines(texts: pl.Series, rule: Callable[[str | None], str | None]) -> pl.Series:
    """A rule such as `clean_line` or `clean_title` of every text, which changes few of them."""
    odd = texts.str.contains(rf"{_NEEDS_CARE}|\n|  |^ | $|^$|{_PAGE_SCRIPT}").fill_null(False)
    return _replaced(texts, texts, odd, rule)


def _cleaned(texts: pl.Series, rule: Callable[[str | None], str | None]) -> pl.Series:
    unclean = texts.str.contains(rf"{_NEEDS_CARE}|  |\n[ \n]| \n|^[ \n]|[ \n]$|^$").arg_true()
    if unclean.is_empty():
        return texts
    few = texts.gather(unclean)
    odd = few.str.contains(_NEEDS_CARE)
    return texts.clone().scatter(unclean, _replaced(_tidied(few), few, odd, rule))


def _tidied(texts: pl.Series) -> pl.Series:
    """Printable ASCII: no two spaces or line breaks in a row, none at the ends of lines."""
    spaced = texts.str.replace_all(" +", " ").str.replace_all(r" ?\n[ \n]*", "\n")
    bare = spaced.str.strip_chars(" \n")
    return bare.set(bare == "", None)


def _replaced(
    texts: pl.Series, raw: pl.Series, odd: pl.Series, rule: Callable[[str | None], str | None]
) -> pl.Series:
    """Texts, where `odd` what a rule makes of the raw ones, one by one."""
    places = odd.arg_true()
    if places.is_empty():
        return texts
    cleaned = pl.Series([rule(text) for text in raw.gather(places)], dtype=pl.String)
    return texts.clone().scatter(places, cleaned)  # which changes in place


def _without_markup(text: str) -> str:
    if "&" in text:
        text = _unescape(_unescape(text))
    if "<" in text:
        # Inline tags stand inside words and before commas; the others part words.
        text = _TAG.sub(" ", _without_comments(_INLINE_TAG.sub("", text)))
    if not text.isascii():
        text = _INVISIBLE.sub("", _composed(text))
    if text.replace("\n", "").isprintable():
        return text  # nothing below could change it, and most texts end here
    return _CONTROL.sub(" ", _LINE_BREAK.sub("\n", text))


def _unescape(text: str) -> str:
    # Entities without their semicolon stay: they are more often an "&" between two words.
    return _ENTITY.sub(lambda match: html.unescape(match[0]), text)


def _composed(text: str) -> str:
    """NFC. Python's own way is the quicker one, but quadratic in a run of combining marks."""
    if len(text) < _LONG:
        return unicodedata.normalize("NFC", text)
    return str(pl.Series([text]).str.normalize("NFC").item())


def _without_comments(text: str) -> str:
    """Markup's comments as blanks. Not by a regex: it would search for each end anew."""
    kept, at = [], 0
    while (start := text.find("<!--", at)) >= 0 and (end := text.find("-->", start + 4)) >= 0:
        kept.append(text[at:start])
        at = end + 3
    return " ".join([*kept, text[at:]])
