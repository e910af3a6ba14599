"""What vLLM pools against the hidden states of transformers, with tiny models of every family."""

import gc
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("vllm")

import torch
from PIL import Image
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    PreTrainedTokenizerBase,
)

from pipeline.catalog import Pooling
from pipeline.extract.pooling import POOLED_CLASSES, pooling_arguments, register
from tests import tiny_models, tiny_qwen_vl

Maker = Callable[[Path, PreTrainedTokenizerBase], None]
Prompt = tuple[str, list[Image.Image]]


def tiny_minicpmv_float32(folder: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    tiny_models.tiny_minicpmv(folder, tokenizer, linear_attention=False)


TEXT_MODELS: list[Maker] = [
    tiny_models.tiny_llama,
    tiny_models.tiny_mistral,
    tiny_models.tiny_qwen2,
    tiny_models.tiny_qwen3,
    tiny_models.tiny_minicpm,
    tiny_models.tiny_minicpm3,
]
IMAGE_MODELS: list[Maker] = [
    tiny_minicpmv_float32,
    tiny_qwen_vl.tiny_qwen2_vl,
    tiny_qwen_vl.tiny_qwen2_5_vl,
    tiny_qwen_vl.tiny_qwen3_vl,
]
TEXTS: list[Prompt] = [("tea", []), ("Loose green tea, organic", []), ("word " * 20, []), ("x", [])]


@pytest.fixture(scope="module", autouse=True)
def _in_this_process() -> Iterator[None]:
    """vLLM runs here; and inspects our classes here, not each in a process of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
        patch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
        patch.setenv("VLLM_LOGGING_LEVEL", "ERROR")
        from vllm import ModelRegistry

        from pipeline.extract import pooling_models

        register()
        for name in (f"Pooled{name}" for name in POOLED_CLASSES):
            ModelRegistry.register_model(name, getattr(pooling_models, name))
        yield


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return tiny_models.byte_tokenizer()


def with_images(folder: Path) -> list[Prompt]:
    """A chat without an image, one with one and one with two."""
    return [
        (chat(folder, "no picture at all, but words", images=0), []),
        (chat(folder, "a red kettle", images=1), [picture(80, 60)]),
        (chat(folder, "two sides of it", images=2), [picture(60, 120), picture(200, 90)]),
    ]


def chat(folder: Path, text: str, images: int) -> str:
    parts: list[dict[str, str]] = [{"type": "image"}] * images + [{"type": "text", "text": text}]
    rendered = AutoTokenizer.from_pretrained(folder).apply_chat_template(
        [{"role": "user", "content": parts}], tokenize=False, add_generation_prompt=True
    )
    assert isinstance(rendered, str)
    return rendered


def picture(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def architectures(folder: Path) -> list[str]:
    found: list[str] = json.loads((folder / "config.json").read_text())["architectures"]
    return found


def pooled(folder: Path, prompts: Sequence[Prompt], dtype: str, **pooling: Any) -> torch.Tensor:
    """From vLLM, all prompts in one batch: (prompts, width)."""
    from vllm import LLM

    tokenizer = AutoTokenizer.from_pretrained(folder)
    contents = [
        {"prompt": text, "multi_modal_data": {"image": images}}
        if images
        else {"prompt_token_ids": tokenizer(text, add_special_tokens=False).input_ids}
        for text, images in prompts
    ]
    arguments = pooling_arguments(architectures(folder), **pooling)
    if any(images for _, images in prompts):
        arguments["limit_mm_per_prompt"] = {"image": 2, "video": 0}
    engine = LLM(
        str(folder),
        dtype=dtype,
        enforce_eager=True,
        max_model_len=512,
        max_num_batched_tokens=2048,
        max_num_seqs=len(prompts),
        kv_cache_memory_bytes=2**24,
        **arguments,
    )
    try:
        answers = engine.encode(contents, pooling_task="embed", use_tqdm=False)
        return torch.stack([answer.outputs.data for answer in answers])
    finally:
        engine.llm_engine.engine_core.shutdown()
        del engine
        gc.collect()


def wanted(
    folder: Path, prompts: Sequence[Prompt], pooling: Pooling, skip_first_token: bool
) -> torch.Tensor:
    """From transformers, one prompt at a time: (prompts, width)."""
    found = []
    for states in hidden_states(folder, prompts):
        if pooling == "last_token":
            found.append(states[-1][-1])
            continue
        if pooling == "first_last_tokens":
            first = 1 if skip_first_token and len(states[-1]) > 1 else 0
            found.append((states[-1][first] + states[-1][-1]) / 2)
            continue
        kept = (states[1] + states[-1]) / 2 if pooling == "first_last_avg" else states[-1]
        alone = len(kept) == 1
        found.append((kept if alone or not skip_first_token else kept[1:]).mean(0))
    return torch.stack(found)


@torch.no_grad()
def hidden_states(folder: Path, prompts: Sequence[Prompt]) -> Iterator[list[torch.Tensor]]:
    """Of each prompt a tensor (tokens, width) for the embeddings and for every layer."""
    model = reference(folder).eval()
    processor = AutoProcessor.from_pretrained(folder)  # for text alone, it is a tokenizer
    for text, images in prompts:
        shown = {"images": [images]} if images else {}
        special = {} if shown else {"add_special_tokens": False}
        inputs = processor(text=[text], return_tensors="pt", **shown, **special)
        states = model(**inputs, output_hidden_states=True).hidden_states
        yield [layer[0] for layer in states]


def reference(folder: Path) -> Any:
    (architecture,) = architectures(folder)
    if architecture == "MiniCPMForCausalLM":
        return tiny_models.minicpm_as_llama(folder)
    reads_images = architecture.endswith("ForConditionalGeneration")
    kind = AutoModelForImageTextToText if reads_images else AutoModelForCausalLM
    return kind.from_pretrained(folder, dtype=torch.float32)


def relative_error(found: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest of all prompts."""
    assert found.dtype == torch.float32 and found.shape == expected.shape
    errors = (found - expected).norm(dim=1) / expected.norm(dim=1)
    return float(errors.max())


def make(maker: Maker, folder: Path, tokenizer: PreTrainedTokenizerBase) -> list[Prompt]:
    """Fill the folder; return prompts for the model."""
    maker(folder, tokenizer)
    return TEXTS if maker in TEXT_MODELS else with_images(folder)


@pytest.mark.parametrize("maker", TEXT_MODELS + IMAGE_MODELS)
def test_first_and_last_layer_are_those_of_transformers(
    maker: Maker, tmp_path: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    prompts = make(maker, tmp_path, tokenizer)
    how: dict[str, Any] = {"pooling": "first_last_avg", "skip_first_token": True}
    found = pooled(tmp_path, prompts, "float32", **how)
    assert found.shape == (len(prompts), tiny_models.WIDTH)
    assert relative_error(found, wanted(tmp_path, prompts, **how)) < 1e-4


@pytest.mark.parametrize(
    ("maker", "pooling", "skip_first_token"),
    [
        (tiny_models.tiny_llama, "first_last_avg", False),
        (tiny_models.tiny_llama, "mean", True),
        (tiny_models.tiny_llama, "last_token", True),
        (tiny_models.tiny_llama, "first_last_tokens", True),
        (tiny_models.tiny_minicpm3, "first_last_tokens", False),
        (tiny_qwen_vl.tiny_qwen3_vl, "mean", False),
        (tiny_qwen_vl.tiny_qwen3_vl, "last_token", False),
        (tiny_qwen_vl.tiny_qwen3_vl, "first_last_tokens", True),
    ],
)
def test_the_other_ways_to_pool(
    maker: Maker,
    pooling: Pooling,
    skip_first_token: bool,
    tmp_path: Path,
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    prompts = make(maker, tmp_path, tokenizer)
    how: dict[str, Any] = {"pooling": pooling, "skip_first_token": skip_first_token}
    found = pooled(tmp_path, prompts, "float32", **how)
    assert relative_error(found, wanted(tmp_path, prompts, **how)) < 1e-4


def test_linear_attention_in_bfloat16_is_near(
    tmp_path: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    prompts = make(tiny_models.tiny_minicpmv, tmp_path, tokenizer)
    how: dict[str, Any] = {"pooling": "first_last_avg", "skip_first_token": True}
    found = pooled(tmp_path, prompts, "bfloat16", **how)
    assert relative_error(found, wanted(tmp_path, prompts, **how)) < 0.05


def test_a_huge_first_state_leaves_no_trace() -> None:
    from vllm.pooling_params import PoolingParams
    from vllm.v1.pool.metadata import PoolingMetadata, PoolingStates

    from pipeline.extract.pooling_models import MeanWithoutFirst

    lengths = np.array([3, 1, 4])
    states = torch.randn(8, 5, generator=torch.Generator().manual_seed(0))
    states[[0, 4]] = 1e30
    metadata = PoolingMetadata(
        prompt_lens=torch.from_numpy(lengths),
        prompt_token_ids=None,
        prompt_token_ids_cpu=None,
        pooling_params=[PoolingParams(task="embed")] * 3,
        pooling_states=[PoolingStates() for _ in lengths],
    )
    metadata.build_pooling_cursor(lengths, metadata.prompt_lens, torch.device("cpu"))
    found = MeanWithoutFirst()(states, metadata)
    expected = torch.stack([states[1:3].mean(0), states[3], states[5:].mean(0)])
    torch.testing.assert_close(found, expected)


def test_pipeline_parallelism_is_refused() -> None:
    from pipeline.extract.pooling_models import PooledLlamaForCausalLM

    two: Any = SimpleNamespace(parallel_config=SimpleNamespace(pipeline_parallel_size=2))
    with pytest.raises(ValueError, match="pipeline_parallel_size = 1"):
        PooledLlamaForCausalLM(vllm_config=two)
