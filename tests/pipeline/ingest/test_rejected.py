"""Rejected rows are stored with their places, and people see the first ones."""

from pathlib import Path

import pytest

from pipeline.catalog import Domain
from pipeline.columns import REJECTED_ROWS
from pipeline.ingest.formats.rows import SHOWN, ReadLog, RowError, batches, shown
from pipeline.ingest.rejected import write_rejected
from pipeline.store import Store


def _log(allowed: int = 100) -> ReadLog:
    domain = Domain(
        name="toys", title="t", format="amazon-2018", reviews="r", max_rejected_rows=allowed
    )
    return ReadLog(domain=domain)


def test_rejected_rows_are_stored_and_the_first_ones_shown(store: Store) -> None:
    log = _log()
    for row in range(1, 13):
        log.reject(Path("/data/raw/a.json"), row, f"field 'x' is '<b>|&{row}'")
    shown_rows = write_rejected(store, "toys/reviews", log)
    table = store.read_table("rejected_rows/toys/reviews")
    assert table.schema.equals(REJECTED_ROWS)
    assert table.num_rows == 12
    assert table.slice(11).to_pylist() == [
        {"file": "a.json", "row": 12, "reason": "field 'x' is '<b>|&12'"}
    ]
    lines = shown_rows.split("\n")
    assert len(lines) == 2 + 10
    assert lines[2] == "| a.json | 1 | field 'x' is '&lt;b&gt;\\|&amp;1' |"


def test_no_rejected_rows_are_an_empty_table_and_no_text(store: Store) -> None:
    assert write_rejected(store, "toys/reviews", _log()) == ""
    assert store.read_table("rejected_rows/toys/reviews").num_rows == 0


def test_rows_rejected_before_are_forgotten(store: Store) -> None:
    log = _log()
    log.reject(Path("a"), 1, "bad")
    write_rejected(store, "toys/reviews", log)
    write_rejected(store, "toys/reviews", _log())
    assert store.read_table("rejected_rows/toys/reviews").num_rows == 0


def test_one_row_more_than_allowed_is_an_error_with_place_reason_and_key() -> None:
    log = _log(allowed=1)
    log.reject(Path("/raw/a.json"), 3, "bad")
    with pytest.raises(ValueError, match=r"^/raw/a\.json row 7: worse\. It is rejected row 2 of"):
        log.reject(Path("/raw/a.json"), 7, "worse")


@pytest.mark.parametrize("value", ["a\nb", "\ud83d", "x" * 10_000, [[]], float("nan")])
def test_any_value_is_shown_on_one_line_that_can_be_stored(value: object) -> None:
    text = shown(value)
    assert len(text) <= SHOWN + 3 and "\n" not in text
    text.encode()


def test_a_value_too_large_to_be_shown_is_named() -> None:
    assert shown(16**9000) == "a value of type int, too large to show"
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    assert shown(value) == "a value of type list, too large to show"


def test_rows_become_batches_of_the_schema() -> None:
    log = _log()
    (batch,) = batches([("f", 1, "r"), ("g", 2, "s")], REJECTED_ROWS, log)
    assert batch.to_pylist()[1] == {"file": "g", "row": 2, "reason": "s"}
    assert log.rows == 2
    assert list(batches([], REJECTED_ROWS, log)) == []
    assert issubclass(RowError, ValueError)
