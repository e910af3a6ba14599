"""Handmade logs in each layout; the vectorised path against the lines read one by one."""

import gzip
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.catalog import Domain
from pipeline.columns import REVIEWS
from pipeline.ingest.formats import tmall_log
from pipeline.ingest.formats.blocks import read_blocks
from pipeline.ingest.formats.rows import ReadLog

_REC = [
    "3903192\x01u6276408\x01click\x012014-09-18 15:03:00",
    "17\x01u1\x01collect\x012014-09-18 15:03:01",
    "17\x01u1\x01cart\x012014-09-19 00:00:00",
    "17\x01u2\x01alipay\x012014-11-11 23:59:59",
]
_IJCAI_HEADER = "user_id,item_id,cat_id,seller_id,brand_id,time_stamp,action_type"
_IJCAI = [
    "328862,323294,833,2882,2661,0829,0",
    "328862,844400,1271,2882,,829,1",
    "5,111,11,101,5,1111,2",
    "5,112,11,101,5,0511,3",
]
_TAOBAO = [
    "1,2268318,2520377,pv,1511544070",
    "1,2333346,2520771,buy,1511561733",
    "2,230380,411153,cart,-5",
    "2,230381,411153,fav,1511713473",
]


def _log(rejected: int = 0) -> ReadLog:
    name = "tmall"
    return ReadLog(
        domain=Domain(
            name=name, title=name, format="tmall-log", reviews="log", max_rejected_rows=rejected
        )
    )


def _read(path: Path, log: ReadLog) -> pl.DataFrame:
    batches = list(tmall_log.read_reviews({"reviews": path}, log))
    assert all(batch.schema.types == REVIEWS.types for batch in batches)
    assert sum(batch.num_rows for batch in batches) == log.rows
    schema = pa.schema(list(zip(REVIEWS.names, REVIEWS.types, strict=True)))
    return pl.DataFrame(pa.Table.from_batches(batches, schema))


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    def write(lines: list[str] | bytes) -> Path:
        path = tmp_path / "log.txt"
        data = (
            lines if isinstance(lines, bytes) else "".join(f"{line}\n" for line in lines).encode()
        )
        path.write_bytes(data)
        return path

    return write


def _events(frame: pl.DataFrame) -> list[tuple[str, str, int, str]]:
    return frame.select("user_id", "item_id", "timestamp", "behaviour").rows()


_REC_EVENTS = [
    ("u6276408", "3903192", 1411052580, "view"),
    ("u1", "17", 1411052581, "collect"),
    ("u1", "17", 1411084800, "cart"),
    ("u2", "17", 1415750399, "buy"),
]


def test_rec_tmall_lines_become_events(written: Callable[..., Path]) -> None:
    frame = _read(written(_REC), _log())
    assert _events(frame) == _REC_EVENTS
    empty = frame.select("rating", "text", "verified", "part")
    assert empty.null_count().row(0) == (4, 4, 4, 4)


def test_a_re_export_with_a_header_and_short_times_reads_the_same(
    written: Callable[..., Path],
) -> None:
    sample = ["item_id,user_id,action,vtime", "i161,u2625,click,2014/9/18 15:03"]
    assert _events(_read(written(sample), _log())) == [("u2625", "i161", 1411052580, "view")]


def test_columns_of_a_header_may_stand_in_any_order(written: Callable[..., Path]) -> None:
    for mark in ("\t", ","):
        lines = [mark.join(("vtime", "user_id", "action", "item_id"))]
        lines.append(mark.join(("2014-09-18 15:03:00", "u6276408", "click", "3903192")))
        assert _events(_read(written(lines), _log())) == _REC_EVENTS[:1]


def test_days_of_ijcai_are_midnights_of_2014(written: Callable[..., Path]) -> None:
    assert _events(_read(written([_IJCAI_HEADER, *_IJCAI]), _log())) == [
        ("328862", "323294", 1409270400, "view"),
        ("328862", "844400", 1409270400, "cart"),
        ("5", "111", 1415664000, "buy"),
        ("5", "112", 1399766400, "collect"),
    ]


def test_taobao_lines_without_a_header_become_events(written: Callable[..., Path]) -> None:
    assert _events(_read(written(_TAOBAO), _log())) == [
        ("1", "2268318", 1511544070, "view"),
        ("1", "2333346", 1511561733, "buy"),
        ("2", "230380", -5, "cart"),
        ("2", "230381", 1511713473, "collect"),
    ]


