"""The command line of `python -m assets.run`."""

import logging
import re
from pathlib import Path

import dagster as dg
import pytest

from assets import run


def test_the_console_shows_the_pipelines_log_without_dagsters_prefix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logging.getLogger("pipeline"), "handlers", [])

    @dg.asset
    def trained() -> None:
        logging.getLogger("pipeline.train").info("epoch %d of %d", 1, 9)

    run.log_to_console()
    managed = {"python_logs": {"managed_python_loggers": ["pipeline"], "python_log_level": "INFO"}}
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=managed) as instance:
        result = dg.materialize([trained], instance=instance)
        events = [entry.user_message for entry in instance.all_logs(result.run_id)]
    lines = capsys.readouterr().err.splitlines()
    assert any(re.fullmatch(r"\d\d:\d\d:\d\d epoch 1 of 9", line) for line in lines), lines
    assert "epoch 1 of 9" in events


def test_an_unknown_scenario_is_refused_with_the_known_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logging.getLogger("pipeline"), "handlers", [])
    monkeypatch.setattr("sys.argv", ["run", "nonsense"])
    with pytest.raises(SystemExit):
        run.main()
    assert "unknown scenario 'nonsense'; known: demo" in capsys.readouterr().err
