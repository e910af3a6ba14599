"""Reviews parsed at once and one by one are the same, whatever the lines are; and real dumps."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.catalog import Domain, Format
from pipeline.ingest.formats.amazon_releases import RELEASES, Release
from pipeline.ingest.formats.amazon_reviews import (
    _parsed_at_once,
    _parsed_one_by_one,
    read_amazon_reviews,
)
from pipeline.ingest.formats.blocks import Block, read_blocks
from pipeline.ingest.formats.rows import ReadLog

Rows = list[tuple[Any, ...]]


def _log(format: Format = "amazon-2018", allowed: int = 0) -> ReadLog:
    domain = Domain(
        name="toys", title="toys", format=format, reviews="r", max_rejected_rows=allowed
    )
    return ReadLog(domain=domain)


def _rounded(found: Rows) -> Rows:
    """With ratings as 32 bits hold them."""
    return [(*row[:3], float(np.float32(row[3])), *row[4:]) for row in found]


def _one_by_one(block: Block, format: Format) -> tuple[Rows, list[tuple[int, str]]]:
    log = _log(format, allowed=1_000_000)
    found = list(_parsed_one_by_one(block, RELEASES[format], log))
    return _rounded(found), [(row.row, row.reason) for row in log.rejected]


def _at_once(block: Block, format: Format) -> Rows | None:
    frame = _parsed_at_once(block, RELEASES[format])
    return None if frame is None else frame.rows()


def _check_both_ways_agree(block: Block, format: Format) -> bool:
    """Whether the block could be parsed at once."""
    at_once = _at_once(block, format)
    if at_once is not None:
        assert _one_by_one(block, format) == (at_once, [])
    return at_once is not None


def _fields(release: Release) -> dict[str, str]:
    fields = {
        "user": release.user,
        "item": release.item,
        "rating": release.rating,
        "time": release.time,
        "summary": release.summary,
        "text": release.text,
    }
    return fields | ({"verified": release.verified} if release.verified else {})


_NUMBERS = """
0 -0 1 -1 5 4.0 4.5 1.0 -1.5 1e2 1E+2 1e-400 1e29 9e29 1e30 1e39 1e308 1e400 -1e400 0.1
86400 1588687728923 999999999999999 1000000000000000 9223372036854775807 9223372036854775808
-9223372036854775808 -9223372036854775809 18446744073709551615 18446744073709551616
99999999999999999999999 1.00000000000000000001 0123 .5 1. +1 NaN Infinity -
"""
NUMBERS = st.sampled_from(_NUMBERS.split())
WORDS = st.sampled_from(
    ["true", "false", "null", "True", "nul", "", "[]", "{}", "'x'", "undefined"]
)
TEXTS = st.one_of(
    st.sampled_from(
        [
            "U1",
            "B00ABC",
            "0001713353",
            "1234567890",
            "1234567890123456",
            "-1",
            "_",
            "a-b",
            "",
            " ",
            "true",
            "null",
            "5",
            "1.5",
            "[1]",
            "{}",
            "[[VIDEOID:x]]",
            "a\nb",
            "tab\there",
            "nul\0",
            "é\U0001f600",
            "\u2028",
            "\x7f\x85",
            'quo"te\\',
        ]
    ),
    st.text(max_size=6),
)
STRINGS = st.one_of(
    TEXTS.map(json.dumps),
    TEXTS.map(lambda text: orjson.dumps(text).decode()),
    st.sampled_from(
        [
            '"\\ud83d"',
            '"\\ude00x"',
            '"\\ud83d\\ude00"',
            '"\\ude00\\ud83d"',
            '"\\u0000"',
            '"\\uD83D\\u0041"',
            '"\\u12"',
            '"\\q"',
            '"a\\/b"',
            '"unended',
            '"ctrl\x01"',
            '"raw\ttab"',
        ]
    ),
)
NESTED = st.recursive(
    NUMBERS | WORDS | STRINGS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2).map(lambda parts: f"[{', '.join(parts)}]"),
        st.tuples(STRINGS, inner).map(lambda pair: f"{{{pair[0]}: {pair[1]}}}"),
    ),
    max_leaves=4,
)


@st.composite
def _lines(draw: st.DrawFn, release: Release) -> bytes:
    fields = _fields(release)
    values = {
        "user": '"U1"',
        "item": '"B00"',
        "rating": "4.0",
        "time": "86400",
        "summary": '"Nice"',
        "text": '"Works"',
        "verified": "true",
    }
    entry = {fields[name]: values[name] for name in fields}
    entry |= {"reviewerName": '"Somebody"', "style": '{"Size:": " L"}'}
    for name in draw(st.lists(st.sampled_from([*entry]), max_size=2)):
        entry[name] = draw(NESTED)
    for name in draw(st.lists(st.sampled_from([*entry]), max_size=1)):
        del entry[name]
    blank = draw(st.sampled_from(["", " ", "  ", "\t"]))
    parts = [f'"{name}":{blank}{value}' for name, value in entry.items()]
    line = f"{blank}{{{f',{blank}'.join(draw(st.permutations(parts)))}}}{blank}".encode()
    return draw(
        st.sampled_from([line] * 8 + [line[:-1], line + b",", line[1:], b"", b" ", line + b"\r"])
        | st.integers(0, len(line)).map(lambda cut: line[:cut] + b"\xff" + line[cut + 1 :])
    )


@pytest.mark.parametrize("format", ["amazon-2014", "amazon-2018", "amazon-2023"])
@given(data=st.data())
@settings(max_examples=250, deadline=None)
def test_both_ways_give_the_same_rows(format: Format, data: st.DataObject) -> None:
    lines = data.draw(st.lists(_lines(RELEASES[format]), min_size=1, max_size=3))
    ending = data.draw(st.sampled_from([b"", b"\n"]))
    _check_both_ways_agree(
        Block(path=Path("r"), first_row=1, data=b"\n".join(lines) + ending), format
    )


@pytest.mark.parametrize("format", ["amazon-2014", "amazon-2018", "amazon-2023"])
def test_clean_reviews_are_parsed_at_once(format: Format) -> None:
    fields = _fields(RELEASES[format])
    entry = {"user": "AE", "item": "0001713353", "rating": 4, "time": 7, "summary": "5"}
    line = json.dumps({fields[name]: value for name, value in entry.items()}).encode()
    assert _check_both_ways_agree(Block(path=Path("r"), first_row=1, data=line * 1 + b"\n"), format)


PLAIN = b'{"user_id":"U","parent_asin":"I","rating":1,"timestamp":1,"text":"T"}\n'


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"U"', b"99999999999999999999"),
        (b'"U"', b"18446744073709551616"),
        (b'"U"', b"1e20"),
        (b'"U"', b"-5"),
        (b'"U"', b"true"),
        (b'"U"', b"[1]"),
        (b'"I"', b'"not plain"'),
        (b'"I"', b"null"),
        (b'"rating":1', b'"rating":1e30'),
        (b'"rating":1', b'"rating":1e39'),
        (b'"rating":1', b'"rating":"1"'),
        (b'"timestamp":1', b'"timestamp":1.0'),
        (b'"T"', b'"\\u0000"'),
        (b'"T"', b'"\\ud83d"'),
        (b'"T"', b"5"),
        (b'"T"', b"1.5"),
        (b'"T"', b"false"),
        (b'"T"', b'["T"]'),
        (b'"T"', b'{"T": "T"}'),
        (b'"T"', b'"T","style":"\\ude00"'),
        (b'"T"', b'"T","verified_purchase":"true"'),
        (b"}\n", b"}\n\n"),
        (b"}\n", b"}" + PLAIN + b"\n"),
    ],
)
def test_what_the_quick_way_would_read_otherwise_is_left_to_the_other(
    old: bytes, new: bytes
) -> None:
    block = Block(path=Path("r"), first_row=1, data=PLAIN + PLAIN)
    assert _check_both_ways_agree(block, "amazon-2023")
    odd = Block(path=Path("r"), first_row=1, data=PLAIN + PLAIN.replace(old, new))
    assert _at_once(odd, "amazon-2023") is None


@pytest.mark.parametrize("value", [b"7", b"7.0", b"1e5", b"123456789012345", b'"1234567890"'])
def test_ids_that_are_numbers_read_alike_both_ways(value: bytes) -> None:
    block = Block(path=Path("r"), first_row=1, data=PLAIN.replace(b'"U"', value))
    assert _check_both_ways_agree(block, "amazon-2023")


@pytest.mark.parametrize("escaped", ['"\\ud83d"', '"\\ude00"', '"\\ude00\\ud83d"'])
def test_half_a_character_in_a_field_that_is_not_read_rejects_the_row_both_ways(
    escaped: str,
) -> None:
    line = '{"reviewerID": "U", "asin": "I", "overall": 1, "unixReviewTime": 1, "style": %s}\n'
    for text, parsed in ((escaped, False), ('"\\ud83d\\ude00"', True)):
        block = Block(path=Path("r"), first_row=1, data=(line % text).encode())
        assert _check_both_ways_agree(block, "amazon-2018") == parsed
        assert len(_one_by_one(block, "amazon-2018")[0]) == parsed


def test_a_text_that_holds_half_a_character_rejects_the_row_both_ways() -> None:
    line = b'{"reviewerID": "U", "asin": "I", "summary": {"\\ud83d": 0}}\n'
    block = Block(path=Path("r"), first_row=1, data=line)
    assert _at_once(block, "amazon-2018") is None
    assert len(_one_by_one(block, "amazon-2018")[1]) == 1


def test_of_a_field_that_is_there_twice_some_value_counts() -> None:
    line = b'{"reviewerID": "U", "asin": "A", "asin": "B", "overall": 1, "unixReviewTime": 1}\n'
    block = Block(path=Path("r"), first_row=1, data=line)
    ways = [_at_once(block, "amazon-2018"), _one_by_one(block, "amazon-2018")[0]]
    assert all(found and found[0][1] in ("A", "B") for found in ways)


REAL: list[tuple[str, str, Format, int]] = [
    ("amazon2018-small-5core", "Magazine_Subscriptions_5.json.gz", "amazon-2018", 2375),
    ("amazon2018-small-5core", "Appliances_5.json.gz", "amazon-2018", 2277),
    ("amazon2018-small-5core", "All_Beauty_5.json.gz", "amazon-2018", 5269),
    ("amazon2018-small-5core", "AMAZON_FASHION_5.json.gz", "amazon-2018", 3176),
    ("amazon2018-giftcards-images", "Gift_Cards_5.json.gz", "amazon-2018", 2972),
    (
        "amazon2014-music-movies",
        "reviews_Digital_Music_5.first6908.json.gz",
        "amazon-2014",
        6908,
    ),
    ("amazon2014-music-movies", "reviews_Movies_and_TV_5.first999.json.gz", "amazon-2014", 999),
]


@pytest.mark.parametrize(("folder", "name", "format", "count"), REAL)
def test_real_dumps_are_parsed_at_once_and_as_one_by_one(
    real: Callable[[str], Path], folder: str, name: str, format: Format, count: int
) -> None:
    (block,) = read_blocks(real(folder) / name)
    assert _check_both_ways_agree(block, format)
    assert len(_one_by_one(block, format)[0]) == count


@pytest.mark.parametrize(
    ("name", "users", "items"),
    [
        ("Magazine_Subscriptions", 348, 157),
        ("Appliances", 47, 48),
        ("All_Beauty", 991, 85),
        ("AMAZON_FASHION", 406, 31),
    ],
)
def test_real_dumps_have_their_published_users_and_items(
    real: Callable[[str], Path], name: str, users: int, items: int
) -> None:
    path = real("amazon2018-small-5core") / f"{name}_5.json.gz"
    found = pa.Table.from_batches(read_amazon_reviews(path, _log()))
    assert len(found["user_id"].unique()) == users
    assert len(found["item_id"].unique()) == items


def test_a_real_dump_reads_the_same_however_it_is_packed(
    real: Callable[[str], Path], tmp_path: Path
) -> None:
    source = real("amazon2018-giftcards-images") / "Gift_Cards_5.json.gz"
    data = gzip.decompress(source.read_bytes())
    (tmp_path / "plain").write_bytes(data)
    (tmp_path / "zstd").write_bytes(pa.compress(data, codec="zstd", asbytes=True))
    tables = [
        pa.Table.from_batches(read_amazon_reviews(path, _log()))
        for path in (source, tmp_path / "plain", tmp_path / "zstd")
    ]
    assert tables[0] == tables[1] == tables[2]
