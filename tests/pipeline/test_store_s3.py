"""A store in a bucket: what a server that fails, refuses or changes does to it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from botocore.config import Config

from pipeline.storage import s3
from pipeline.storage.files import StorageError
from pipeline.store import Store
from tests.cutting_proxy import CuttingProxy
from tests.pipeline.stored import Stored

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = pa.schema([pa.field("number", pa.float64(), nullable=False)])
MEGABYTE = 2**20


def table(*numbers: float) -> pa.Table:
    return pa.table({"number": numbers}, SCHEMA)


def long_table(seed: int, megabytes: int = 24) -> pa.Table:
    """What cannot be packed: 16 MB are a part to upload, 8 MB a range to read."""
    numbers = np.random.default_rng(seed).random(megabytes * MEGABYTE // 8)
    return pa.table({"number": numbers}, SCHEMA)


def through(proxy: CuttingProxy, store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The same store, reached by another address."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    return Store(store.root, temporary=store.temporary)


def port(stored: Stored) -> int:
    assert stored.server
    return int(stored.server.url.rpartition(":")[2])


def test_a_table_of_several_parts_comes_back(in_bucket: Stored) -> None:
    store, wanted = in_bucket.store, long_table(0)
    artifact = store.write_table("reviews/food", SCHEMA, wanted)
    assert artifact.path == f"{store.root}/reviews/food.parquet"
    assert artifact.num_bytes > 20 * MEGABYTE
    assert pa.Table.from_batches(store.read_batches("reviews/food")).equals(wanted)
    assert store.temporary and not [path for path in store.temporary.rglob("*") if path.is_file()]


def test_a_bucket_that_is_not_there_is_named(in_bucket: Stored, tmp_path: Path) -> None:
    store = Store("s3://no-such-bucket/store", temporary=tmp_path)
    for use in (
        lambda: store.write_text("report/demo", ".md", "x"),
        lambda: store.read_table("reviews/food"),
        lambda: store.read_tensors("weights/a"),
        lambda: store.digest("weights/a"),
        lambda: store.exists("reviews/food", ".parquet"),
    ):
        with pytest.raises(StorageError, match=r"s3://no-such-bucket/.* no bucket 'no-such"):
            use()


def test_keys_that_are_refused_are_told_with_the_variables_to_check(in_bucket: Stored) -> None:
    server = in_bucket.server
    assert server
    server.refuse_all(True)
    try:
        for use in (
            lambda: in_bucket.store.write_text("report/demo", ".md", "x"),
            lambda: in_bucket.store.read_table("reviews/food"),
        ):
            with pytest.raises(StorageError, match=r"access was refused .*AWS_SECRET_ACCESS_KEY"):
                use()
    finally:
        server.refuse_all(False)


def test_without_keys_it_is_told_too(
    in_bucket: Stored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    store = Store(in_bucket.store.root, temporary=tmp_path)
    with pytest.raises(StorageError, match=r"access was refused .*credentials"):
        store.exists("reviews/food", ".parquet")


def test_a_server_that_is_not_there_is_told_soon(
    in_bucket: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    with CuttingProxy(0) as gone:
        url = gone.url
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    store = Store(in_bucket.store.root, temporary=in_bucket.store.temporary)
    for use in (
        lambda: store.write_text("report/demo", ".md", "x"),
        lambda: store.read_text("report/demo", ".md"),
    ):
        began = time.monotonic()
        with pytest.raises(StorageError, match=rf"report/demo\.md: .*{url}.*AWS_ENDPOINT_URL"):
            use()
        assert time.monotonic() - began < 60


def test_a_server_that_falls_silent_is_given_up(
    in_bucket: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 0 < s3._PATIENCE.read_timeout <= 30 and 0 < s3._PATIENCE.connect_timeout <= 5
    hasty = Config(read_timeout=0.5, retries={"mode": "standard", "total_max_attempts": 2})
    monkeypatch.setattr(s3, "_PATIENCE", hasty)
    with CuttingProxy(port(in_bucket), most_sent=0, silent=True) as proxy:
        store = through(proxy, in_bucket.store, monkeypatch)
        for use in (
            lambda: store.write_text("report/demo", ".md", "x"),
            lambda: store.read_text("report/demo", ".md"),
        ):
            with pytest.raises(StorageError, match=r"report/demo\.md: the server does not answer"):
                use()
    assert proxy.reached.is_set()


def test_a_line_cut_in_the_middle_of_a_write_leaves_the_previous_table(
    in_bucket: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_bucket.store.write_table("reviews/food", SCHEMA, table(1, 2))
    with CuttingProxy(port(in_bucket), most_sent=20 * MEGABYTE) as proxy:
        store = through(proxy, in_bucket.store, monkeypatch)
        with pytest.raises(StorageError, match=r"reviews/food\.parquet: .* is whole"):
            store.write_table("reviews/food", SCHEMA, long_table(0))
    assert proxy.reached.is_set()
    assert in_bucket.store.read_table("reviews/food").equals(table(1, 2))
    assert in_bucket.names() == ["reviews/food.parquet"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["table", "batches", "tensors"])
def test_a_line_cut_in_the_middle_of_a_read_is_told_and_not_called_corruption(
    in_bucket: Stored, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_bucket.store.write_table("long", SCHEMA, long_table(0))
    in_bucket.store.write_tensors("long", {"x": torch.rand(6 * MEGABYTE)})
    with CuttingProxy(port(in_bucket), most_answered=12 * MEGABYTE) as proxy:
        store = through(proxy, in_bucket.store, monkeypatch)
        with pytest.raises(StorageError, match=r"long\.\w+: the server does not answer"):
            {
                "table": lambda: store.read_table("long"),
                "batches": lambda: list(store.read_batches("long")),
                "tensors": lambda: store.read_tensors("long"),
            }[kind]()
    assert proxy.reached.is_set()


def test_a_table_that_is_replaced_while_it_is_read_is_never_mixed(in_bucket: Stored) -> None:
    store = in_bucket.store
    store.write_table("reviews/food", SCHEMA, long_table(0, megabytes=48))
    rows = store.read_batches("reviews/food")
    next(rows)
    store.write_table("reviews/food", SCHEMA, table(1, 2))
    with pytest.raises(StorageError, match="replaced while it was being read: read it again"):
        for _ in rows:
            pass
    assert store.read_table("reviews/food").equals(table(1, 2))


@pytest.mark.slow
def test_a_header_is_read_without_the_tensors(
    in_bucket: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensors = {"x": torch.rand(6 * MEGABYTE)}
    artifact = in_bucket.store.write_tensors("weights/a", tensors, {"seed": "0"})
    with CuttingProxy(port(in_bucket), most_answered=22 * MEGABYTE) as proxy:
        store = through(proxy, in_bucket.store, monkeypatch)
        assert store.tensor_metadata("weights/a") == {"seed": "0"}
        assert store.digest("weights/a") == artifact.digest
    assert not proxy.reached.is_set()
    assert torch.equal(in_bucket.store.read_tensors("weights/a")["x"], tensors["x"])


WRITER = """
import sys
from pathlib import Path
import numpy as np
import pyarrow as pa
from pipeline.store import Store