def test_packed_windows_text_with_a_byte_order_mark_reads_the_same(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    text = "\ufeff" + "\r\n".join([_IJCAI_HEADER, "", *_IJCAI])
    path.write_bytes(gzip.compress(text.encode()))
    assert _read(path, _log())["item_id"].to_list() == ["323294", "844400", "111", "112"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1,2,3,pv", "4 fields parted by ',', not 5"),
        ("1,2,3,pv,4,5", "6 fields parted by ',', not 5"),
        ("1,2,3,browse,4", "'behavior_type' is 'browse'; it must be of pv, buy, cart, fav"),
        ("1,2,3,pv,soon", "'timestamp' is 'soon'"),
        ("1,2,3,pv,", "'timestamp' is ''"),
        ("1,2,3,pv,1_0", "'timestamp' is '1_0'"),
        ("1,2,3,pv,٣", "'timestamp' is '٣'"),
        ("1,2,3,pv,9223372036854775808", "'timestamp' is '9223372036854775808'"),
        ("1,2,3,pv," + "9" * 5000, "'timestamp' is '999"),
    ],
)
def test_a_line_that_is_no_event_is_rejected_with_its_number(
    written: Callable[..., Path], line: str, reason: str
) -> None:
    log = _log(rejected=1)
    frame = _read(written([*_TAOBAO, "", line, *_TAOBAO]), log)
    assert frame.height == 8
    assert [(entry.file, entry.row) for entry in log.rejected] == [("log.txt", 6)]
    assert reason in log.rejected[0].reason
    with pytest.raises(ValueError, match=r"row 6: .*max_rejected_rows allows 0"):
        _read(written([*_TAOBAO, "", line, *_TAOBAO]), _log())


@pytest.mark.parametrize("day", ["0229", "0000", "1301", "31", "2014-05-11", "05 11"])
def test_a_day_that_2014_has_not_is_rejected(written: Callable[..., Path], day: str) -> None:
    log = _log(rejected=1)
    _read(written([_IJCAI_HEADER, f"5,111,11,101,5,{day},2", *_IJCAI]), log)
    assert [entry.row for entry in log.rejected] == [2]


@pytest.mark.parametrize("time", ["2014-02-30 00:00:00", "2014-09-18 24:00:00", "0000-01-01", "x"])
def test_a_time_that_is_none_is_rejected(written: Callable[..., Path], time: str) -> None:
    log = _log(rejected=1)
    assert _read(written([*_REC, f"17\x01u1\x01cart\x01{time}"]), log).height == 4
    assert [entry.row for entry in log.rejected] == [5]


def test_a_line_that_is_not_utf_8_is_rejected(written: Callable[..., Path]) -> None:
    log = _log(rejected=1)
    data = "\n".join(_TAOBAO).encode() + b"\n\xff\xfe,2,3,pv,4\n"
    assert _read(written(data), log).height == 4
    assert "not UTF-8" in log.rejected[0].reason


