"""Bring a scenario or a domain up to date: materialize what is missing or stale, and nothing else.

Assets are visited in topological order, and an asset's state is asked only after everything
above it is fresh: where a recomputed artifact has the digest it had before, nothing below it
runs. Dagster's own launchers cannot do this across domain and scenario partitions.
"""

import fcntl
import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import dagster as dg

from assets.checks import asset_checks
from assets.execution.launcher import here
from assets.execution.stopping import part_of, stop_if_asked
from assets.resources import Workspace
from assets.staleness.causes import Cause, Part, Staleness
from assets.staleness.listing import Listing
from pipeline.extract.open_engine import open_engine
from pipeline.markdown import table

log = logging.getLogger("pipeline.refresh")

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""None of Dagster's own console lines: the event log of each run keeps everything, and an error is
raised here too."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """An asset partition that was materialized, and why."""

    part: Part
    causes: Sequence[Cause]
    seconds: float
    is_same: bool  # the digest is the one it had before: what lies below has no new cause
    spared: Sequence[Part] = ()  # what lies below and stayed fresh, where it is the same


def refresh(
    assets: Sequence[dg.AssetsDefinition],
    workspace: Workspace,
    name: str,
    instance: dg.DagsterInstance,
    *,
    only: str | None = None,
    force: Sequence[str] = (),
    within: str | None = None,
) -> list[Step]:
    """Materialize the stale asset partitions of one scenario, or of one domain.

    A scenario brings along what it needs of its domains; a domain is all that can be made of it
    alone. `only` leaves all other stages as they are; assets named in `force` run though they be
    fresh. `within` is the run that does this, if any: it stops where that is to stop. Returns what
    ran, in order, with cause and outcome. Stops at the first failure with the asset's own error.
    """
    staleness = Staleness(assets, workspace, instance)
    parts = _chosen(staleness, name, only, force)
    with (
        _alone(workspace, name),
        # One engine for all runs: a model that several assets want is loaded once.
        open_engine(Path(workspace.data), workspace.catalog.engine) as engine,
    ):
        shared = dg.ResourceDefinition.hardcoded_resource(engine)
        definitions = dg.Definitions(
            assets=list(assets),
            asset_checks=asset_checks(assets),
            resources={"workspace": workspace, "engine": shared},
        )
        log.info("%s: %s", name, Listing(states=list(staleness.states(parts))).summary())
        return _materialize_stale(definitions, staleness, parts, force, within)


def told(steps: Sequence[Step]) -> str:
    """Steps as a Markdown table: what ran, why, and what came of it."""
    if not steps:
        return "Nothing was missing or stale."
    rows = [
        [str(step.part), "; ".join(map(str, step.causes)), f"{step.seconds:.1f}", _outcome(step)]
        for step in steps
    ]
    return table(["materialized", "why", "seconds", "outcome"], rows, words=4)


def _outcome(step: Step) -> str:
    if not step.is_same:
        return "new content"
    return f"same digest: {len(step.spared)} assets below stayed fresh"


def _chosen(staleness: Staleness, name: str, only: str | None, force: Sequence[str]) -> list[Part]:
    """The asset partitions to visit. ValueError where `only` or `force` names none of them."""
    parts = list(staleness.parts(name))
    stages = {staleness.stage(part.key): None for part in parts}
    if only is not None and only not in stages:
        raise ValueError(f"{name} has no stage {only!r}; it has {', '.join(stages)}")
    if only is not None:
        parts = [part for part in parts if staleness.stage(part.key) == only]
    known = {part.key.to_user_string(): None for part in parts}
    for asset in force:
        if asset not in known:
            raise ValueError(f"no asset {asset!r} to force here; known: {', '.join(known)}")
    return parts


def _materialize_stale(
    definitions: dg.Definitions,
    staleness: Staleness,
    parts: Sequence[Part],
    force: Sequence[str],
    within: str | None,
) -> list[Step]:
    job = definitions.resolve_implicit_global_asset_job_def()
    steps: list[Step] = []
    for part in parts:
        stop_if_asked(staleness.instance, within)
        causes = staleness.causes(part)
        if part.key.to_user_string() in force:
            causes.append(Cause("forced", "asked for"))
        if not causes:
            continue
        _refuse_missing_inputs(staleness, part)
        before = staleness.record(part)
        log.info("%s: %s", part, "; ".join(map(str, causes)))
        started = time.perf_counter()
        job.execute_in_process(
            asset_selection=[part.key],
            partition_key=part.partition,
            instance=staleness.instance,
            run_config=QUIET,
            tags=here() | part_of(within),
        )
        seconds = time.perf_counter() - started
        staleness.forget(part.key)
        after = staleness.record(part)
        is_same = before is not None and after is not None and before.version == after.version
        log.info("%s: done in %.1f s%s", part, seconds, ", same digest" if is_same else "")
        steps.append(Step(part=part, causes=causes, seconds=seconds, is_same=is_same))
    return _with_spared(staleness, parts, steps)


def _refuse_missing_inputs(staleness: Staleness, part: Part) -> None:
    """ValueError where something that it reads was never made: a stage was asked for alone."""
    missing = [str(parent) for parent in staleness.parents(part) if not staleness.record(parent)]
    if missing:
        raise ValueError(
            f"{part} reads {', '.join(missing)}, never materialized: bring all stages up to date"
        )


def _with_spared(staleness: Staleness, parts: Sequence[Part], steps: Sequence[Step]) -> list[Step]:
    """Steps with what early cutoff saved below each."""
    ran = {step.part for step in steps}
    done = []
    for step in steps:
        if step.is_same:
            below = _below(staleness, parts, step.part)
            step = replace(step, spared=[part for part in below if part not in ran])
            log.info("%s: recomputed, %s", step.part, _outcome(step))
        done.append(step)
    return done


def _below(staleness: Staleness, parts: Sequence[Part], top: Part) -> list[Part]:
    """What reads a part, or reads what reads it, in topological order."""
    reached = {top}
    for part in parts:
        if any(parent in reached for parent in staleness.parents(part)):
            reached.add(part)
    return [part for part in parts if part in reached and part != top]


@contextmanager
def _alone(workspace: Workspace, name: str) -> Iterator[None]:
    """Held while a data folder is refreshed; ValueError names the refresh that holds it.

    The lock is the operating system's: it ends with the process, however that ends.
    """
    path = workspace.cache / "refresh.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise ValueError(
                f"another refresh is at work on {workspace.data} ({file.read().strip()}): "
                "wait until it ends, or stop it"
            ) from None
        file.truncate(0)
        file.write(f"{name}, process {os.getpid()}, since {datetime.now():%Y-%m-%d %H:%M}\n")
        file.flush()
        yield