rows = pa.table({"number": np.random.default_rng(0).random(3 * 2**20)})
Store(sys.argv[1], temporary=Path(sys.argv[2])).write_table("reviews/food", rows.schema, rows)
"""


@pytest.fixture
def halted_writer(in_bucket: Stored) -> Iterator[subprocess.Popen[bytes]]:
    """A process in the middle of an upload that goes on no more."""
    assert in_bucket.server
    with CuttingProxy(port(in_bucket), most_sent=20 * MEGABYTE, silent=True) as proxy:
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(in_bucket.store.root), in_bucket.store.temporary],
            cwd=ROOT,
            env=os.environ | in_bucket.server.variables | {"AWS_ENDPOINT_URL": proxy.url},
        )
        assert proxy.reached.wait(120) and writer.poll() is None
        yield writer
        writer.kill()
        writer.wait()


@pytest.mark.slow
def test_a_killed_writer_leaves_the_previous_table_and_an_upload_without_end(
    in_bucket: Stored, request: pytest.FixtureRequest
) -> None:
    assert in_bucket.server
    store, unfinished = in_bucket.store, in_bucket.server.unfinished()
    store.write_table("reviews/food", SCHEMA, table(1, 2))
    writer = request.getfixturevalue("halted_writer")
    assert store.read_table("reviews/food").equals(table(1, 2))
    writer.kill()
    assert writer.wait() == -signal.SIGKILL
    assert store.read_table("reviews/food").equals(table(1, 2))
    assert in_bucket.names() == ["reviews/food.parquet"]
    assert in_bucket.server.unfinished() == unfinished + 1  # what docs/storage.md has a rule for
    assert store.temporary
    assert len(list(store.temporary.rglob("*.tmp"))) == 1
    with store.scratch("reviews/books"):
        assert not list(store.temporary.rglob(".food*.tmp"))  # swept


@pytest.mark.parametrize(
    "url",
    [
        "gs://bucket/store",
        "http://127.0.0.1/bucket",
        "s3://",
        "s3://key:secret@bucket/store",
        "s3://bucket/store?endpoint=secret",
        "s3://bucket/../other",
        "s3://Bucket",
    ],
)
def test_urls_of_no_known_place_are_refused_without_repeating_a_secret(
    url: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="s3://bucket/prefix") as refusal:
        Store(url, temporary=tmp_path).exists("a", ".txt")
    assert "secret" not in str(refusal.value)


def test_without_the_library_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "pipeline.storage.s3", raising=False)
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(ValueError, match=r"boto3: pip install 'coldbridge\[s3\]'"):
        Store("s3://bucket/store", temporary=tmp_path).exists("a", ".txt")
