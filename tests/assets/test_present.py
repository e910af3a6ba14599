"""An Outcome as Dagster's metadata."""

import base64
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa

from assets.present import markdown_table, materialized
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
