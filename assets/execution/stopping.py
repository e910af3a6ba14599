"""Whether a run is to stop, for work that asks now and then.

Dagster stops a run by an exception at whatever Python is doing. That may be something that swallows
it, such as a library being imported that tries several ways: then Dagster calls the run canceled
after a while, and the process goes on for hours.
"""

import dagster as dg

_WITHIN = "coldbridge/within"


def part_of(run_id: str | None) -> dict[str, str]:
    """A tag for runs that another run executes within itself: they stop with it."""
    return {_WITHIN: run_id} if run_id else {}


def stop_if_asked(instance: dg.DagsterInstance, run_id: str | None) -> None:
    """Raise what Dagster would have raised, where a run is to stop, or has been ended meanwhile."""
    run = instance.get_run_by_id(run_id) if run_id else None
    if run is None:
        return
    if run.status is dg.DagsterRunStatus.CANCELING or run.is_finished:
        raise dg.DagsterExecutionInterruptedError
    stop_if_asked(instance, run.tags.get(_WITHIN))