def test_a_damaged_first_line_does_not_hide_the_layout(written: Callable[..., Path]) -> None:
    log = _log(rejected=1)
    assert _events(_read(written(["17\x01u1\x01ca", *_REC]), log)) == _REC_EVENTS
    assert [entry.row for entry in log.rejected] == [1]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["user_id,item_id,cat_id,seller_id,brand_id,time_stamp"], "'action_type'"),
        (["item_id,user_id,action"], "needs one column 'vtime'"),
        (["item_id,item_id,user_id,action,vtime"], "needs one column 'item_id'"),
        (["u1\x0117\x01cart\x012014-09-19 00:00:00"], "of a known layout"),
        (_IJCAI, "IJCAI-15 with its header line"),
        (["a,b", "1,2"], "2 fields parted by ','"),
        (["", "  "], "blank lines alone"),
    ],
)
def test_a_file_of_no_known_layout_is_named(
    written: Callable[..., Path], lines: list[str], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as error:
        _read(written(lines), _log(rejected=100))
    assert "log.txt" in str(error.value)


def test_an_empty_log_has_no_events_and_no_log_has_items(written: Callable[..., Path]) -> None:
    path = written([])
    assert _read(path, _log()).height == 0
    assert list(tmall_log.read_items({"reviews": path}, _log())) == []


def test_the_log_is_the_only_file(written: Callable[..., Path]) -> None:
    assert tmall_log.places(_log().domain) == {"reviews": ("log", "reviews")}


def test_both_paths_agree_on_two_hundred_thousand_lines(
    written: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = random.Random(7)
    actions = ("click", "collect", "cart", "alipay")
    lines = [
        f"{draw.randrange(9000)}\x01u{draw.randrange(9999)}\x01{draw.choice(actions)}\x01"
        f"{draw.choice((2013, 2014))}-{draw.randrange(1, 13):02d}-{draw.randrange(1, 29):02d} "
        f"{draw.randrange(24):02d}:{draw.randrange(60):02d}:{draw.randrange(60):02d}"
        for _ in range(200_000)
    ]
    for place in (0, 77_777, 199_999):
        lines[place] = lines[place].replace("u", "u\x01")
    path = written(lines)
    monkeypatch.setattr(tmall_log, "read_blocks", partial(read_blocks, size=1 << 20))
    log, plain_log = _log(rejected=3), _log(rejected=3)
    frame = _read(path, log)
    monkeypatch.setattr(tmall_log, "_parsed_at_once", lambda block, lines: None)
    assert frame.equals(_read(path, plain_log))
    assert log.rejected == plain_log.rejected
    assert [entry.row for entry in log.rejected] == [1, 77_778, 200_000]
    assert frame.height == 199_997


_LOGS = [
    (_REC[0], _REC, "\x01"),
    ("item_id,user_id,action,vtime", [line.replace("\x01", ",") for line in _REC], ","),
    (_IJCAI_HEADER, _IJCAI, ","),
    (_TAOBAO[0], _TAOBAO, ","),
    ("vtime\taction\tuser_id\titem_id\tnote", ["2014-09-18 15:03:00\tclick\tu1\t7\tx"] * 3, "\t"),
]
_CELLS = [
    *(
        "",
        " ",
        "7",
        "u7",
        "+5",
        "-5",
        " 5",
        "05",
        "5 ",
        '"',
        '"5"',
        "NULL",
        "\r",
        "\ufffd",
        "é",
        "0",
    ),
    *("2014-09-18 15:03:00", "2014-02-30 15:03:00", "2014/9/8 1:03", "1999-12-31T23:59:59.5"),
    *("2014-09-18", "2014-09-18 15:03:60", "0511", "511", "0230", "1511544070", "-1", "9" * 19),
    *("2014-9-18 15:03:00", "2014-09-18 15:03:00 ", "+2014-09-18 15:03:00", "0000-01-01 00:00:00"),
    *("click", "alipay", "pv", "buy", "3", "Click", "cart"),
]


def _damaged(line: str, mark: str, place: int, cell: str) -> str:
    fields = line.split(mark)
    fields[place] = cell
    return mark.join(fields)


def _check_both_paths(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    log, plain_log = _log(rejected=100), _log(rejected=100)
    frame = _read(path, log)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tmall_log, "_parsed_at_once", lambda block, lines: None)
        plain = _read(path, plain_log)
    assert frame.equals(plain)
    assert log.rejected == plain_log.rejected


@pytest.mark.parametrize("cell", _CELLS)
def test_one_odd_cell_is_read_the_same_by_both_paths(tmp_path: Path, cell: str) -> None:
    for first, plain, mark in _LOGS:
        for place in range(first.count(mark) + 1):
            lines = [first, *plain, _damaged(plain[1], mark, place, cell)]
            _check_both_paths(tmp_path / "log", "\n".join(lines).encode())


def test_lines_cut_anywhere_are_read_the_same_by_both_paths(tmp_path: Path) -> None:
    for first, plain, _ in _LOGS:
        for length in range(len(plain[1])):
            lines = [first, plain[0], plain[1][:length], plain[2]]
            _check_both_paths(tmp_path / "log", "\n".join(lines).encode())


@st.composite
def _files(draw: st.DrawFn) -> bytes:
    """A log that begins in one of the layouts; some of its lines are damaged."""
    first, plain, mark = draw(st.sampled_from(_LOGS))
    count = first.count(mark) + 1
    cell = st.sampled_from(_CELLS)
    cells = st.lists(cell, min_size=count - 1, max_size=count + 1).map(mark.join)
    kept = st.sampled_from(plain)
    odd = st.builds(_damaged, kept, st.just(mark), st.integers(0, count - 1), cell)
    lines = draw(st.lists(kept | odd | cells, max_size=8))
    ends = st.sampled_from(["\n", "\n", "\r\n", "\n\n"])
    text = "".join(line + draw(ends) for line in [first, *lines])
    return text.encode() + draw(st.sampled_from([b"", b"\xff\xfe\n", b"\x00"]))


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=_files())
def test_both_paths_give_the_same_rows_and_rejections(data: bytes, tmp_path: Path) -> None:
    _check_both_paths(tmp_path / "log", data)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(junk=st.binary(max_size=200))
def test_no_bytes_after_a_header_break_the_reader(junk: bytes, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(_IJCAI_HEADER.encode() + b"\n" + junk)
    log = _log(rejected=1000)
    frame = _read(path, log)
    assert frame.height + len(log.rejected) == sum(
        1 for line in junk.split(b"\n") if line.removesuffix(b"\r").strip()
    )
