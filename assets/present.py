"""An Outcome of the pipeline as what Dagster stores and its UI shows."""

import base64
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import dagster as dg
import pyarrow as pa

from assets.resources import Workspace
from pipeline.catalog import Catalog, Domain, Scenario
from pipeline.digest import digest_json
from pipeline.extract.engine import Engine
from pipeline.extract.extraction import Extraction
from pipeline.extract.row_cache import RowCache
from pipeline.markdown import plain
from pipeline.outcome import Fact, Outcome

_CELL_CHARACTERS = 60
_PLOT_BYTES = 100_000


def code_version(
    stage_version: str, parameters: Mapping[str, Any], groups: Sequence[str] = ()
) -> str:
    """The stage's version, and by partition a digest of the parameters that are read for it.

    Dagster knows one code version an asset and calls all partitions stale where one has new
    parameters; `partition_version` tells which it was. `groups` names what is read, one name for
    each of a list of values: `changed_groups` tells which of them it was.
    """
    digests = [f"{name}:{digest_json(read)[:8]}" for name, read in sorted(parameters.items())]
    for name, read in sorted(parameters.items()) if groups else ():
        values = [read] if len(groups) == 1 else read
        named = zip(groups, values, strict=True)
        digests += [f"{name}/{group}:{digest_json(value)[:4]}" for group, value in named]
    return " ".join([stage_version, *digests])


def changed_groups(before: str, now: str, partition: str) -> list[str]:
    """Which groups of parameters differ for a partition; none where versions do not name them."""
    old, new = (
        dict(part.rsplit(":", 1) for part in version.split(" ") if part.startswith(f"{partition}/"))
        for version in (before, now)
    )
    return [name.partition("/")[2] for name in new if old.get(name, new[name]) != new[name]]


def partition_version(code_version: str, partition: str) -> list[str]:
    """What of an asset's code version concerns one partition."""
    stage_version, *digests = code_version.split(" ")
    return [stage_version, *(d for d in digests if d.rpartition(":")[0] == partition)]


def each_domain(catalog: Catalog, read: Callable[[Domain], Any]) -> dict[str, Any]:
    """What a stage reads of every domain, for its code version."""
    return {name: read(domain) for name, domain in catalog.domains.items()}


def each_scenario(
    catalog: Catalog, read: Callable[[Scenario], Any], names: Iterable[str] | None = None
) -> dict[str, Any]:
    """What a stage reads of every scenario, or of the named ones, for its code version."""
    chosen = catalog.scenarios if names is None else names
    return {name: read(catalog.scenarios[name]) for name in chosen}


def materialized(
    work: Callable[[], Outcome], check: Callable[[], dg.AssetCheckResult] | None = None
) -> dg.MaterializeResult:
    """Do the work, time it, then check what was stored by reading it back.

    A failed check fails the asset: a result beside it would count as its latest materialization
    and the next refresh would build on it.
    """
    started = time.perf_counter()
    try:
        outcome = work()
    except dg.DagsterExecutionInterruptedError as error:
        # Without this Dagster would retry a step that a person has stopped.
        raise dg.Failure("stopped; what was done is kept", allow_retries=False) from error
    seconds = time.perf_counter() - started
    results = [check()] if check else []
    for result in results:
        if not result.passed:
            raise dg.Failure(
                f"check {result.check_name} failed on {outcome.artifact.path}",
                metadata=result.metadata,
                allow_retries=False,
            )
    return dg.MaterializeResult(
        data_version=dg.DataVersion(outcome.artifact.digest),
        metadata=_metadata(outcome) | {"seconds": round(seconds, 2)},
        check_results=results,
    )


def observed_extraction(
    context: dg.AssetExecutionContext, workspace: Workspace, engine: Engine
) -> Extraction:
    """What an asset extracts with; its plan and progress become observations in the UI."""

    def observe(headline: str, figures: Mapping[str, Fact]) -> None:
        context.log_event(
            dg.AssetObservation(
                context.asset_key,
                partition=context.partition_key,
                description=headline,
                metadata=figures,
            )
        )

    return Extraction(
        engine=engine,
        cache=RowCache(workspace.cache / "rows"),
        prices=workspace.catalog.prices,
        report=observe,
    )


def _metadata(outcome: Outcome) -> dict[str, Any]:
    """What the UI lists of a materialization, in its order: what people look for comes first."""
    artifact = outcome.artifact
    metadata: dict[str, Any] = dict(outcome.facts)
    for title, markdown in outcome.tables.items():
        metadata[title] = dg.MetadataValue.md(markdown)
    for title, png in outcome.plots.items():
        metadata[title] = _image(title, png)
    if outcome.preview is not None:
        metadata["preview"] = dg.MetadataValue.md(markdown_table(outcome.preview))
    if artifact.schema is not None:
        metadata["dagster/column_schema"] = _column_schema(artifact.schema)
    if artifact.num_rows is not None:
        metadata["dagster/row_count"] = artifact.num_rows
    if artifact.shapes:
        metadata["shapes"] = dg.MetadataValue.json({k: list(v) for k, v in artifact.shapes.items()})
    return metadata | {
        "path": dg.MetadataValue.path(artifact.path),
        "megabytes": round(artifact.num_bytes / 1e6, 3),
        "digest": artifact.digest,
    }


def _image(title: str, png: bytes) -> Any:
    """A plot as Markdown, which is what the UI draws."""
    if len(png) > _PLOT_BYTES:
        return f"left out: its {len(png):,} bytes would swell Dagster's event log"
    return dg.MetadataValue.md(
        f"![{title}](data:image/png;base64,{base64.b64encode(png).decode()})"
    )


def markdown_table(table: pa.Table) -> str:
    """A small table as Markdown; long cells are cut."""
    names = [_cell(name) for name in table.column_names]
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * table.num_columns]
    for row in table.to_pylist():
        lines.append("| " + " | ".join(_cell(value) for value in row.values()) + " |")
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        value = f"{value:.6g}"
    elif isinstance(value, list):
        value = "; ".join(map(str, value))
    text = " ".join(str("" if value is None else value).split())
    if len(text) > _CELL_CHARACTERS:
        text = f"{text[:_CELL_CHARACTERS]}..."
    return plain(text)


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
