"""Launches runs as Dagster does by default, and finds those whose process is gone.

A server that launches runs notices when one of them dies. Nobody notices where the server dies
too (the machine stops), nor where a command of the console does (`python -m assets.run`): such a
run would stay "started" for ever, and with `max_concurrent_runs` reached no other would begin.
Dagster's daemon asks a launcher that can tell (`run_monitoring` in dagster.yaml).
"""

import socket

import dagster as dg
import psutil
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus

_HOST = "coldbridge/host"
_PROCESS = "pid"  # the name under which Dagster notes a run's process among its events


def here() -> dict[str, str]:
    """A tag for runs that nobody launches: on another machine one cannot see whether they live."""
    return {_HOST: socket.gethostname()}


class LocalRunLauncher(dg.DefaultRunLauncher):
    """For runs that are processes of this machine."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        if run.tags.get(_HOST, socket.gethostname()) != socket.gethostname():
            return CheckRunHealthResult(WorkerStatus.RUNNING, "on another machine")
        noted = _noted_process(self._instance, run.run_id)
        if noted is None or _is_alive(*noted):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, f"process {noted[0]} is gone")

    def get_run_worker_debug_info(
        self, run: dg.DagsterRun, include_container_logs: bool | None = True
    ) -> str | None:
        """What people are told; None where there is nothing to tell."""
        if self.check_run_worker_health(run).status is not WorkerStatus.FAILED:
            return None
        return (
            "Its process is gone: it was killed, by a person or by the operating system for lack "
            "of memory, or the machine stopped. What was done is kept: materialize the same again "
            "and it goes on there. docs/long-runs.md says how to need less memory."
        )


def _noted_process(instance: dg.DagsterInstance, run_id: str) -> tuple[int, float] | None:
    """The process that executes a run, and when it said so; None before it has begun."""
    events = instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
    for entry in reversed(events):
        event = entry.dagster_event
        if event and _PROCESS in event.engine_event_data.metadata:
            return int(str(event.engine_event_data.metadata[_PROCESS].value)), entry.timestamp
    return None


def _is_alive(process: int, noted: float) -> bool:
    """Whether it is still the process that it was, and not a later one of the same number."""
    try:
        found = psutil.Process(process)
        return found.status() != psutil.STATUS_ZOMBIE and found.create_time() <= noted
    except psutil.NoSuchProcess:
        return False
