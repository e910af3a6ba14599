"""Runs in a real local MLflow, read back through its client."""

import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.catalog import Tracking
from pipeline.tracking import mlflow_log
from pipeline.tracking.mlflow_log import FINGERPRINT, record_runs
from pipeline.tracking.record import Point, Record

LOCAL = Tracking(mlflow="local")


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Record]:
    """What the scenario has to be recorded; tests change the list."""
    found = [
        Record(
            name="sasrec seed 0",
            fingerprint="f0",
            tags={"system": "sasrec"},
            parameters={f"Run.p{i}": str(i) for i in range(150)},
            points=[Point(metric="valid", value=0.1 * e, step=e) for e in range(1, 1200)],
        ),
        Record(name="leaderboard", fingerprint="f1", texts={"leaderboard.md": "# Leaderboard"}),
    ]
    monkeypatch.setattr(mlflow_log, "scenario_records", lambda scenario, store: found)
    return found


def client(folder: Path) -> Any:
    mlflow = pytest.importorskip("mlflow")
    return mlflow.MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow' / 'mlflow.db'}")


def test_runs_are_recorded_once_and_those_that_are_new_are_added(
    world: Any, tmp_path: Path, records: list[Record]
) -> None:
    mlflow = client(tmp_path)
    first = record_runs(LOCAL, tmp_path, world.scenario, world.store)
    assert (first.facts["runs"], first.facts["new runs"]) == (2, 2)
    experiment = mlflow.get_experiment_by_name("coldbridge/little").experiment_id
    run = mlflow.search_runs([experiment], f"tags.`{FINGERPRINT}` = 'f0'")[0]
    assert (run.info.run_name, run.info.status) == ("sasrec seed 0", "FINISHED")
    assert run.data.tags["system"] == "sasrec" and len(run.data.params) == 150
    history = mlflow.get_metric_history(run.info.run_id, "valid")
    assert [point.step for point in history] == list(range(1, 1200))
    assert history[3].value == pytest.approx(0.4)
    board = mlflow.search_runs([experiment], f"tags.`{FINGERPRINT}` = 'f1'")[0]
    assert [file.path for file in mlflow.list_artifacts(board.info.run_id)] == ["leaderboard.md"]

    again = record_runs(LOCAL, tmp_path, world.scenario, world.store)
    assert again.facts["new runs"] == 0 and again.artifact.digest == first.artifact.digest
    # A run that was killed while it was recorded is replaced; other people's are left alone.
    half = mlflow.create_run(experiment, tags={FINGERPRINT: "f2"}).info.run_id
    theirs = mlflow.create_run(experiment).info.run_id
    records.append(Record(name="sasrec seed 1", fingerprint="f2"))
    assert record_runs(LOCAL, tmp_path, world.scenario, world.store).facts["new runs"] == 1
    found = {run.info.run_id: run.info.status for run in mlflow.search_runs([experiment])}
    assert len(found) == 4 and half not in found and found[theirs] == "RUNNING"
    stored = world.store.read_table("mlflow_runs/little").to_pylist()
    assert [row["name"] for row in stored] == ["sasrec seed 0", "leaderboard", "sasrec seed 1"]
    assert {row["run_id"] for row in stored} == set(found) - {theirs}


def test_a_server_that_is_down_is_named_with_what_to_do(
    world: Any, tmp_path: Path, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    down = Tracking(mlflow="http://127.0.0.1:9")  # the port where everything is discarded
    with pytest.raises(ConnectionError, match=r"127\.0\.0\.1:9 did not take the runs of 'little'"):
        record_runs(down, tmp_path, world.scenario, world.store)
    assert not world.store.exists("mlflow_runs/little", ".parquet")


def test_without_mlflow_the_extra_is_named(
    world: Any, tmp_path: Path, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ValueError, match=r"pip install -e '\.\[mlflow\]'"):
        record_runs(LOCAL, tmp_path, world.scenario, world.store)
