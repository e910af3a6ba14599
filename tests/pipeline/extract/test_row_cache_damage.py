"""A damaged part is found by checksum, named, set aside, and its rows are computed again."""

import contextlib
import logging
import os
import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.extract.cache_parts import healthy, load_rows, write_part
from pipeline.extract.cache_upkeep import verify
from pipeline.extract.row_cache import CachedRows, LostRows
from tests.pipeline.extract.cached_rows import add, flip, holds, keys_of, open_rows, part_paths


@pytest.fixture
def rows(tmp_path: Path) -> CachedRows:
    rows = open_rows(tmp_path)
    add(rows, range(100))
    add(rows, range(100, 200))
    return rows


def damaged(rows: CachedRows, damage: Callable[[Path], None]) -> Path:
    """The part of the first hundred rows, after the damage."""
    sizes = {path: pq.read_table(path)["value"][0]["prompt_tokens"] for path in part_paths(rows)}
    path = next(path for path, first in sizes.items() if first.as_py() == 0)
    damage(path)
    return path


def value_page(path: Path) -> int:
    """A byte in the middle of the texts."""
    column = pq.read_metadata(path).row_group(0).column(2)
    return int(column.data_page_offset + column.total_compressed_size // 2)


def set_aside(rows: CachedRows) -> list[str]:
    return sorted(path.name for path in (rows.folder / "corrupt").glob("*"))


def test_a_bit_in_a_value_loses_its_part_alone(
    rows: CachedRows, caplog: pytest.LogCaptureFixture
) -> None:
    path = damaged(rows, lambda path: flip(path, value_page(path)))
    assert rows.known(keys_of(rows, range(200))).all()
    with pytest.raises(LostRows, match="100 of 101 rows"):
        rows.fetch(keys_of(rows, range(101)))
    [record] = caplog.records
    assert record.levelno == logging.WARNING and record.name.startswith("pipeline.extract")
    assert str(path) in record.message and "corrupt" in record.message
    assert set_aside(rows) == [path.name] and not path.exists()
    assert rows.known(keys_of(rows, [99, 100])).tolist() == [False, True]
    assert holds(rows, range(100, 200))
    assert add(rows, range(200)) == 100
    assert holds(rows, range(200)) and holds(open_rows(rows.folder.parents[2]), range(200))


def test_every_single_bit_matters_to_whoever_reads_the_value(rows: CachedRows) -> None:
    pristine = part_paths(rows)[0].read_bytes()
    path = part_paths(rows)[0]
    for place in np.linspace(0, len(pristine) - 1, num=60, dtype=int):
        flip(path, int(place))
        fresh = open_rows(rows.folder.parents[2])
        with pytest.raises(LostRows, match="100 of 200"):
            fresh.fetch(keys_of(fresh, range(200)))
        assert set_aside(rows) == [path.name]
        (rows.folder / "corrupt" / path.name).unlink()
        path.write_bytes(pristine)


@pytest.mark.parametrize("kept", [0, 3, 500, -1])
def test_a_truncated_part_is_found_when_the_index_is_read(
    rows: CachedRows, kept: int, caplog: pytest.LogCaptureFixture
) -> None:
    path = damaged(rows, lambda path: path.write_bytes(path.read_bytes()[:kept]) and None)
    fresh = open_rows(rows.folder.parents[2])
    assert fresh.known(keys_of(fresh, range(200))).tolist() == [False] * 100 + [True] * 100
    assert path.name in caplog.text and set_aside(rows) == [path.name]


def test_a_bit_in_a_key_is_found_when_the_index_is_read(rows: CachedRows) -> None:
    def damage(path: Path) -> None:
        flip(path, pq.read_metadata(path).row_group(0).column(0).data_page_offset + 100)

    path = damaged(rows, damage)
    fresh = open_rows(rows.folder.parents[2])
    assert fresh.known(keys_of(fresh, range(200))).sum() == 100
    assert set_aside(rows) == [path.name]


def test_any_bit_of_a_footer_is_found_by_verify(rows: CachedRows) -> None:
    path = part_paths(rows)[0]
    pristine = path.read_bytes()
    footer = len(pristine) - 8 - int.from_bytes(pristine[-8:-4], "little")
    for place in np.linspace(footer, len(pristine) - 1, num=40, dtype=int):
        flip(path, int(place))
        [verdict] = verify(rows.folder.parents[2])
        assert verdict.corrupt == (path.name,) and verdict.rows == 100
        (rows.folder / "corrupt" / path.name).unlink()
        path.write_bytes(pristine)


def test_a_damaged_footer_never_stops_a_run(rows: CachedRows) -> None:
    """Where reading the index does not find it, reading the values does."""
    path = part_paths(rows)[0]
    pristine = path.read_bytes()
    footer = len(pristine) - 8 - int.from_bytes(pristine[-8:-4], "little")
    for place in np.linspace(footer, len(pristine) - 1, num=40, dtype=int):
        flip(path, int(place))
        fresh = open_rows(rows.folder.parents[2])
        if fresh.known(keys_of(fresh, range(200))).all():
            with pytest.raises(LostRows):
                fresh.fetch(keys_of(fresh, range(200)))
        assert set_aside(rows) == [path.name]
        (rows.folder / "corrupt" / path.name).unlink()
        path.write_bytes(pristine)


def test_a_whole_part_that_cannot_be_opened_is_not_called_corrupt(rows: CachedRows) -> None:
    """Too many open files is a fault of the moment: no row may be thrown away for it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    opened: list[int] = []
    try:
        with contextlib.suppress(OSError):
            while True:
                opened.append(os.open("/dev/null", os.O_RDONLY))
        with pytest.raises(OSError, match="Too many open files"):
            healthy(part_paths(rows)[0], load_rows)
    finally:
        for descriptor in opened:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert set_aside(rows) == [] and holds(rows, range(200))


def test_a_reader_that_fails_on_a_whole_part_does_not_make_it_corrupt(rows: CachedRows) -> None:
    stranger = write_part(rows.folder, pa.table({"no": ["key"]}))
    with pytest.raises(KeyError, match="key"):
        healthy(stranger, load_rows)
    stranger.unlink()
    assert set_aside(rows) == [] and holds(rows, range(200))
