"""Whether a run is to stop, or the one that it is part of."""

import dagster as dg
import pytest

from assets.execution.stopping import part_of, stop_if_asked


@dg.job
def nothing() -> None:
    pass


def test_a_run_goes_on_until_it_or_the_run_around_it_is_to_stop() -> None:
    started = dg.DagsterRunStatus.STARTED
    with dg.DagsterInstance.ephemeral() as instance:
        outer = instance.create_run_for_job(nothing, status=started)
        inner = instance.create_run_for_job(nothing, status=started, tags=part_of(outer.run_id))
        alone = instance.create_run_for_job(nothing, status=started, tags=part_of(None))
        for run in (outer, inner, alone):
            stop_if_asked(instance, run.run_id)
        stop_if_asked(instance, None)
        instance.report_run_canceling(outer)
        for run in (outer, inner):
            with pytest.raises(dg.DagsterExecutionInterruptedError):
                stop_if_asked(instance, run.run_id)
        instance.report_run_canceled(outer)  # as the daemon does where a process does not stop
        with pytest.raises(dg.DagsterExecutionInterruptedError):
            stop_if_asked(instance, inner.run_id)
        stop_if_asked(instance, alone.run_id)
