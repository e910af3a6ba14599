"""An Outcome of the pipeline as what Dagster stores and its UI shows."""

import base64
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import dagster as dg
import pyarrow as pa

from assets.execution.memory import REMEDY, ran_out_of_memory
from assets.execution.stopping import stop_if_asked
from assets.resources import Workspace
from pipeline.catalog import Catalog, Domain, Scenario
from pipeline.digest import digest_json
from pipeline.extract.engine import Engine
from pipeline.extract.extraction import Extraction
from pipeline.extract.row_cache import RowCache
from pipeline.markdown import plain
from pipeline.outcome import Fact, Outcome
from pipeline.report import Report, seldom

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


def materialized(work: Callable[[], Outcome]) -> dg.MaterializeResult:
    """Do the work and time it. What was stored is checked afterwards (assets/checks.py)."""
    started = time.perf_counter()
    outcome = _done(work)
    seconds = time.perf_counter() - started
    return dg.MaterializeResult(
        data_version=dg.DataVersion(outcome.artifact.digest),
        metadata=_metadata(outcome) | {"seconds": round(seconds, 2)},
    )


def _done(work: Callable[[], Outcome]) -> Outcome:
    """Where work is stopped, or memory runs out, the step fails in words, and is not retried."""
    try:
        return work()
    except dg.DagsterExecutionInterruptedError as error:
        _end_as_canceled(dg.AssetExecutionContext.get())
        raise dg.Failure("stopped; what was done is kept", allow_retries=False) from error
    except Exception as error:
        if not ran_out_of_memory(error):
            raise
        raise dg.Failure(f"{REMEDY} ({error})", allow_retries=False) from error


def _end_as_canceled(context: dg.AssetExecutionContext) -> None:
    """Runs that Dagster was not asked to stop would end as failed: one within a run that was, and
    one that a person interrupts at the console."""
    run = context.instance.get_run_by_id(context.run.run_id)
    if run and run.status is dg.DagsterRunStatus.STARTED:
        context.instance.report_run_canceling(run)


def observed(context: dg.AssetExecutionContext) -> Report:
    """What long work tells becomes observations in the UI, its progress now and then. Telling is
    also where it stops, should a signal have got lost."""
    return seldom(_observing(context))


def observed_extraction(
    context: dg.AssetExecutionContext, workspace: Workspace, engine: Engine, since: int = 0
) -> Extraction:
    """What an asset extracts with; its plan and progress become observations in the UI.

    Rows of the cache from before `since`, seconds since 1970, are computed again.
    """
    return Extraction(
        engine=engine,
        cache=RowCache(workspace.cache / "rows", since),
        prices=workspace.catalog.prices,
        report=_observing(context),  # it tells its progress now and then by itself
    )


def _observing(context: dg.AssetExecutionContext) -> Report:
    def observe(headline: str, figures: Mapping[str, Fact]) -> None:
        stop_if_asked(context.instance, context.run.run_id)
        context.log_event(
            dg.AssetObservation(
                context.asset_key,
                partition=context.partition_key,
                description=headline,
                metadata=figures,
            )
        )

    return observe


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
