"""`dg dev` on a data folder of its own, with the project's dagster.yaml, for daemon tests."""

import json
import os
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from assets.resources import PROJECT
from tests.e2e.dagster_server import STARTUP_SECONDS, free_port, start, stop, wait

FINISHED = (
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
)

_LAUNCH = """mutation($parameters: ExecutionParams!) {
  launchPipelineExecution(executionParams: $parameters) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } } } }"""
_LOADED = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"
_TERMINATE = """mutation($run: String!) { terminateRun(runId: $run) { __typename } }"""


@dataclass(frozen=True, kw_only=True)
class DevServer:
    """A running server, and what it knows, read from its storage."""

    url: str
    folder: Path  # of `data` and dagster.yaml
    instance: dg.DagsterInstance

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def environment(self) -> dict[str, str]:
        return _environment(self.folder)

    def launch(
        self,
        partition: str,
        asset: list[str] | None = None,
        job: str = "__ASSET_JOB",
        config: dict[str, Any] | None = None,
    ) -> str:
        """Queue a run of a job, or of one asset; its id."""
        answer = self._query(
            _LAUNCH,
            parameters={
                "selector": {
                    "repositoryName": "__repository__",
                    "repositoryLocationName": "coldbridge",
                    "pipelineName": job,
                    "assetSelection": [{"path": asset}] if asset else None,
                },
                "runConfigData": json.dumps(config or {}),
                "mode": "default",
                "executionMetadata": {"tags": [{"key": "dagster/partition", "value": partition}]},
            },
        )["launchPipelineExecution"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    def terminate(self, run: str) -> float:
        """As the UI's button does; the moment at which it was asked for."""
        asked = time.monotonic()
        self._query(_TERMINATE, run=run)
        return asked

    def status(self, run: str) -> dg.DagsterRunStatus:
        found = self.instance.get_run_by_id(run)
        assert found is not None
        return found.status

    def ended(self, run: str, seconds: float) -> dg.DagsterRunStatus:
        wait(lambda: self.status(run) in FINISHED, seconds, f"run {run} to end")
        return self.status(run)

    def said(self, run: str) -> str:
        """All messages of a run's events."""
        return "\n".join(entry.user_message or str(entry) for entry in self.instance.all_logs(run))

    def processes(self, run: str) -> list[int]:
        """Those that said that they execute the run or a step of it, in order."""
        found = []
        for entry in self.instance.all_logs(run):
            event = entry.dagster_event
            metadata = getattr(event.event_specific_data, "metadata", None) if event else None
            if metadata and "pid" in metadata and int(str(metadata["pid"].value)) not in found:
                found.append(int(str(metadata["pid"].value)))
        return found

    def observed(self, run: str) -> dict[str, list[dict[str, Any]]]:
        """What a run's asset told, by headline."""
        told: dict[str, list[dict[str, Any]]] = {}
        for entry in self.instance.all_logs(run, of_type=dg.DagsterEventType.ASSET_OBSERVATION):
            event = entry.asset_observation
            assert event is not None
            figures = {name: value.value for name, value in event.metadata.items()}
            told.setdefault(str(event.description), []).append(figures)
        return told

    def _query(self, query: str, **variables: Any) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.url}/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            reply = json.load(answer)
        assert "errors" not in reply, reply["errors"]
        return dict(reply["data"])

    def answers(self) -> bool:
        """Whether it has loaded the definitions."""
        try:
            found = self._query(_LOADED)["repositoriesOrError"]
        except OSError:
            return False
        return bool(found.get("nodes"))


def prepare_home(folder: Path, catalog: str, max_concurrent_runs: int = 1) -> None:
    """`folder/data` with a catalog, and the project's dagster.yaml with its state below."""
    (folder / "data").mkdir(parents=True)
    (folder / "data/catalog.toml").write_text(catalog)
    settings = (PROJECT / "dagster.yaml").read_text()
    one, more = (f"max_concurrent_runs: {count}" for count in (1, max_concurrent_runs))
    assert one in settings
    settings = settings.replace(one, more)
    state = folder / "data/.dagster"
    (folder / "dagster.yaml").write_text(settings.replace("data/.dagster", str(state)))


def _environment(folder: Path) -> dict[str, str]:
    own = {"COLDBRIDGE_DATA": str(folder / "data"), "DAGSTER_HOME": str(folder)}
    return os.environ | own | {"HF_HUB_OFFLINE": "1"}


@contextmanager
def dev_server(folder: Path) -> Iterator[DevServer]:
    """`dg dev` in a process group of its own: nothing of it outlives the block."""
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        # Made by one process before others come: Dagster makes its tables without a lock.
        instance.get_runs_count()
        instance.all_asset_keys()
        port = free_port()
        server = DevServer(url=f"http://127.0.0.1:{port}", folder=folder, instance=instance)
        log = folder / "dg.log"
        process = start(port, log, _environment(folder))

        def ready() -> bool:
            said = log.read_text()
            assert process.poll() is None and "Error loading" not in said, said
            return server.answers()

        try:
            wait(ready, STARTUP_SECONDS, "dg dev to answer")
            yield server
        finally:
            stop(process)
