"""What is fuzzed: of each reader the parts that see raw bytes, as functions of bytes.

Each checks one property: whatever the bytes are, a parser gives rows whose values fit the schema,
or raises RowError, and nothing else ever; a parser of whole blocks gives the rows that its slow
twin gives. A function returns how many rows it saw; a violation is any other exception.
"""

import dataclasses
import json
import math
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow as pa

from pipeline.catalog import Domain, Format
from pipeline.columns import RAW_ITEMS, REVIEWS
from pipeline.ingest.formats import (
    abxi,
    amazon2023_histories,
    amazon_items,
    amazon_reviews,
    behaviour_files,
    c2dsr,
    delimited,
    llmcdsr,
    movielens,
    own_table,
    quoted_csv,
    ratings_csv,
    recbole,
    tmall_layouts,
    tmall_log,
    user_sequences,
)
from pipeline.ingest.formats.amazon_releases import RELEASES
from pipeline.ingest.formats.blocks import Block, decode
from pipeline.ingest.formats.python_literals import parse_literal
from pipeline.ingest.formats.rows import ReadLog, RowError, shown
from pipeline.ingest.formats.typed_rows import Rows, review_batch, usable_rows

Cells = list[tuple[Any, ...]]
Parser = Callable[[bytes], int]
PATH = Path("fuzzed")
NAMES = {name: name for name in REVIEWS.names}


def _log(format: Format = "amazon-2018") -> ReadLog:
    assert format in get_args(Format)
    domain = Domain(
        name="fuzzed",
        title="fuzzed",
        format=format,
        folder="ml-fuzzed",
        category="C",
        order="user-item",
        max_rejected_rows=1 << 40,
    )
    return ReadLog(domain=domain)


def _check_rows(rows: Iterable[tuple[Any, ...]], schema: pa.Schema) -> int:
    """The number of rows, each of which fits the schema."""
    count = 0
    for row in rows:
        assert len(row) == len(schema.names), f"{len(row)} values"
        for value, field in zip(row, schema, strict=True):
            array = pa.array([value], field.type)
            array.validate(full=True)
            if pa.types.is_floating(field.type) and value is not None:
                assert math.isfinite(array[0].as_py()), f"{value} is too large for {field.type}"
        count += 1
    return count


def _check_parser(
    parse: Callable[[str], Iterable[tuple[Any, ...]]], schema: pa.Schema, data: bytes
) -> int:
    """The rows of all lines; RowError is none."""
    count = 0
    for _, line in _block(data).lines():
        try:
            count += _check_rows(parse(decode(line)), schema)
        except RowError as error:
            str(error).encode()  # it is stored
    return count


# -- Amazon --------------------------------------------------------------------------------


def amazon_reviews_line(data: bytes) -> int:
    count = 0
    for release in RELEASES.values():
        try:
            row = amazon_reviews._review(amazon_reviews.parse_object(data), release)
        except RowError as error:
            str(error).encode()
        else:
            count += _check_rows([row], REVIEWS)
    return count


def amazon_reviews_block(data: bytes) -> int:
    block, release = _block(data), RELEASES["amazon-2023"]
    frame = amazon_reviews._parsed_at_once(block, release)
    if frame is None:
        return 0
    log = _log()
    slow = list(amazon_reviews._parsed_one_by_one(block, release, log))
    if not any(_repeats_a_field(line) for _, line in block.lines()):
        assert (_in_32_bits(slow), log.rejected) == (frame.rows(), [])
    return _check_rows(frame.rows(), REVIEWS)


def _repeats_a_field(line: bytes) -> bool:
    """Which of its values counts, JSON leaves open."""
    names = [name for name, _ in json.loads(line, object_pairs_hook=list, parse_int=str)]
    return len(set(names)) < len(names)


