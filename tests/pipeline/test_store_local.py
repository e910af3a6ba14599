"""A store in a folder: what killed writers and full disks leave."""

import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.store import Store

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = pa.schema([pa.field("user", pa.int64(), nullable=False), pa.field("name", pa.string())])

STUCK_WRITER = """
import sys, time
from pathlib import Path
import pyarrow as pa
from pipeline.store import Store

schema = pa.schema([pa.field("user", pa.int64(), nullable=False), pa.field("name", pa.string())])

def rows():
    batch = pa.RecordBatch.from_pydict({"user": range(500), "name": ["x"] * 500}, schema=schema)
    for _ in range(20):
        yield batch
    print("in the middle", flush=True)
    time.sleep(60)

Store(Path(sys.argv[1])).write_table("reviews/food", schema, rows())
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def table(*users: int) -> pa.Table:
    return pa.table({"user": users, "name": [f"user {user}" for user in users]}, SCHEMA)


def test_a_killed_writer_leaves_the_previous_table_and_its_rest_is_swept(store: Store) -> None:
    before = store.write_table("reviews/food", SCHEMA, table(1, 2))
    writer = subprocess.Popen(
        [sys.executable, "-c", STUCK_WRITER, str(store.root)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout and writer.stdout.readline() == "in the middle\n"
    folder = store.root / "reviews"
    store.write_table("reviews/books", SCHEMA, table(5))
    assert len(list(folder.glob(".*.tmp"))) == 1  # of a writer that lives: not swept
    writer.kill()
    assert writer.wait() == -signal.SIGKILL
    writer.stdout.close()
    assert store.read_table("reviews/food").equals(table(1, 2))
    assert store.digest("reviews/food") == before.digest
    assert len(list(folder.glob(".*.tmp"))) == 1
    store.write_table("reviews/books", SCHEMA, table(5))
    assert sorted(path.name for path in folder.iterdir()) == ["books.parquet", "food.parquet"]


FULL_DISK_WRITER = """
import resource, sys
from pathlib import Path
import numpy as np
import pyarrow as pa
from pipeline.store import Store

resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
table = pa.table({"number": np.random.default_rng(0).standard_normal(10_000)})
try:
    Store(Path(sys.argv[1])).write_table("reviews/food", table.schema, table)
except OSError as error:
    print("refused")
"""


def test_a_full_disk_leaves_the_previous_table_and_no_rest(store: Store, tmp_path: Path) -> None:
    store.write_table("reviews/food", SCHEMA, table(1, 2))
    writer = subprocess.run(
        [sys.executable, "-c", FULL_DISK_WRITER, store.root],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout == "refused\n"
    assert store.read_table("reviews/food").equals(table(1, 2))
    assert [path.name for path in (tmp_path / "reviews").iterdir()] == ["food.parquet"]
