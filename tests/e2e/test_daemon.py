"""Backfills, schedules and sensors as Dagster's daemon carries them out, on the project's own
definitions with a catalog whose clock strikes every minute.

Slow and opt-in: `pytest -m slow`. The tests build on each other in their order: what a backfill
ingests and prepares a schedule extracts.
"""

import shutil
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from assets.resources import PROJECT
from pipeline.store import Store
from tests.e2e.dagster_server import REPOSITORY, RUN_SECONDS, Server, command, dg_dev, wait
from tests.e2e.sample_domains import SAMPLE_DOMAINS

pytestmark = pytest.mark.slow

SETTLE_SECONDS = 10
TICK_SECONDS = 60  # between two ticks of the schedule; those of the sensor are more frequent

CATALOG = f"""
[automation]
extraction = "* * * * *"
raw_files_seconds = {SETTLE_SECONDS}

{SAMPLE_DOMAINS}

[domain.dropped]
title = "dropped"
format = "table"
reviews = "raw/dropped.csv"
columns = {{ user = "user", item = "item", timestamp = "time" }}

# A sentence encoder reads the items; no language model is loaded.
[scenario.small]
domains = ["food", "kitchen"]
filters = {{ k_core = 4 }}
split = {{ valid = 0.2, test = 0.6 }}
systems = ["popularity", "item_knn"]

[scenario.smaller]
domains = ["food", "kitchen"]
filters = {{ k_core = 5 }}
split = {{ valid = 0.2, test = 0.6 }}
systems = ["popularity", "item_knn"]
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("daemon")
    (folder / "data").mkdir()
    (folder / "data" / "catalog.toml").write_text(CATALOG)
    with dg_dev(folder) as server:
        yield server


def test_a_backfill_of_a_stage_by_graphql_takes_some_of_its_partitions(server: Server) -> None:
    backfill = _backfilled(
        server,
        f"""selector: {{ partitionSetName: "ingest_partition_set",
                         repositorySelector: {{ {REPOSITORY} }} }},
            partitionNames: ["food", "kitchen"]""",
    )
    runs = _ended(server, "dagster/backfill", backfill, 2)
    assert [run["jobName"] for run in runs] == ["ingest", "ingest"]
    store = Store(server.data / "store")
    assert all(store.read_table(f"reviews/{name}").num_rows for name in ("food", "kitchen"))
    # The queue holds one run at a time: the second began when the first had ended.
    first, second = sorted(runs, key=lambda run: run["startTime"])
    assert first["endTime"] <= second["startTime"]


def test_a_backfill_of_a_stage_by_command_takes_some_of_its_partitions(server: Server) -> None:
    command = ["dagster", "job", "backfill", "-j", "prepare", "--partitions", "small,smaller"]
    _run(server, *command, "--noprompt")
    _ended(server, "dagster/partition_set", "prepare_partition_set", 2)
    store = Store(server.data / "store")
    assert all(store.read_table(f"sequences/{name}").num_rows for name in ("small", "smaller"))


def test_a_backfill_of_assets_by_graphql_takes_all_their_partitions(server: Server) -> None:
    backfill = _backfilled(
        server,
        """assetSelection: [{ path: ["weights", "popularity"] }, { path: ["dataset_card"] }],
           allPartitions: true, title: "popularity again",
           tags: [{ key: "why", value: "a test" }]""",
    )
    runs = _ended(server, "dagster/backfill", backfill, 2)
    partitions = {tag["value"] for run in runs for tag in run["tags"] if tag["key"] == PARTITION}
    assert partitions == {"small", "smaller"} and len(server.runs("why", "a test")) == 2


def test_one_partition_of_an_asset_or_a_stage_is_materialized_by_command(server: Server) -> None:
    for target in (["--assets", "vocabulary"], ["--job", "prepare"]):
        before = {run["runId"] for run in server.runs()}
        _run(server, "dg", "launch", *target, "--partition", "small")
        (new,) = [run for run in server.runs() if run["runId"] not in before]
        assert new["status"] == "SUCCESS"


def test_a_schedule_starts_a_run_for_each_partition_once_a_month(server: Server) -> None:
    _switch_on(server, "startSchedule", 'scheduleSelector: { %s, scheduleName: "%s" }', MONTHLY)
    runs = _ended(server, "dagster/schedule_name", MONTHLY, 2)
    assert [run["jobName"] for run in runs] == ["extract", "extract"]
    vectors = Store(server.data / "store").read_tensors("item_text/small")["vectors"]
    assert len(vectors) > 100
    ticks = len(_ticks(server))
    wait(lambda: len(_ticks(server)) > ticks, 2 * TICK_SECONDS, "another tick")
    assert len(server.runs("dagster/schedule_name", MONTHLY)) == 2
    assert _ticks(server)[0]["status"] == "SKIPPED"


def test_a_dropped_file_starts_its_ingest_and_one_that_grows_does_not(server: Server) -> None:
    path = server.data / "raw" / "dropped.csv"
    path.write_text("user,item,time\n")
    _switch_on(server, "startSensor", 'sensorSelector: { %s, sensorName: "%s" }', "raw_files")
    written = time.monotonic()
    for number in range(6 * SETTLE_SECONDS):  # a slow copy
        with path.open("a") as file:
            file.write(f"u{number},i{number},{1_500_000_000 + number}\n")
        time.sleep(1)
    assert server.runs("dagster/sensor_name", "raw_files") == []
    assert time.monotonic() - written > 4 * SETTLE_SECONDS
    (run,) = _ended(server, "dagster/sensor_name", "raw_files", 1)
    assert {"key": PARTITION, "value": "dropped"} in run["tags"]
    reviews = Store(server.data / "store").read_table("reviews/dropped")
    assert reviews.num_rows == 6 * SETTLE_SECONDS
    time.sleep(3 * SETTLE_SECONDS)
    assert len(server.runs("dagster/sensor_name", "raw_files")) == 1


def test_a_file_that_is_replaced_at_a_stroke_is_ingested_again(server: Server) -> None:
    path = server.data / "raw" / "dropped.csv"
    part = path.with_name("dropped.csv.part")
    shutil.copy(path, part)
    part.write_text(part.read_text() + "new,i1,1600000000\n")
    part.rename(path)
    _ended(server, "dagster/sensor_name", "raw_files", 2)
    reviews = Store(server.data / "store").read_table("reviews/dropped")
    assert "new" in reviews["user_id"].to_pylist()


MONTHLY = "monthly_extract"
PARTITION = "dagster/partition"


def _backfilled(server: Server, parameters: str) -> str:
    """Launch a backfill and wait until it is done; its id."""
    answer = server.query(
        f"""mutation {{ launchPartitionBackfill(backfillParams: {{ {parameters} }}) {{ __typename
            ... on LaunchBackfillSuccess {{ backfillId }} ... on PythonError {{ message }} }} }}"""
    )["launchPartitionBackfill"]
    assert answer["__typename"] == "LaunchBackfillSuccess", answer
    backfill = str(answer["backfillId"])
    wait(lambda: _backfill_status(server, backfill) == "COMPLETED_SUCCESS", RUN_SECONDS, "backfill")
    return backfill


def _backfill_status(server: Server, backfill: str) -> str:
    found = server.query(
        f"""{{ partitionBackfillOrError(backfillId: "{backfill}") {{ __typename
            ... on PartitionBackfill {{ status }} }} }}"""
    )["partitionBackfillOrError"]
    assert found["status"] in ("REQUESTED", "COMPLETED_SUCCESS"), found
    return str(found["status"])


def _ended(server: Server, tag: str, value: str, number: int) -> list[dict[str, Any]]:
    """The runs with a tag, once there are so many and all have succeeded."""

    def succeeded() -> bool:
        runs = server.runs(tag, value)
        assert not {run["status"] for run in runs} & {"FAILURE", "CANCELED"}, runs
        return [run["status"] for run in runs] == ["SUCCESS"] * number

    wait(succeeded, RUN_SECONDS, f"{number} runs with {tag} = {value} to succeed")
    return server.runs(tag, value)


def _run(server: Server, name: str, *arguments: str) -> None:
    """A command, as people give it from the project's root."""
    done = subprocess.run(
        [command(name), *arguments],
        cwd=PROJECT,
        env=dict(server.environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _switch_on(server: Server, mutation: str, selector: str, name: str) -> None:
    answer = server.query(
        f"mutation {{ {mutation}({selector % (REPOSITORY, name)}) {{ __typename "
        "... on PythonError { message } } }"
    )[mutation]
    assert answer["__typename"] in ("ScheduleStateResult", "Sensor"), answer


def _ticks(server: Server) -> list[dict[str, str]]:
    """Of the schedule, newest first."""
    answer = server.query(
        f"""{{ scheduleOrError(scheduleSelector: {{ {REPOSITORY}, scheduleName: "{MONTHLY}" }}) {{
            ... on Schedule {{ scheduleState {{ ticks {{ status }} }} }} }} }}"""
    )
    return list(answer["scheduleOrError"]["scheduleState"]["ticks"])
