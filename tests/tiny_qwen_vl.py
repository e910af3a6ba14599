"""Qwen-VL models of a megabyte with random weights, made like those of `tiny_models.py`."""

from pathlib import Path
from typing import Any

from transformers import (
    PreTrainedTokenizerBase,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLProcessor,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.qwen2_vl.video_processing_qwen2_vl import Qwen2VLVideoProcessor
from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor

from tests.tiny_models import HEAD_WIDTH, WIDTH, decoder_settings, save_model, with_tokens

_TOKENS = ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
_IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"
_VISION = {"depth": 3, "num_heads": 2, "initializer_range": 0.1}
# Of the widths of a head's rotation, those that turn with time, height and width of an image.
_MROPE = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [8, 4, 4]}


def tiny_qwen2_vl(folder: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer = with_tokens(folder, tokenizer, _TOKENS, _IMAGE)
    config = Qwen2VLConfig(
        text_config=decoder_settings(tokenizer) | {"rope_parameters": _MROPE},
        vision_config=_VISION | {"embed_dim": 64, "hidden_size": WIDTH},
        **_token_ids(tokenizer),
    )
    save_model(folder, Qwen2VLForConditionalGeneration, config, tokenizer)
    video = Qwen2VLVideoProcessor(**_pixels(14))
    _processor(Qwen2VLProcessor, video, tokenizer, 14).save_pretrained(folder)


def tiny_qwen2_5_vl(folder: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer = with_tokens(folder, tokenizer, _TOKENS, _IMAGE)
    config = Qwen2_5_VLConfig(
        text_config=decoder_settings(tokenizer) | {"rope_parameters": _MROPE},
        vision_config=_VISION
        | {
            "hidden_size": 64,
            "out_hidden_size": WIDTH,
            "intermediate_size": 128,
            "window_size": 56,
            "fullatt_block_indexes": [1],
        },
        **_token_ids(tokenizer),
    )
    save_model(folder, Qwen2_5_VLForConditionalGeneration, config, tokenizer)
    video = Qwen2VLVideoProcessor(**_pixels(14))
    _processor(Qwen2_5_VLProcessor, video, tokenizer, 14).save_pretrained(folder)


def tiny_qwen3_vl(folder: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer = with_tokens(folder, tokenizer, _TOKENS, _IMAGE)
    rope = _MROPE | {"mrope_interleaved": True}
    config = Qwen3VLConfig(
        text_config=decoder_settings(tokenizer) | {"rope_parameters": rope, "head_dim": HEAD_WIDTH},
        vision_config=_VISION
        | {
            "patch_size": 16,
            "hidden_size": 64,
            "out_hidden_size": WIDTH,
            "intermediate_size": 128,
            "num_position_embeddings": 64,
            "deepstack_visual_indexes": [0, 1],
        },
        **_token_ids(tokenizer),
    )
    save_model(folder, Qwen3VLForConditionalGeneration, config, tokenizer)
    video = Qwen3VLVideoProcessor(**_pixels(16))
    _processor(Qwen3VLProcessor, video, tokenizer, 16).save_pretrained(folder)


def _token_ids(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    return {
        "image_token_id": tokenizer.convert_tokens_to_ids("<|image_pad|>"),
        "video_token_id": tokenizer.convert_tokens_to_ids("<|video_pad|>"),
        "vision_start_token_id": tokenizer.convert_tokens_to_ids("<|vision_start|>"),
        "vision_end_token_id": tokenizer.convert_tokens_to_ids("<|vision_end|>"),
        "tie_word_embeddings": True,
    }


def _processor(
    kind: Any, video_processor: Any, tokenizer: PreTrainedTokenizerBase, patch: int
) -> Any:
    return kind(
        image_processor=Qwen2VLImageProcessorPil(**_pixels(patch)),
        video_processor=video_processor,
        tokenizer=tokenizer,
        chat_template=tokenizer.chat_template,
    )


def _pixels(patch: int) -> dict[str, Any]:
    """At most 16 tokens for an image."""
    token = (2 * patch) ** 2
    return {
        "patch_size": patch,
        "merge_size": 2,
        "size": {"shortest_edge": 4 * token, "longest_edge": 16 * token},
    }
