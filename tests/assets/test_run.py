"""The command line of `python -m assets.run`."""

import logging
import re
from pathlib import Path

import dagster as dg
import pytest

from assets import run
from assets.resources import Workspace


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


def test_an_error_of_a_step_is_told_in_a_line_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "catalog.toml").write_text(
        '[domain.absent]\ntitle = "toys"\nformat = "amazon-2018"\nreviews = "raw/absent.json"\n'
    )
    monkeypatch.setattr(logging.getLogger("pipeline"), "handlers", [])
    monkeypatch.setattr(run, "Workspace", lambda: Workspace(data=str(tmp_path)))
    monkeypatch.setattr(run, "open_instance", dg.DagsterInstance.ephemeral)
    monkeypatch.setattr("sys.argv", ["run", "absent"])
    with pytest.raises(SystemExit) as ended:
        run.main()
    assert re.fullmatch(r"error: .*raw/absent.json is missing: .*", str(ended.value.code))
    assert "Traceback" not in capfd.readouterr().err
