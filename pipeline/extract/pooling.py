"""Features are hidden states, pooled inside vLLM: one vector for each prompt leaves the engine.

vLLM pools the last layer of the classes it knows. `pooling_models.py` derives a class from each
of those below that can add the first layer and leave out the first token; `pooling_arguments`
tells an engine to use it. The same code serves the CPU, a GPU and `vllm serve`.

Nothing here imports vLLM before `register` is called, which vLLM does in each of its processes.
"""

from collections.abc import Sequence
from typing import Any

from pipeline.catalog import Pooling

POOLED_CLASSES = (
    "LlamaForCausalLM",
    "MistralForCausalLM",
    "Qwen2ForCausalLM",
    "Qwen3ForCausalLM",
    "MiniCPMForCausalLM",
    "MiniCPM3ForCausalLM",
    "MiniCPMV4_6ForConditionalGeneration",
    "Qwen2VLForConditionalGeneration",
    "Qwen2_5_VLForConditionalGeneration",
    "Qwen3VLForConditionalGeneration",
)
"""Model classes that can be pooled, as a model's config.json names them. MiniCPM-V before 4.6 is
missing: transformers reads it with code from the model's repository alone, which we never trust."""


_POOLED_BY_VLLM: dict[Pooling, str] = {
    "first_last_avg": "MEAN",
    "first_last_tokens": "LAST",
    "mean": "MEAN",
    "last_token": "LAST",
}
"""The nearest that vLLM has itself."""


def pooling_arguments(
    config_architectures: Sequence[str], pooling: Pooling, skip_first_token: bool
) -> dict[str, Any]:
    """Arguments of `vllm.LLM`, all of them plain values, for an engine that pools.

    Its vectors are float32, as wide as the model's hidden states and not normalised:
    - first_last_avg: the mean over the prompt's tokens of (H[1] + H[-1]) / 2, with H[1] the first
      layer's output and H[-1] the last layer's after the final norm, as transformers counts
      `hidden_states`;
    - first_last_tokens: the mean of H[-1] at the first and at the last token, the other reading
      of MuSiC's "first-last-avg", which its paper does not settle;
    - mean: the mean of H[-1];
    - last_token: H[-1] at the last token.

    With `skip_first_token` all but last_token leave out the first token of each prompt (a prompt of
    a single token keeps it), so that the second counts as the first: decoders use it as a sink for
    attention, and its huge state would drown the others. Raises ValueError where none of the
    config's architectures can be pooled.
    """
    found = [name for name in config_architectures if name in POOLED_CLASSES]
    if not found:
        raise ValueError(
            f"no pooled features for a model of class {', '.join(config_architectures) or 'none'}; "
            f"they work for {', '.join(POOLED_CLASSES)}"
        )
    return {
        "runner": "pooling",
        "convert": "embed",
        "pooler_config": {"seq_pooling_type": _POOLED_BY_VLLM[pooling]},
        # Unknown to transformers, these travel in the config to `pooling_models.py`, and into
        # the key under which vLLM keeps compiled graphs.
        "hf_overrides": {
            "architectures": [_derived(found[0])],
            "pool_first_layer": pooling == "first_last_avg",
            "pool_two_tokens": pooling == "first_last_tokens",
            "pool_first_token": not skip_first_token,
        },
        # A mean needs the states of all tokens in one step.
        "enable_prefix_caching": False,
        "enable_chunked_prefill": False,
    }


def register() -> None:
    """Make our classes known to vLLM; it calls this as a plugin, see pyproject.toml."""
    from transformers import AutoConfig
    from vllm import ModelRegistry

    from pipeline.extract.minicpm_config import MiniCPMConfig

    AutoConfig.register(MiniCPMConfig.model_type, MiniCPMConfig, exist_ok=True)
    known = ModelRegistry.get_supported_archs()
    for name in map(_derived, POOLED_CLASSES):
        if name not in known:
            ModelRegistry.register_model(name, f"pipeline.extract.pooling_models:{name}")


def _derived(architecture: str) -> str:
    return f"Pooled{architecture}"