def _in_32_bits(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """With ratings as the schema holds them."""
    return [(*row[:3], float(np.float32(row[3])), *row[4:]) for row in rows]


def amazon_items_line(data: bytes) -> int:
    count = 0
    for release in RELEASES.values():
        try:
            row = amazon_items._item(amazon_reviews.parse_object(data), release)
        except RowError as error:
            str(error).encode()
        else:
            count += _check_rows([row], RAW_ITEMS)
    return count


def python_literal(data: bytes) -> int:
    try:
        value = parse_literal(decode(data))
    except RowError as error:
        str(error).encode()
        return 0
    shown(value)
    return 1


def amazon2023_history(data: bytes) -> int:
    count = 0
    try:
        record = amazon2023_histories._object(data)
        user = amazon2023_histories._required(record, "user_id", str)
        history = amazon2023_histories._required(record, "history", list)
    except RowError as error:
        str(error).encode()
        return 0
    for entry in history:
        if isinstance(entry, dict):
            for parse, schema in (
                (partial(amazon2023_histories._review, user), REVIEWS),
                (partial(amazon2023_histories._item, user), RAW_ITEMS),
            ):
                try:
                    count += _check_rows([parse(entry)], schema)
                except RowError as error:
                    str(error).encode()
    return count


# -- blocks of separated fields ------------------------------------------------------------


def _block(data: bytes) -> Block:
    return Block(path=PATH, first_row=1, data=data)


def _batch(rows: Rows, required: tuple[str, ...]) -> tuple[pa.RecordBatch, list[Any]]:
    log = _log()
    batch = review_batch(PATH, rows, NAMES, required, log)
    batch.validate(full=True)
    assert batch.schema.types == REVIEWS.types
    assert log.rows == batch.num_rows
    return batch, log.rejected


def _check_delimited(layout: delimited.Layout, required: tuple[str, ...], data: bytes) -> int:
    block = _block(data)
    slow, rejected = _batch(delimited.rows_one_by_one(block, layout), required)
    quick = delimited.rows_at_once(block, layout)
    if quick is not None:
        batch, of_quick = _batch(quick, required)
        assert batch.equals(slow), f"{batch.to_pylist()} at once, {slow.to_pylist()} one by one"
        assert of_quick == rejected
    return slow.num_rows


def _layout(separator: str, width: int = 4) -> delimited.Layout:
    places = {"user_id": 0, "item_id": 1, "rating": 2, "timestamp": 3}
    return delimited.Layout(separator=separator, width=width, places=places, names=NAMES)


def ratings_csv_block(data: bytes) -> int:
    return _check_delimited(_layout(","), ratings_csv.REQUIRED, data)


def movielens_dat_block(data: bytes) -> int:
    return _check_delimited(_layout("::"), movielens.REQUIRED, data)


def recbole_inter_block(data: bytes) -> int:
    return _check_delimited(_layout("\t", width=5), recbole.REQUIRED, data)


def _records(data: bytes, cut: int, layout: delimited.Layout, quick: bool) -> tuple[Cells, Cells]:
    """Numbers and cells of records, numbers and reasons of rejected ones; read in two blocks."""
    records: Cells = []
    rejected: Cells = []
    rest = _block(b"")
    for block, is_last in ((data[:cut], False), (data[cut:], False), (b"", True)):
        whole = dataclasses.replace(rest, data=rest.data + block)
        found = quoted_csv.records_at_once(whole, layout) if quick and block else None
        rows, rest = found or quoted_csv.records_one_by_one(whole, layout, is_last=is_last)
        columns = (column.to_pylist() for column in rows.columns.values())
        records += zip(rows.numbers.tolist(), *columns, strict=True)
        rejected += rows.rejected
    return records, sorted(rejected)


def _check_quoted(layout: delimited.Layout, data: bytes) -> Rows:
    """Quick or slow, whole or in two blocks: the records are the same."""
    expected = _records(data, 0, layout, quick=False)
    for cut in (0, data.find(b"\n", len(data) // 2) + 1, data.find(b"\n") + 1):
        for quick in (True, False):
            found = _records(data, cut, layout, quick)
            assert found == expected, f"{found} quick {quick} cut {cut}, not {expected}"
    return quoted_csv.records_one_by_one(_block(data), layout, is_last=True)[0]


def own_table_block(data: bytes) -> int:
    """Every column of REVIEWS."""
    places = {name: place for place, name in enumerate(REVIEWS.names[:-1])}
    layout = delimited.Layout(separator=",", width=len(places), places=places, names=NAMES)
    return _batch(_check_quoted(layout, data), own_table._REQUIRED)[0].num_rows


def own_table_items(data: bytes) -> int:
    places = {"item_id": 0, "title": 1, "price": 2}
    names = {name: name for name in places}
    layout = delimited.Layout(separator=";", width=3, places=places, names=names)
    rows = _check_quoted(layout, data)
    typed = usable_rows(PATH, rows, names, ("item_id",), _log())
    for values in typed.values():
        values.validate(full=True)
        assert values.type == pa.string()
    return len(typed["item_id"])


# -- lines of text -------------------------------------------------------------------------


def _one_row(parse: Callable[[str], tuple[Any, ...]]) -> Callable[[str], list[tuple[Any, ...]]]:
    return lambda line: [parse(line)]


def recbole_item(data: bytes) -> int:
    fields = ("item_id", "title", "genres", "brand", "price")
    types = ("token", "token_seq", "token_seq", "token", "float")
    header = recbole._Header(path=PATH, row=1, fields=fields, types=types)
    found = recbole._places(header, recbole._ITEM_FIELDS, ("item_id",))
    parse = partial(recbole._item, header=header, found=found)
    return _check_parser(_one_row(parse), RAW_ITEMS, data)


def movielens_movie(data: bytes) -> int:
    count = 0
    for parse in (movielens._movie_of_csv, movielens._movie_of_dat, movielens._movie_of_100k):
        text = movielens._utf8_or_latin1(data)
        count += _check_parser(_one_row(parse), RAW_ITEMS, text.encode())
    return count


def user_sequence(data: bytes) -> int:
    def parse(line: str) -> Iterable[tuple[Any, ...]]:
        user, items = user_sequences._sequence(line, set())
        return ((user, item, place, *[None] * 5) for place, item in enumerate(items))

    items = _check_parser(_one_row(user_sequences._item), RAW_ITEMS, data)
    return _check_parser(parse, REVIEWS, data) + items


def c2dsr_line(data: bytes) -> int:
    def parse(line: str) -> Iterable[tuple[Any, ...]]:
        name, events = c2dsr._sequence(line, set(), num_items=1000)
        in_order = c2dsr._in_order(events)
        return ((name, str(item), time, *[None] * 5) for item, time in in_order)

    def asin(line: str) -> Iterable[tuple[Any, ...]]:
        return [(c2dsr._item_id(line, expected=3), *[None] * 7)]

    return _check_parser(parse, REVIEWS, data) + _check_parser(asin, RAW_ITEMS, data)


def abxi_line(data: bytes) -> int:
    maps = abxi.Maps(users=["U"] * 1000, items=["I"] * 1000, domains=[0] * 1000)

    def parse(line: str) -> Iterable[tuple[Any, ...]]:
        user, events = abxi._sequence(line, maps, set())
        return (
            (maps.users[user], maps.items[item - 1], time, *[None] * 5) for item, time in events
        )

    return _check_parser(parse, REVIEWS, data)


def llmcdsr_line(data: bytes) -> int:
    numbering = llmcdsr.Numbering(allowed=range(10, 1000), total=2000)

    def parse(line: str) -> Iterable[tuple[Any, ...]]:
        line_id, items = llmcdsr._sequence(line, set(), numbering)
        return ((line_id, str(item), place, *[None] * 5) for place, item in enumerate(items))

    return _check_parser(parse, REVIEWS, data)


def behaviour_line(data: bytes) -> int:
    def parse(line: str) -> Iterable[tuple[Any, ...]]:
        user, items = behaviour_files._sequence(line)
        return ((user, item, 0, *[None] * 5) for item in items)

    return _check_parser(parse, REVIEWS, data)


TMALL = (
    ("Rec-Tmall", "\x01", 4, (1, 0, 2, 3)),
    ("Rec-Tmall", ",", 4, (1, 0, 2, 3)),
    ("IJCAI-15", ",", 7, (0, 1, 6, 5)),
    ("UserBehavior", ",", 5, (0, 1, 3, 4)),
)


def tmall_block(data: bytes) -> int:
    count = 0
    for name, separator, width, positions in TMALL:
        lines = tmall_layouts.Lines(
            layout=tmall_layouts.LAYOUTS[name],
            separator=separator,
            positions=positions,
            width=width,
            header_row=0,
        )
        log = _log("tmall-log")
        slow = list(tmall_log._parsed_one_by_one(_block(data), lines, log))
        count += _check_rows(slow, REVIEWS)
        quick = tmall_log._parsed_at_once(_block(data), lines)
        if quick is not None:
            assert (quick.rows(), []) == (slow, log.rejected)
    return count


def tmall_beginning(data: bytes) -> int:
    """ValueError is how a file of no known layout is reported."""
    try:
        tmall_layouts.recognised(_block(data))
    except RowError:
        raise
    except ValueError as error:
        assert str(error).startswith(str(PATH))
        return 0
    return 1


PARSERS: dict[str, Parser] = {
    parser.__name__: parser
    for parser in (
        amazon_reviews_line,
        amazon_reviews_block,
        amazon_items_line,
        python_literal,
        amazon2023_history,
        ratings_csv_block,
        movielens_dat_block,
        recbole_inter_block,
        own_table_block,
        own_table_items,
        recbole_item,
        movielens_movie,
        user_sequence,
        c2dsr_line,
        abxi_line,
        llmcdsr_line,
        behaviour_line,
        tmall_block,
        tmall_beginning,
    )
}
