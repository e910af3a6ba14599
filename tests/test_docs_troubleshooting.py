"""docs/troubleshooting.md quotes the program: each message is produced here, and compared."""

import errno
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import dagster as dg
import polars as pl
import pytest
from dagster._cli import dev
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest
from dagster._utils import get_run_crash_explanation
from dagster_webserver import cli as webserver

from assets.present import materialized
from assets.resources import PROJECT
from pipeline.catalog import Catalog, Scenario, load_catalog
from pipeline.columns import REVIEWS
from pipeline.evaluate.recommend import recommend
from pipeline.extract.local_models import resolve_model
from pipeline.ingest.items import ingest_items
from pipeline.ingest.raw import prepare_raw
from pipeline.ingest.reviews import ingest_reviews
from pipeline.outcome import Outcome
from pipeline.prepare.splits import assign_parts
from pipeline.store import Store

PAGE = (PROJECT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
QUOTED = re.findall(r"^```text\n(.*?)^```$", PAGE, re.M | re.S)
FOLDER = "/home/ada/coldbridge/data"
"""What the page calls the data folder."""

DOMAIN = """
[domain.my-books]
title = "books"
format = "table"
reviews = "raw/my-shop/book_sales.csv"
columns = { user = "customer", item = "sku", timestamp = "sold_at" }
"""


def catalog_of(data: Path, text: str = DOMAIN) -> Catalog:
    data.mkdir(exist_ok=True)
    (data / "catalog.toml").write_text(text, encoding="utf-8")
    return load_catalog(data / "catalog.toml")


def sales(data: Path, lines: str) -> Catalog:
    catalog = catalog_of(data)
    path = data / "raw" / "my-shop" / "book_sales.csv"
    path.parent.mkdir(parents=True)
    path.write_text(f"customer,sku,sold_at\n{lines}", encoding="utf-8")
    return catalog


def malformed(data: Path) -> None:
    catalog = sales(data, "ada,book-1,2024-05-01\nben,book-1,yesterday\n")
    ingest_items(catalog, "my-books", Store(data / "store"))
    ingest_reviews(catalog, "my-books", Store(data / "store"))


def corrupt(data: Path) -> None:
    store = Store(data / "store")
    path = store.path("reviews/my-books", ".parquet")
    store.write_table("reviews/my-books", REVIEWS, REVIEWS.empty_table())
    path.write_bytes(path.read_bytes()[:40])
    store.read_table("reviews/my-books")


def too_few_items(data: Path) -> None:
    class Space:
        sizes = (8, 24)

    recommend(None, None, Space(), 10)  # type: ignore[arg-type]


def too_few_users(data: Path) -> None:
    users = pl.DataFrame({"user_id": list("abcd"), "num_domains": [2] * 4, "part": [None] * 4})
    assign_parts(users, Scenario(name="my-shop", domains=("my-books", "my-films")))


def stopped(data: Path) -> str:
    def work() -> Outcome:
        raise dg.DagsterExecutionInterruptedError

    @dg.asset
    def one() -> dg.MaterializeResult:
        return materialized(work)

    with dg.DagsterInstance.ephemeral() as instance:
        run = dg.materialize([one], instance=instance, raise_on_error=False).run_id
        return "\n".join(str(entry) for entry in instance.all_logs(run))


def made(data: Path, target: str, *variables: str) -> str:
    """What `make` says where the environment's Python fails at all it is asked."""
    script(data / "venv" / "bin" / "python", "exit 1")
    command = ["make", "--no-print-directory", target, f"VENV={data}/venv", "EXTRA=cpu", *variables]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode, "make went on"
    return done.stdout.split("exit 1; }")[-1] + done.stderr


def without_torch(data: Path) -> str:
    return made(data, "install-cpu")


def of_an_old_python(data: Path) -> str:
    old = data / "python3.9"
    pretended = "import sys; sys.version_info = (3, 9); exec(sys.argv[1])"
    script(old, f'exec {sys.executable} -c "{pretended}" "$2"')
    said = made(data, "install", f"PYTHON={old}")
    assert "pip" not in said
    return said


def script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


def words_of(module: ModuleType, **values: object) -> str:
    """The words of Dagster's that only a server prints: of its source, with values filled in."""
    source = Path(str(module.__file__)).read_text(encoding="utf-8")
    joined = re.sub(r'"\s*\n\s*f?"', "", source)  # texts that go on in the next line
    for name, value in values.items():
        joined = joined.replace(f"{{{name.replace('__', '.')}}}", str(value))
    return joined


def skipped(data: Path) -> str:
    return (PROJECT / "tests" / "e2e" / "test_ui.py").read_text(encoding="utf-8")


PRODUCED: tuple[Callable[[Path], object], ...] = (
    without_torch,
    of_an_old_python,
    lambda data: words_of(webserver, DEFAULT_WEBSERVER_PORT=3000),
    lambda data: words_of(dev, dagster_yaml_path__name="dagster.yaml"),
    lambda data: os.strerror(errno.EADDRINUSE).lower(),
    lambda data: os.strerror(errno.ENOSPC),
    skipped,
    lambda data: load_catalog(data / "catalog.toml"),
    lambda data: catalog_of(data, DOMAIN.replace("reviews", "review")),
    lambda data: prepare_raw(catalog_of(data), "my-books"),
    malformed,
    lambda data: Store(data / "store").read_table("sequences/my-shop"),
    corrupt,
    lambda data: get_run_crash_explanation("Run execution process for 6b1c0d3e", -9),
    stopped,
    too_few_items,
    too_few_users,
    lambda data: resolve_model("package:llm_absent", data),
    lambda data: resolve_model("meta-llama/Llama-3.1-8B-Instruct", data),
)
"""What gives each message: by raising it, or as its result."""


def produced(make: Callable[[Path], object], folder: Path) -> str:
    try:
        said = str(make(folder / "data"))
    except (ValueError, dg.Failure) as error:
        said = error.description or "" if isinstance(error, dg.Failure) else str(error)
    return plain(said.replace(str(folder / "data"), FOLDER))


def plain(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        return [produced(make, tmp_path_factory.mktemp("trouble")) for make in PRODUCED]


@pytest.mark.parametrize("quoted", QUOTED)
def test_every_quoted_message_is_one_that_is_given(quoted: str, said: list[str]) -> None:
    pieces = [re.escape(piece.strip()) for piece in plain(quoted).split("[...]")]
    assert any(re.search(".*".join(pieces), message) for message in said), quoted


def test_an_asset_of_which_a_partition_is_stale_looks_fresh_as_a_whole() -> None:
    def defs(version: str) -> dg.Definitions:
        @dg.asset(partitions_def=dg.StaticPartitionsDefinition(["demo"]), code_version=version)
        def one() -> None: ...

        return dg.Definitions(assets=[one])

    with dg.DagsterInstance.ephemeral() as instance:
        job = defs("1").resolve_implicit_global_asset_job_def()
        job.execute_in_process(partition_key="demo", instance=instance)
        graph = defs("2").resolve_asset_graph()
        status = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
        key = dg.AssetKey("one")
        assert status.get_status(key, "demo") is StaleStatus.STALE
        assert status.get_status(key) is StaleStatus.FRESH
