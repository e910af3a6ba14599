"""The command line of a server; test_remote_engine.py starts one."""

import json
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.catalog import EngineSettings
from pipeline.extract.engine import Features, Generate, Sampling
from pipeline.extract.serving import serve_command

MODEL = "folder:llama"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "llama").mkdir()
    config = {"architectures": ["LlamaForCausalLM"]}
    (tmp_path / "llama" / "config.json").write_text(json.dumps(config))
    return tmp_path


def test_a_server_has_the_catalogs_name_and_settings_and_the_options_given(data: Path) -> None:
    task = Generate(model=MODEL, prompt="p/1", sampling=Sampling())
    command = serve_command(task, data, EngineSettings(max_model_len=640), ["--port", "8001"])
    after = dict(pairwise(command))
    assert after["--model"] == str(data / "llama")
    assert after["--served-model-name"] == MODEL
    assert after["--max-model-len"] == "640"
    assert json.loads(after["--structured-outputs-config"])["backend"] == "xgrammar"
    assert "--no-trust-remote-code" in command and "--trust-remote-code" not in command
    assert after["--host"] == "127.0.0.1"
    assert command[-2:] == ["--port", "8001"]


def test_a_server_for_features_pools_as_asked(data: Path) -> None:
    task = Features(model=MODEL, prompt="p/1", pooling="last_token", skip_first_token=False)
    command = serve_command(task, data, EngineSettings())
    after = dict(pairwise(command))
    assert after["--runner"] == "pooling"
    assert json.loads(after["--pooler-config"]) == {"seq_pooling_type": "LAST"}
    assert json.loads(after["--hf-overrides"])["pool_first_token"] is True
    assert "--no-enable-prefix-caching" in command


def test_a_model_that_cannot_be_pooled_has_no_server(data: Path) -> None:
    (data / "llama" / "config.json").write_text('{"architectures": ["OddForCausalLM"]}')
    with pytest.raises(ValueError, match="OddForCausalLM"):
        serve_command(Features(model=MODEL, prompt="p/1"), data, EngineSettings())
