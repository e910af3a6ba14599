"""What the cache holds is listed, checked, and evicted by model and age."""

import shutil
from pathlib import Path

import pytest

from pipeline.extract.cache_upkeep import compact, evict, survey, verify
from pipeline.extract.row_cache import CachedRows, LostRows
from tests.pipeline.extract.cached_rows import (
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
def small(tmp_path: Path) -> CachedRows:
    rows = open_rows(tmp_path, model="org/small")
    add(rows, range(10))
    add_at(rows, range(10, 15), added=1_000)
    return rows


@pytest.fixture
def large(tmp_path: Path) -> CachedRows:
    rows = open_rows(tmp_path, model="org/large")
    add(rows, range(4))
    add_at(rows, range(20, 26), added=3_000)
    return rows


def test_a_survey_tells_what_each_folder_holds(
    small: CachedRows, large: CachedRows, tmp_path: Path
) -> None:
    found = {holding.title.model: holding for holding in survey(tmp_path)}
    assert [(model, found[model].rows) for model in sorted(found)] == [
        ("org/large", 10),
        ("org/small", 15),
    ]
    holding = found["org/small"]
    assert (holding.title.operation, holding.title.prompt) == ("generate", "titles/1")
    assert (holding.parts, holding.oldest, holding.folder) == (2, 1_000, small.folder)
    assert holding.num_bytes == sum(path.stat().st_size for path in part_paths(small))
    assert survey(tmp_path / "nothing") == []


def test_a_folder_without_an_about_is_called_by_its_path(small: CachedRows, tmp_path: Path) -> None:
    (small.folder / "about.json").unlink()
    [holding] = survey(tmp_path)
    assert (holding.title.model, holding.title.prompt) == ("org-small", "titles-1")


def test_a_model_is_evicted_and_others_stay(
    small: CachedRows, large: CachedRows, tmp_path: Path
) -> None:
    assert evict(tmp_path, model="org/small", before=None) == {small.folder: 15}
    with pytest.raises(LostRows):
        small.fetch(keys_of(small, range(15)))
    assert holds(large, range(4))
    assert [holding.title.model for holding in survey(tmp_path)] == ["org/large"]
    assert add(small, range(3)) == 3 and holds(open_rows(tmp_path, model="org/small"), range(3))
    assert len(survey(tmp_path)) == 2


def test_old_rows_are_evicted_and_younger_ones_stay(
    small: CachedRows, large: CachedRows, tmp_path: Path
) -> None:
    compact(tmp_path)  # old and young ones lie in one part then
    assert evict(tmp_path, model=None, before=3_000) == {small.folder: 5}
    assert holds(small, range(10)) and not small.known(keys_of(small, range(10, 15))).any()
    assert holds(large, range(20, 26))
    assert evict(tmp_path, model=None, before=3_001) == {large.folder: 6}
    assert holds(open_rows(tmp_path, model="org/large"), range(4))
    assert evict(tmp_path, model=None, before=3_001) == {}


def test_model_and_age_count_together(small: CachedRows, large: CachedRows, tmp_path: Path) -> None:
    assert evict(tmp_path, model="org/large", before=5_000) == {large.folder: 6}
    assert holds(small, range(15)) and holds(large, range(4))


def test_a_dry_run_deletes_nothing(small: CachedRows, large: CachedRows, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert evict(tmp_path, model="org/small", before=None, dry_run=True) == {small.folder: 15}
    assert evict(tmp_path, model=None, before=2_000, dry_run=True) == {small.folder: 5}
    assert sorted(tmp_path.rglob("*")) == before


def test_an_eviction_of_everything_or_of_nothing_is_refused(
    small: CachedRows, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="by model, by age or by both"):
        evict(tmp_path, model=None, before=None)
    with pytest.raises(ValueError, match=r"no rows of model 'small'; it knows \['org/small'\]"):
        evict(tmp_path, model="small", before=None)
    assert holds(small, range(15))


def test_rows_of_a_rewritten_part_survive_a_kill_before_the_old_one_is_gone(
    small: CachedRows, tmp_path: Path
) -> None:
    compact(tmp_path)
    kept = shutil.copy(part_paths(small)[0], tmp_path)
    evict(tmp_path, model=None, before=2_000)
    shutil.copy(kept, small.folder)
    assert holds(open_rows(tmp_path), range(10))
    compact(tmp_path)
    assert not open_rows(tmp_path).known(keys_of(small, range(10, 15))).any()


def test_verify_reads_everything_and_finds_all_whole(
    small: CachedRows, large: CachedRows, tmp_path: Path
) -> None:
    verdicts = {verdict.folder: verdict for verdict in verify(tmp_path)}
    verdict = verdicts[small.folder]
    assert len(verdicts) == 2
    assert (verdict.parts, verdict.rows, verdict.duplicates, verdict.corrupt) == (2, 15, 0, ())
    assert verdict.problem is None and verdict.num_bytes == survey(tmp_path)[1].num_bytes


def test_verify_counts_rows_that_are_there_twice(small: CachedRows, tmp_path: Path) -> None:
    add_at(small, range(5, 10), added=7)
    [verdict] = verify(tmp_path)
    assert (verdict.rows, verdict.duplicates) == (15, 5)


def test_verify_goes_on_after_what_is_corrupt(
    small: CachedRows, large: CachedRows, tmp_path: Path
) -> None:
    for path in part_paths(small):
        flip(path, path.stat().st_size // 2)
    (large.folder / "about.json").write_text("{")
    verdicts = {verdict.folder: verdict for verdict in verify(tmp_path)}
    assert len(verdicts[small.folder].corrupt) == 2 and verdicts[small.folder].rows == 0
    assert verdicts[large.folder].rows == 10
    assert "about.json is unreadable" in (verdicts[large.folder].problem or "")
    again = {verdict.folder: verdict for verdict in verify(tmp_path)}
    assert again[small.folder].corrupt == ()  # they are out of the way now
    small.add(keys_of(small, range(15)), answers(range(15)))
    assert holds(small, range(15))
