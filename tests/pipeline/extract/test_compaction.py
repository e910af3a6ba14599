"""Merging small parts keeps every row, its value and its age, and leaves large parts alone."""

import shutil
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.extract import compaction
from pipeline.extract.cache_folder import lock
from pipeline.extract.cache_upkeep import compact, survey, verify
from pipeline.extract.row_cache import CachedRows, RowCache
from pipeline.extract.vectors import stored_vectors, vectors_of
from tests.pipeline.extract.cached_rows import (
    IDENTITY,
    add,
    add_at,
    answers,
    flip,
    holds,
    keys_of,
    open_rows,
    part_paths,
)


@pytest.fixture
def rows(tmp_path: Path) -> CachedRows:
    """Thirty rows in three parts."""
    rows = open_rows(tmp_path)
    for start in range(0, 30, 10):
        add(rows, range(start, start + 10))
    return rows


def test_small_parts_become_one_that_holds_the_same(rows: CachedRows, tmp_path: Path) -> None:
    before = part_paths(rows)
    assert compact(tmp_path) == {rows.folder: 3}
    [after] = part_paths(rows)
    assert after not in before
    assert holds(rows, range(30)) and holds(open_rows(tmp_path), range(30))
    assert compact(tmp_path) == {rows.folder: 0} and part_paths(rows) == [after]


def test_rows_keep_the_time_at_which_they_were_added(tmp_path: Path) -> None:
    rows = open_rows(tmp_path)
    add(rows, range(5))
    add_at(rows, range(10, 20), added=1_000)
    add_at(rows, range(20, 30), added=2_000)
    before = survey(tmp_path)[0]
    compact(tmp_path)
    after = survey(tmp_path)[0]
    assert (before.parts, after.parts) == (3, 1) and after.oldest == before.oldest == 1_000
    assert before.newest == after.newest and abs(time.time() - (after.newest or 0)) < 600


def test_rows_that_were_computed_again_are_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = open_rows(tmp_path)
    rows.add(keys_of(rows, [0]), answers([8]))  # creates the folder
    add_at(rows, range(10), added=1_000)
    add_at(rows, range(5, 15), added=2_000)
    assert verify(tmp_path)[0].duplicates == 6
    monkeypatch.setattr(compaction, "SMALL_BYTES", 0)  # large parts all of them: none is merged
    assert compact(tmp_path) == {rows.folder: 0}
    verdict = verify(tmp_path)[0]
    assert (verdict.parts, verdict.rows, verdict.duplicates) == (3, 15, 0)
    monkeypatch.undo()
    assert compact(tmp_path) == {rows.folder: 3}
    for opened in (rows, open_rows(tmp_path)):
        assert opened.fetch(keys_of(opened, [0, 1, 14])).equals(answers([8, 1, 14]))
    assert survey(tmp_path)[0].oldest == 1_000


def test_merging_keeps_the_newest_row_of_a_key(tmp_path: Path) -> None:
    rows = open_rows(tmp_path)
    add(rows, [0])  # creates the folder
    for added, value in ((1_000, 2), (3_000, 4), (2_000, 6)):
        add_at(rows, range(1, 2), added, answers([value]))
    with lock(rows.folder):
        assert compaction.merge_once(rows.folder) == 4
    assert open_rows(tmp_path).fetch(keys_of(rows, [1])).equals(answers([4]))


def test_vectors_survive_merging(tmp_path: Path) -> None:
    matrix = np.random.default_rng(0).standard_normal((40, 6), dtype=np.float32)
    stored, _ = stored_vectors(matrix, "float16")
    rows = RowCache(tmp_path).open(IDENTITY, stored.type)
    keys = keys_of(rows, range(40))
    for start in range(0, 40, 4):
        rows.add(keys.slice(start, 4), stored.slice(start, 4))
    compact(tmp_path)
    assert np.array_equal(vectors_of(rows.fetch(keys)), matrix.astype(np.float16))


