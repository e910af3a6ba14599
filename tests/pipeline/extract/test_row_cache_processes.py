"""Processes that write at once lose and double nothing; a killed one loses its chunk alone."""

import random
import signal
import time
from pathlib import Path

import pytest
from filelock import Timeout

from pipeline.extract.cache_folder import lock
from pipeline.extract.cache_upkeep import compact, verify
from tests.pipeline.extract.cached_rows import (
    add,
    holds,
    keys_of,
    open_rows,
    part_paths,
    start,
)

CHUNK = 20

ENDLESS_WRITER = """
import sys
from pathlib import Path
from tests.pipeline.extract.cached_rows import add, open_rows

rows, first, chunk = open_rows(Path(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3])
while True:
    add(rows, range(first, first + chunk))
    first += chunk
    print(first, flush=True)
"""

OVERLAPPING_WRITER = """
import random, sys
from pathlib import Path
from tests.pipeline.extract.cached_rows import add, holds, open_rows

rows, numbers = open_rows(Path(sys.argv[1])), list(range(600))
random.Random(int(sys.argv[2])).shuffle(numbers)
added = 0
for start in range(0, 600, 15):
    added += add(rows, numbers[start : start + 15])
    assert holds(rows, numbers[start : start + 15])
print(added)
"""

ENDLESS_COMPACTOR = """
import sys
from pathlib import Path
from pipeline.extract.cache_upkeep import compact

print("ready", flush=True)
while True:
    compact(Path(sys.argv[1]))
"""

LOCK_HOLDER = """
import sys, time
from pathlib import Path
from pipeline.extract.cache_folder import lock

with lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""

WRITER_ON_A_FULL_DISK = """
import resource, sys
from pathlib import Path
from tests.pipeline.extract.cached_rows import add, holds, open_rows

rows = open_rows(Path(sys.argv[1]))
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
add(rows, range(10))
before = sorted(rows.folder.iterdir())
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
try:
    add(rows, range(10, 10_000))
except OSError as error:
    print(error.errno, error)
assert holds(rows, range(10)) and sorted(rows.folder.iterdir()) == before
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
print(add(rows, range(10_000)))
"""


def test_a_killed_writer_loses_one_chunk_at_most(tmp_path: Path) -> None:
    moments, first = random.Random(0), 0
    for _ in range(4):
        writer = start(ENDLESS_WRITER, tmp_path, first, CHUNK)
        assert writer.stdout and writer.stdout.readline() == f"{first + CHUNK}\n"
        time.sleep(moments.uniform(0, 0.5))
        writer.kill()
        said, _ = writer.communicate()
        assert writer.returncode == -signal.SIGKILL
        committed = int((said.split() or [first + CHUNK])[-1])
        rows = open_rows(tmp_path)
        assert holds(rows, range(committed))
        in_flight = rows.known(keys_of(rows, range(committed, committed + 10 * CHUNK)))
        assert in_flight.tolist() in (
            [False] * 10 * CHUNK,
            [True] * CHUNK + [False] * 9 * CHUNK,  # killed before it could say so
        )
        first = committed
    add(open_rows(tmp_path), range(first + CHUNK))
    assert not list(rows.folder.glob(".*.tmp")) and not (rows.folder / "corrupt").exists()
    compact(tmp_path)
    [verdict] = verify(tmp_path)
    assert (verdict.rows, verdict.duplicates, verdict.corrupt) == (first + CHUNK, 0, ())


def test_writers_at_once_lose_and_double_nothing(tmp_path: Path) -> None:
    writers = [start(OVERLAPPING_WRITER, tmp_path, seed) for seed in range(4)]
    added = [int(writer.communicate()[0]) for writer in writers]
    assert sum(added) == 600 and [writer.returncode for writer in writers] == [0] * 4
    assert holds(open_rows(tmp_path), range(600))
    [verdict] = verify(tmp_path)
    assert (verdict.rows, verdict.duplicates, verdict.corrupt) == (600, 0, ())


def test_a_killed_compaction_loses_no_row(tmp_path: Path) -> None:
    moments, rows = random.Random(0), open_rows(tmp_path)
    for turn in range(4):
        for number in range(30):
            add(rows, range(300 * turn + 10 * number, 300 * turn + 10 * number + 10))
        compactor = start(ENDLESS_COMPACTOR, tmp_path)
        assert compactor.stdout and compactor.stdout.readline() == "ready\n"
        time.sleep(moments.uniform(0, 0.1))
        compactor.kill()
        compactor.communicate()
        assert holds(rows, range(300 * (turn + 1)))
    compact(tmp_path)
    [verdict] = verify(tmp_path)
    assert (verdict.parts, verdict.rows, verdict.duplicates) == (1, 1200, 0)
    assert holds(open_rows(tmp_path), range(1200))


def test_rows_are_there_at_every_moment_of_a_compaction(tmp_path: Path) -> None:
    rows = open_rows(tmp_path)
    add(rows, range(200))
    compactor = start(ENDLESS_COMPACTOR, tmp_path)
    writer = start(ENDLESS_WRITER, tmp_path, 200, CHUNK)
    try:
        assert compactor.stdout and compactor.stdout.readline() == "ready\n"
        assert writer.stdout and writer.stdout.readline() == f"{200 + CHUNK}\n"
        seen: set[str] = set()
        for _ in range(3_000):
            assert holds(rows, range(200)) and holds(open_rows(tmp_path), range(200))
            seen |= {path.name for path in part_paths(rows)}
            if len(seen) > 40:
                break
    finally:
        for process in (compactor, writer):
            process.kill()
            process.communicate()
    assert len(seen) > 40  # so parts did come and go


def test_a_killed_process_holds_no_lock(tmp_path: Path) -> None:
    rows = open_rows(tmp_path)
    add(rows, [1])
    holder = start(LOCK_HOLDER, rows.folder)
    assert holder.stdout and holder.stdout.readline() == "held\n"
    with pytest.raises(Timeout):
        lock(rows.folder).acquire(timeout=0)
    holder.kill()
    holder.communicate()
    assert add(rows, [2]) == 1


def test_a_full_disk_is_told_and_leaves_what_was_committed(tmp_path: Path) -> None:
    writer = start(WRITER_ON_A_FULL_DISK, tmp_path)
    said, _ = writer.communicate()
    error, added = said.splitlines()
    rows = open_rows(tmp_path)
    assert error.startswith("27 ") and str(rows.folder) in error
    assert "bytes left" in error and "safe" in error
    assert added == "9990" and holds(rows, range(10_000))
