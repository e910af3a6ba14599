"""Whether a run's process is still there. Also guards what is used of Dagster's insides.

With the real daemon: tests/e2e/test_cancel.py.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.launcher.base import WorkerStatus

from assets.execution.launcher import LocalRunLauncher, here
from assets.resources import PROJECT


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    settings = (PROJECT / "dagster.yaml").read_text()
    (tmp_path / "dagster.yaml").write_text(settings.replace("data/.dagster", str(tmp_path)))
    with dg.DagsterInstance.from_config(str(tmp_path)) as made:
        yield made


def test_the_project_launches_runs_with_it(instance: dg.DagsterInstance) -> None:
    assert isinstance(instance.run_launcher, LocalRunLauncher)


def _health(instance: dg.DagsterInstance, run_id: str) -> WorkerStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None and isinstance(instance.run_launcher, LocalRunLauncher)
    return instance.run_launcher.check_run_worker_health(run).status


def test_a_run_lives_as_long_as_its_process(instance: dg.DagsterInstance) -> None:
    health: list[WorkerStatus] = []

    @dg.op
    def asks_about_itself(context: dg.OpExecutionContext) -> None:
        health.append(_health(context.instance, context.run_id))

    @dg.job
    def asking() -> None:
        asks_about_itself()

    assert asking.execute_in_process(instance=instance, tags=here()).success
    assert health == [WorkerStatus.RUNNING]


_KILLS_ITSELF = """
import os, signal, sys
import dagster as dg

@dg.op
def dies():
    os.kill(os.getpid(), signal.SIGKILL)

@dg.job
def dying():
    dies()

with dg.DagsterInstance.from_config(sys.argv[1]) as instance:
    dying.execute_in_process(instance=instance, tags={"coldbridge/host": sys.argv[2]})
"""


def _killed_run(instance: dg.DagsterInstance, home: Path, host: str) -> str:
    command = [sys.executable, "-c", _KILLS_ITSELF, str(home), host]
    subprocess.run(command, cwd=PROJECT, env=os.environ | {"PYTHONPATH": str(PROJECT)}, check=False)
    (run,) = instance.get_runs(dg.RunsFilter(tags={"coldbridge/host": host}))
    assert run.status is dg.DagsterRunStatus.STARTED  # nobody has noticed
    return run.run_id


def test_a_killed_run_is_found_on_this_machine_and_left_alone_on_another(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    here_killed = _killed_run(instance, tmp_path, here()["coldbridge/host"])
    assert _health(instance, here_killed) is WorkerStatus.FAILED
    run = instance.get_run_by_id(here_killed)
    assert run is not None
    assert "process is gone" in str(instance.run_launcher.get_run_worker_debug_info(run))
    instance.add_run_tags(here_killed, {"coldbridge/host": "elsewhere"})
    assert _health(instance, here_killed) is WorkerStatus.RUNNING
    elsewhere = instance.get_run_by_id(here_killed)
    assert elsewhere is not None
    assert instance.run_launcher.get_run_worker_debug_info(elsewhere) is None
