"""Records into MLflow, each once: a run carries its record's fingerprint as a tag."""

import os
import time
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.catalog import Scenario, Tracking
from pipeline.catalog.tracking import LOCAL
from pipeline.columns import MLFLOW_RUNS
from pipeline.outcome import Fact, Outcome
from pipeline.store import Store
from pipeline.tracking.gather import scenario_records
from pipeline.tracking.record import Record

FINGERPRINT = "coldbridge.fingerprint"
_BATCHES = {"metrics": 1000, "params": 100}
"""What MLflow takes at once, at most."""


def record_runs(tracking: Tracking, folder: Path, scenario: Scenario, store: Store) -> Outcome:
    """Record what is stored of a scenario; write `mlflow_runs/<scenario>`, which names each run.

    `folder` is the data folder. ValueError where MLflow is not installed; ConnectionError where
    its server does not answer, or refuses.
    """
    records = scenario_records(scenario, store)
    uri, artifacts = _places(tracking, folder)
    name = f"{tracking.experiment}/{scenario.name}"
    client = _client(uri)
    from mlflow.exceptions import MlflowException

    try:
        experiment = _experiment(client, name, artifacts)
        known = _recorded(client, experiment)
        runs = [known.get(one.fingerprint) or _logged(client, experiment, one) for one in records]
    except MlflowException as error:
        raise ConnectionError(
            f"MLflow at {uri} did not take the runs of {scenario.name!r}: {error}. Weights and "
            "leaderboard are stored; materialize mlflow_runs again when it is back"
        ) from error
    rows = [
        {"name": one.name, "fingerprint": one.fingerprint, "run_id": run}
        for one, run in zip(records, runs, strict=True)
    ]
    table = pa.Table.from_pylist(rows, schema=MLFLOW_RUNS)
    new = sum(one.fingerprint not in known for one in records)
    facts: dict[str, Fact] = {"runs": len(rows), "new runs": new, "experiment": name, "uri": uri}
    artifact = store.write_table(f"mlflow_runs/{scenario.name}", MLFLOW_RUNS, table)
    return Outcome(artifact=artifact, facts=facts, preview=table.slice(0, 8))


def _places(tracking: Tracking, folder: Path) -> tuple[str, str | None]:
    """The tracking URI, and where artifacts go; None: where the server puts them."""
    if tracking.mlflow != LOCAL:
        return tracking.mlflow, None
    own = folder.resolve() / "mlflow"
    own.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{own / 'mlflow.db'}", (own / "artifacts").as_uri()


def _client(uri: str) -> Any:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # as Dagster's is, in dagster.yaml
    try:
        from mlflow import MlflowClient
    except ImportError:
        raise ValueError(
            "the catalog has a [tracking] table, but MLflow is not installed: "
            "pip install -e '.[mlflow]', or take the table out"
        ) from None
    return MlflowClient(tracking_uri=uri)


def _experiment(client: Any, name: str, artifacts: str | None) -> str:
    found = client.get_experiment_by_name(name)
    if found is None:
        return str(client.create_experiment(name, artifact_location=artifacts))
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def _recorded(client: Any, experiment: str) -> dict[str, str]:
    """Runs that were recorded to their end, by fingerprint; those that were not are deleted."""
    recorded: dict[str, str] = {}
    token = None
    while True:
        page = client.search_runs([experiment], max_results=1000, page_token=token)
        for run in page:
            if FINGERPRINT not in run.data.tags:
                continue  # somebody else's
            if run.info.status == "FINISHED":
                recorded[run.data.tags[FINGERPRINT]] = run.info.run_id
            else:
                client.delete_run(run.info.run_id)
        token = page.token
        if not token:
            return recorded


def _logged(client: Any, experiment: str, record: Record) -> str:
    """A new run; it is finished last, so that one that a kill left half done can be told."""
    from mlflow.entities import Metric, Param

    tags = record.tags | {FINGERPRINT: record.fingerprint}
    run = client.create_run(experiment, run_name=record.name, tags=tags).info.run_id
    now = int(time.time() * 1000)
    entries: dict[str, list[Any]] = {
        "params": [Param(name, value) for name, value in record.parameters.items()],
        "metrics": [Metric(p.metric, p.value, now, p.step) for p in record.points],
    }
    for kind, size in _BATCHES.items():
        for start in range(0, len(entries[kind]), size):
            client.log_batch(run, **{kind: entries[kind][start : start + size]})
    for name, text in record.texts.items():
        client.log_text(run, text, name)
    client.set_terminated(run)
    return str(run)
