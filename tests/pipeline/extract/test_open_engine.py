"""Which engine a catalog gets, and that it is closed whatever happens."""

from pathlib import Path

import pytest

from pipeline.catalog import EngineSettings, Remote
from pipeline.extract.engine import Embed
from pipeline.extract.open_engine import open_engine
from pipeline.extract.remote_engine import RemoteEngine
from pipeline.extract.replicated_engine import ReplicatedEngine
from pipeline.extract.vllm_engine import VllmEngine

REMOTE = Remote(url="http://127.0.0.1:9/v1", revision="1")


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        (EngineSettings(), VllmEngine),
        (EngineSettings(replicas=2), ReplicatedEngine),
        (EngineSettings(remote=REMOTE), RemoteEngine),
        (EngineSettings(remote=REMOTE, replicas=2), RemoteEngine),
    ],
)
def test_settings_choose_the_engine_and_opening_it_starts_nothing(
    settings: EngineSettings, kind: type, tmp_path: Path
) -> None:
    with open_engine(tmp_path, settings) as engine:
        assert type(engine) is kind
    assert list(tmp_path.iterdir()) == []


def test_an_engine_is_closed_when_its_user_fails(tmp_path: Path) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        open_engine(tmp_path, EngineSettings(remote=REMOTE)) as engine,
    ):
        raise ZeroDivisionError
    with pytest.raises(RuntimeError, match="closed"):
        engine.start(Embed(model="m"))
