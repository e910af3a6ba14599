"""The cache's command, run as people run it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.extract.row_cache import CachedRows
from tests.pipeline.extract.cached_rows import (
    ROOT,
    add,
    add_at,
    flip,
    holds,
    open_rows,
    part_paths,
)


@pytest.fixture
def rows(tmp_path: Path) -> CachedRows:
    rows = open_rows(tmp_path / "cache" / "rows")
    add(rows, range(10))
    add_at(rows, range(10, 13), added=86_400)
    return rows


def run(tmp_path: Path, *arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.extract.cache_command", *arguments],
        cwd=ROOT,
        env=os.environ | {"COLDBRIDGE_DATA": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout, done.stderr


def test_list_shows_models_rows_and_ages(rows: CachedRows, tmp_path: Path) -> None:
    code, said, _ = run(tmp_path, "list")
    assert code == 0 and len(said.splitlines()) == 3
    assert "| generate | org/small | titles/1 | 13 | 0.0 | 2 | 1970-01-02 00:00 | 20" in said
    assert str(rows.folder.relative_to(tmp_path / "cache" / "rows")) in said


def test_an_empty_cache_is_no_error(tmp_path: Path) -> None:
    for command in ("list", "verify", "compact"):
        assert run(tmp_path, command, "--data", str(tmp_path / "elsewhere"))[0] == 0


def test_verify_fails_where_a_part_is_corrupt_and_names_it(
    rows: CachedRows, tmp_path: Path
) -> None:
    code, said, _ = run(tmp_path, "verify")
    assert code == 0 and "| 13 | 0 |" in said and "whole" in said
    path = part_paths(rows)[0]
    flip(path, path.stat().st_size - 10)
    code, said, warned = run(tmp_path, "verify")
    assert code == 1 and f"set aside: {path.name}" in said and f"WARNING: {path}" in warned
    assert run(tmp_path, "verify")[0] == 0


def test_compact_merges(rows: CachedRows, tmp_path: Path) -> None:
    code, said, _ = run(tmp_path, "compact")
    assert code == 0 and "| 2 |" in said and len(part_paths(rows)) == 1
    assert holds(rows, range(13))


def test_evict_says_what_it_would_do_and_does_it(rows: CachedRows, tmp_path: Path) -> None:
    code, said, _ = run(tmp_path, "evict", "--older-than", "1000", "--dry-run")
    assert code == 0 and "rows to evict" in said and "| 3 |" in said and holds(rows, range(13))
    code, said, _ = run(tmp_path, "evict", "--older-than", "1000")
    assert code == 0 and "rows evicted" in said and "| 3 |" in said and holds(rows, range(10))
    code, said, _ = run(tmp_path, "evict", "--model", "org/small")
    assert code == 0 and "| 10 |" in said and part_paths(rows) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "by model, by age or by both"),
        (["--model", "typo"], "no rows of model 'typo'; it knows ['org/small']"),
        (["--older-than", "-1"], "0 or more"),
    ],
    ids=["all", "unknown", "future"],
)
def test_an_eviction_that_makes_no_sense_is_refused(
    rows: CachedRows, tmp_path: Path, options: list[str], said: str
) -> None:
    code, _, error = run(tmp_path, "evict", *options)
    assert code == 1 and error.startswith("error: ") and said in error
    assert holds(rows, range(13))