def test_what_a_killed_compaction_left_is_tolerated_and_then_deleted(
    rows: CachedRows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept"
    shutil.copytree(rows.folder, kept)
    compact(tmp_path)
    [merged] = part_paths(rows)
    monkeypatch.setattr(compaction, "SMALL_BYTES", merged.stat().st_size)
    for path in kept.glob("part-*"):
        shutil.copy(path, rows.folder)  # as if it had been killed before deleting them
    fresh = open_rows(tmp_path)
    assert holds(fresh, range(30)) and holds(rows, range(30))
    assert verify(tmp_path)[0].duplicates == 30
    add(fresh, range(25, 35))
    compact(tmp_path)
    assert merged in part_paths(rows) and len(part_paths(rows)) == 2
    assert (verify(tmp_path)[0].rows, verify(tmp_path)[0].duplicates) == (35, 0)
    assert holds(fresh, range(35)) and holds(open_rows(tmp_path), range(35))


def test_rows_that_are_twice_in_what_is_merged_are_kept_once(
    rows: CachedRows, tmp_path: Path
) -> None:
    add_at(rows, range(20, 40), added=1_000)
    assert verify(tmp_path)[0].duplicates == 10
    compact(tmp_path)
    assert (verify(tmp_path)[0].rows, verify(tmp_path)[0].duplicates) == (40, 0)
    assert holds(rows, range(40))


def test_old_parts_stay_where_the_merged_one_proves_corrupt(
    rows: CachedRows, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    shutil.copytree(rows.folder, kept)
    compact(tmp_path)
    [merged] = part_paths(rows)
    for path in kept.glob("part-*"):
        shutil.copy(path, rows.folder)
    flip(merged, merged.stat().st_size // 2)
    compact(tmp_path)
    assert holds(open_rows(tmp_path), range(30)) and holds(rows, range(30))
    assert [path.name for path in (rows.folder / "corrupt").iterdir()] == [merged.name]


def test_a_corrupt_part_is_set_aside_and_the_others_are_merged(
    rows: CachedRows, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = part_paths(rows)[0]
    flip(path, path.stat().st_size // 2)
    compact(tmp_path)
    fresh = open_rows(tmp_path)
    assert fresh.known(keys_of(fresh, range(30))).sum() == 20
    assert path.name in caplog.text and len(part_paths(rows)) == 1


def test_parts_of_another_folder_are_not_mixed_in(rows: CachedRows, tmp_path: Path) -> None:
    others = RowCache(tmp_path).open(IDENTITY, pa.string())
    others.add(keys_of(others, [1]), pa.array(["text"]))
    shutil.copy(part_paths(others)[0], rows.folder)
    with pytest.raises(ValueError, match=r"different types of values.*delete it"):
        compact(tmp_path)
    assert holds(rows, range(30))


def test_many_small_parts_are_merged_on_the_way(tmp_path: Path) -> None:
    rows = open_rows(tmp_path)
    for number in range(compaction.MANY):
        add(rows, [number])
    assert len(part_paths(rows)) == compaction.MANY
    add(rows, [compaction.MANY])
    assert len(part_paths(rows)) == 1 and holds(rows, range(compaction.MANY + 1))


def test_a_merge_that_fails_for_want_of_space_is_put_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(folder: Path) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(compaction, "merge_once", full)
    rows = open_rows(tmp_path)
    for number in range(compaction.MANY + 1):
        assert add(rows, [number]) == 1
    assert "could not be merged: [Errno 28]" in caplog.text
    assert holds(rows, range(compaction.MANY + 1))


def test_large_parts_are_never_rewritten_and_merges_are_bounded(
    rows: CachedRows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(rows, range(1_000, 9_000))
    large = max(part_paths(rows), key=lambda path: path.stat().st_size)
    small = max(path.stat().st_size for path in part_paths(rows) if path != large)
    monkeypatch.setattr(compaction, "SMALL_BYTES", large.stat().st_size)
    monkeypatch.setattr(compaction, "MERGED_BYTES", 2 * small)
    with lock(rows.folder):
        assert compaction.merge_once(rows.folder) == 2
    assert large in part_paths(rows) and len(part_paths(rows)) == 3
    assert holds(rows, range(30)) and holds(rows, range(1_000, 9_000))
