"""An Outcome of the pipeline as what Dagster stores and its UI shows."""

import base64
import time
from collections.abc import Callable
from typing import Any

import dagster as dg
import pyarrow as pa

from pipeline.catalog import Catalog
from pipeline.digest import digest_json
from pipeline.outcome import Outcome

_CELL_CHARACTERS = 60


def code_version(stage_version: str, *parameters: Any) -> str:
    """The stage's version and a digest of the parameters that it reads from the catalog."""
    return f"{stage_version}-{digest_json(list(parameters))[:8]}"


def each_scenario(catalog: Catalog, read: Callable[[Any], Any]) -> dict[str, Any]:
    """What a stage reads of every scenario, for its code version."""
    return {name: read(scenario) for name, scenario in sorted(catalog.scenarios.items())}


def materialized(
    work: Callable[[], Outcome], check: Callable[[], dg.AssetCheckResult] | None = None
) -> dg.MaterializeResult:
    """Do the work, time it, then check what was stored by reading it back."""
    started = time.perf_counter()
    outcome = work()
    seconds = time.perf_counter() - started
    return dg.MaterializeResult(
        data_version=dg.DataVersion(outcome.artifact.digest),
        metadata=_metadata(outcome) | {"seconds": round(seconds, 2)},
        check_results=[check()] if check else None,
    )


def _metadata(outcome: Outcome) -> dict[str, Any]:
    artifact = outcome.artifact
    metadata: dict[str, Any] = {
        **outcome.facts,
        "path": dg.MetadataValue.path(artifact.path),
        "megabytes": round(artifact.num_bytes / 1e6, 3),
        "digest": artifact.digest,
    }
    if artifact.num_rows is not None:
        metadata["dagster/row_count"] = artifact.num_rows
    if artifact.shapes:
        metadata["shapes"] = dg.MetadataValue.json({k: list(v) for k, v in artifact.shapes.items()})
    if outcome.preview is not None:
        metadata["preview"] = dg.MetadataValue.md(markdown_table(outcome.preview))
        metadata["dagster/column_schema"] = _column_schema(outcome.preview.schema)
    for title, markdown in outcome.tables.items():
        metadata[title] = dg.MetadataValue.md(markdown)
    for title, png in outcome.plots.items():
        image = base64.b64encode(png).decode()
        metadata[title] = dg.MetadataValue.md(f"![{title}](data:image/png;base64,{image})")
    return metadata


def markdown_table(table: pa.Table) -> str:
    """A small table as Markdown; long cells are cut."""
    lines = ["| " + " | ".join(table.column_names) + " |", "|" + "---|" * table.num_columns]
    for row in table.to_pylist():
        lines.append("| " + " | ".join(_cell(value) for value in row.values()) + " |")
    return "\n".join(lines)


def _cell(value: Any) -> str:
    text = " ".join(str("" if value is None else value).split()).replace("|", "\\|")
    return text if len(text) <= _CELL_CHARACTERS else f"{text[:_CELL_CHARACTERS]}..."


def _column_schema(schema: pa.Schema) -> dg.TableSchema:
    return dg.TableSchema(
        [
            dg.TableColumn(
                field.name,
                str(field.type),
                constraints=dg.TableColumnConstraints(nullable=field.nullable),
            )
            for field in schema
        ]
    )
