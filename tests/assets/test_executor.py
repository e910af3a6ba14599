"""Which process executes a run's steps. The processes themselves: tests/e2e/test_cancel.py."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.system_config.objects import ResolvedRunConfig

from assets.execution.executor import executor


@dg.op
def whose(context: dg.OpExecutionContext) -> None:
    context.log.info(f"process {os.getpid()}")


@dg.job(executor_def=executor)
def two_steps() -> None:
    whose.alias("first")()
    whose.alias("second")()


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test(temp_dir=str(tmp_path)) as made:
        yield made


def test_by_default_steps_share_the_runs_process(instance: dg.DagsterInstance) -> None:
    result = dg.execute_job(dg.reconstructable(two_steps), instance)
    assert result.success
    said = [entry.user_message for entry in instance.all_logs(result.run_id)]
    assert said.count(f"process {os.getpid()}") == 2


def _resolved(**choice: Any) -> dict[str, Any]:
    """What the chosen executor is made with."""
    execution = {"execution": {"config": choice}} if choice else {}
    return dict(ResolvedRunConfig.build(two_steps, execution).execution.execution_engine_config)


def test_a_run_may_ask_for_a_process_a_step_and_gets_one_at_a_time() -> None:
    assert set(_resolved()) == {"in_process"}
    assert _resolved(multiprocess={})["multiprocess"]["max_concurrent"] == 1
    assert _resolved(multiprocess={"max_concurrent": 3})["multiprocess"]["max_concurrent"] == 3


def test_a_misspelt_setting_is_an_error() -> None:
    with pytest.raises(dg.DagsterInvalidConfigError, match="max_concurent"):
        _resolved(multiprocess={"max_concurent": 3})
