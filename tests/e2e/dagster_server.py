"""`dg dev` on a data folder of its own, asked by GraphQL: for tests and for taking pictures."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assets.resources import PROJECT

STARTUP_SECONDS = 300
RUN_SECONDS = 600
STOP_SECONDS = 60
ENDED = ("SUCCESS", "FAILURE", "CANCELED")
REPOSITORY = 'repositoryName: "__repository__", repositoryLocationName: "coldbridge"'


@dataclass(frozen=True, kw_only=True)
class Server:
    url: str
    data: Path
    environment: Mapping[str, str]  # of commands that are to find the same data and instance

    def query(self, query: str) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.url}/graphql",
            json.dumps({"query": query}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            reply = json.load(answer)
        assert "errors" not in reply, reply["errors"]
        return dict(reply["data"])

    def launch(self, asset: str, partition: str) -> str:
        """Materialize an asset's partition; the run's id."""
        answer = self.query(_LAUNCH % (REPOSITORY, asset, partition))["launchPipelineExecution"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    def runs(self, tag: str | None = None, value: str = "") -> list[dict[str, Any]]:
        """All runs, or those with a tag, newest first."""
        chosen = f'(filter: {{ tags: [{{ key: "{tag}", value: "{value}" }}] }})' if tag else ""
        answer = self.query(
            f"{{ runsOrError{chosen} {{ ... on Runs {{ results {{ runId status jobName startTime "
            "endTime tags { key value } } } } }"
        )
        return list(answer["runsOrError"]["results"])

    def status(self, run: str) -> str:
        return {each["runId"]: str(each["status"]) for each in self.runs()}.get(run, "NONE")

    def wait_for(self, run: str, status: str, seconds: float = RUN_SECONDS) -> None:
        wait(lambda: self.status(run) == status, seconds, f"run {run} to be {status}")


_LAUNCH = """mutation { launchPipelineExecution(executionParams: {
  selector: { %s, pipelineName: "__ASSET_JOB", assetSelection: [{ path: ["%s"] }] },
  mode: "default",
  executionMetadata: { tags: [{ key: "dagster/partition", value: "%s" }] } }) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""


@contextmanager
def dg_dev(folder: Path) -> Iterator[Server]:
    """A server on `folder/data`, whose catalog is there; Dagster's state goes to `folder/home`."""
    data, home, log = folder / "data", folder / "home", folder / "dg.log"
    home.mkdir()
    settings = (PROJECT / "dagster.yaml").read_text()
    (home / "dagster.yaml").write_text(settings.replace("data/.dagster", str(home / "state")))
    port = free_port()
    environment = os.environ | {"COLDBRIDGE_DATA": str(data), "DAGSTER_HOME": str(home)}
    process = start(port, log, environment)
    try:
        server = Server(url=f"http://127.0.0.1:{port}", data=data, environment=environment)
        wait(lambda: answers(server, process, log), STARTUP_SECONDS, "dg dev to answer")
        yield server
    finally:
        stop(process)


def wait(ready: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(1)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def command(name: str) -> str:
    """A command of the environment that runs this."""
    return str(Path(sys.executable).with_name(name))


def start(port: int, log: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """`dg dev` in a process group of its own, so that all its children can be stopped."""
    with log.open("wb") as output:
        return subprocess.Popen(
            [command("dg"), "dev", "--port", str(port)],
            cwd=PROJECT,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def answers(server: Server, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, f"dg dev ended: {log.read_text()}"
    try:
        return bool(server.query("{ version }"))
    except OSError:
        return False


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask as Ctrl-C does, then make sure: nothing of the group outlives the test."""
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGTERM)
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait(STOP_SECONDS)
