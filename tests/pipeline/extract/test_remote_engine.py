"""A real server of vLLM; it answers what vLLM in this process answers."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from pipeline.catalog import EngineSettings, Remote
from pipeline.extract.engine import (
    HISTORY,
    Embed,
    Features,
    Generate,
    Generation,
    Request,
    Sampling,
    Task,
)
from pipeline.extract.remote_engine import RemoteEngine
from pipeline.extract.vllm_engine import VllmEngine
from tests.pipeline.extract.vllm_server import SETTINGS, vllm_serving
from tests.tiny_models import smollm2_tokenizer, tiny_llama

MODEL = "folder:tiny-llama"
SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"teas": {"type": "array", "items": {"enum": ["green", "black", "mint"]}}},
        "required": ["teas"],
        "additionalProperties": False,
    }
)
REVIEWS = tuple(f"review number {i} about a kettle" for i in range(200))
CHATS = [
    Request(
        row=f"user {i}",
        prompt=(("system", "You sell tea."), ("user", f"Reviews:\n{HISTORY}\nWhat next?")),
        history=REVIEWS[: 1 + 45 * i],
        seed=i,
    )
    for i in range(5)
]
TEXTS = [Request(row=f"text {i}", prompt=f"Tea number {i} is", seed=i) for i in range(3)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    tiny_llama(folder / "tiny-llama", smollm2_tokenizer())
    # What the server would take from here by itself, and vLLM in this process does not.
    generation = folder / "tiny-llama" / "generation_config.json"
    known = json.loads(generation.read_text())
    known |= {"do_sample": True, "top_k": 2, "repetition_penalty": 1.5, "max_new_tokens": 5}
    generation.write_text(json.dumps(known))
    return folder


@pytest.fixture(scope="module")
def local(data: Path) -> Iterator[VllmEngine]:
    with VllmEngine(data, SETTINGS) as engine:
        yield engine


@pytest.fixture(scope="module")
def remote(data: Path) -> Iterator[RemoteEngine]:
    with vllm_serving(data, "generate", MODEL) as engine:
        yield engine


def answers(
    engine: VllmEngine | RemoteEngine, task: Generate, requests: Sequence[Request]
) -> list[Generation]:
    return engine.generate(task, engine.prepare(task, requests))


@pytest.mark.parametrize("temperature", [0.0, 0.8])
@pytest.mark.parametrize("schema", [None, SCHEMA])
def test_a_server_answers_as_the_engine_in_this_process_does(
    remote: RemoteEngine, local: VllmEngine, temperature: float, schema: str | None
) -> None:
    sampling = Sampling(temperature=temperature, max_tokens=24)
    task = Generate(model=MODEL, prompt="p/1", sampling=sampling, json_schema=schema)
    for requests in (CHATS, TEXTS):
        found = answers(remote, task, requests)
        assert found == answers(local, task, requests)
        if schema is None:
            assert max(answer.output_tokens for answer in found) > 5
        for answer in found:
            if schema and answer.finished:
                assert set(json.loads(answer.text)) == {"teas"}
    cut = [answer.cut_history for answer in answers(remote, task, CHATS)]
    assert cut[0] == 0 and cut[-1] > 0


def test_the_identity_knows_the_revision_and_not_the_address() -> None:
    def identity(task: Task, max_model_len: int = 512, **remote: str) -> str:
        found = Remote(**{"url": "http://127.0.0.1:9/v1", "revision": "1", **remote})
        settings = EngineSettings(max_model_len=max_model_len, remote=found)
        return json.dumps(RemoteEngine(settings, found).identity(task))

    task = Features(model="m", prompt="p/1")
    assert identity(task) == identity(task, url="https://elsewhere/v1")
    others = [
        identity(task, revision="2"),
        identity(task, max_model_len=256),
        identity(Features(model="m", prompt="p/2")),
        identity(Features(model="m", prompt="p/1", pooling="mean")),
        identity(Generate(model="m", prompt="p/1", sampling=Sampling())),
        identity(Embed(model="m")),
    ]
    assert len({identity(task), *others}) == 1 + len(others)
