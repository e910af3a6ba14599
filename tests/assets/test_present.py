"""An Outcome as Dagster's metadata."""

import base64
import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa

from assets.present import markdown_table, materialized, observed
from pipeline.outcome import Outcome
from pipeline.store import Artifact, Store


def _metadata(result: dg.MaterializeResult) -> dict[str, Any]:
    """The values as Dagster normalizes and stores them."""
    assert result.metadata is not None
    event = dg.AssetMaterialization("some", metadata=result.metadata)
    return {key: value.value for key, value in event.metadata.items()}


def _artifact(**changes: Any) -> Artifact:
    entry: dict[str, Any] = {"key": "a/b", "path": Path("/x/a/b.parquet"), "digest": "0123abcd"}
    return Artifact(**{**entry, "num_bytes": 1_234_567, **changes})


def test_a_table_has_its_rows_size_digest_and_the_time_it_took(tmp_path: Path) -> None:
    schema = pa.schema([pa.field("item", pa.int32(), nullable=False), ("title", pa.string())])
    table = pa.table({"item": [1, 2], "title": ["Tea", None]}, schema=schema)
    artifact = Store(tmp_path).write_table("items/food", schema, table)
    result = materialized(
        lambda: Outcome(artifact=artifact, facts={"dropped": 3}, preview=table.select(["title"]))
    )
    metadata = _metadata(result)
    assert result.data_version == dg.DataVersion(artifact.digest)
    assert metadata["dagster/row_count"] == 2
    assert metadata["dropped"] == 3
    assert metadata["path"] == str(tmp_path / "items/food.parquet")
    assert metadata["digest"] == artifact.digest
    assert metadata["seconds"] >= 0
    assert metadata["preview"].splitlines()[2:] == ["| Tea |", "|  |"]
    columns = metadata["dagster/column_schema"].columns
    assert [(c.name, c.type, c.constraints.nullable) for c in columns] == [
        ("item", "int32", False),
        ("title", "string", True),
    ]


def test_megabytes_are_millions_of_bytes() -> None:
    assert _metadata(materialized(lambda: Outcome(artifact=_artifact())))["megabytes"] == 1.235


def test_tensors_show_their_shapes_and_no_row_count() -> None:
    outcome = Outcome(artifact=_artifact(shapes={"vectors": (3, 384)}))
    metadata = _metadata(materialized(lambda: outcome))
    assert metadata["shapes"] == {"vectors": [3, 384]}
    assert "dagster/row_count" not in metadata and "preview" not in metadata


def test_a_plot_is_an_image_in_markdown() -> None:
    png = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
    metadata = _metadata(
        materialized(lambda: Outcome(artifact=_artifact(), plots={"Training": png}))
    )
    head, data = metadata["Training"].removesuffix(")").split(",")
    assert head == "![Training](data:image/png;base64"
    assert base64.b64decode(data) == png


def test_a_plot_of_more_than_100_kb_stays_out_of_the_event_log() -> None:
    plots = {"Small": bytes(100_000), "Large": bytes(100_001)}
    metadata = _metadata(materialized(lambda: Outcome(artifact=_artifact(), plots=plots)))
    assert metadata["Small"].startswith("![Small](data:image/png;base64,AAAA")
    assert metadata["Large"] == "left out: its 100,001 bytes would swell Dagster's event log"


def test_cells_cannot_break_out_of_their_column() -> None:
    table = pa.table({"a|b": ["x | y\nz", None, "v" * 80], "n": [[1, 2], [], None]})
    assert markdown_table(table).splitlines() == [
        "| a\\|b | n |",
        "|---|---|",
        "| x \\| y z | 1; 2 |",
        "|  |  |",
        f"| {'v' * 60}... |  |",
    ]


def test_a_cut_never_splits_an_escaped_pipe() -> None:
    table = pa.table({"a": ["v" * 59 + "|w"]})
    assert markdown_table(table).splitlines()[2] == f"| {'v' * 59}\\|... |"


def test_html_in_a_cell_is_shown_and_not_run() -> None:
    table = pa.table({"a": ["<img src=x onerror=alert(1)>"]})
    assert markdown_table(table).splitlines()[2] == "| &lt;img src=x onerror=alert(1)&gt; |"


def _run(work: Callable[[], Outcome]) -> tuple[dg.DagsterRunStatus, list[Any], int]:
    """How a run of an asset ends that does such work and may be retried; its events; attempts."""
    attempts = []

    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=2))
    def some() -> dg.MaterializeResult:
        attempts.append(1)
        return materialized(work)

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([some], instance=instance, raise_on_error=False)
        run = instance.get_run_by_id(result.run_id)
        assert run is not None
        return run.status, instance.all_logs(result.run_id), len(attempts)


def _failure(events: list[Any]) -> str:
    (failed,) = [
        e.dagster_event
        for e in events
        if e.dagster_event and e.dagster_event.is_failure and e.dagster_event.is_step_failure
    ]
    return str(failed.step_failure_data.error.to_string())


def test_stopped_work_ends_its_run_as_canceled_and_is_not_tried_again() -> None:
    def interrupted() -> Outcome:
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("the signal came before this")

    status, events, attempts = _run(interrupted)
    assert status is dg.DagsterRunStatus.CANCELED and attempts == 1
    assert "stopped; what was done is kept" in _failure(events)


def test_work_that_swallows_the_signal_stops_when_it_next_tells_how_it_goes() -> None:
    epochs = []

    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(["small"]))
    def some(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        report = observed(context)

        def swallowing() -> Outcome:
            context.instance.report_run_canceling(context.run)  # as the UI's button does
            with contextlib.suppress(BaseException):
                os.kill(os.getpid(), signal.SIGINT)
            for epoch in range(3):
                epochs.append(epoch)
                report("progress", {"epoch": epoch})
            return Outcome(artifact=_artifact())

        return materialized(swallowing)

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [some], instance=instance, partition_key="small", raise_on_error=False
        )
        (run,) = instance.get_runs()
    assert not result.success and epochs == [0]
    assert run.status is dg.DagsterRunStatus.CANCELED


def test_work_that_runs_out_of_memory_says_what_to_do_and_is_not_tried_again() -> None:
    def too_large() -> Outcome:
        raise MemoryError("Unable to allocate 8.00 EiB")

    status, events, attempts = _run(too_large)
    assert status is dg.DagsterRunStatus.FAILURE and attempts == 1
    said = _failure(events)
    assert "What was done is kept" in said and "8.00 EiB" in said and "max_num_seqs" in said


def test_any_other_error_is_left_as_it_is_and_may_be_tried_again() -> None:
    def wrong() -> Outcome:
        raise ValueError("food.json.gz row 3: no item")

    status, events, attempts = _run(wrong)
    assert status is dg.DagsterRunStatus.FAILURE and attempts == 3
    assert "row 3: no item" in _failure(events) and "Memory" not in _failure(events)
