"""How language models run and what their tokens cost: `[engine]` and `[[price]]`."""

from dataclasses import dataclass
from typing import Any, Literal

from pipeline.catalog.limits import check_above_zero, check_least


@dataclass(frozen=True, kw_only=True)
class Remote:
    """An OpenAI-compatible server that runs the models, such as `vllm serve`.

    Its key, where it wants one, comes from the environment variable COLDBRIDGE_API_KEY.
    """

    url: str  # "http://127.0.0.1:8000/v1"
    revision: str  # of the served weights, as you name it: no server tells, and the cache must know
    concurrency: int = 32  # requests in flight
    timeout_seconds: float = 600.0
    attempts: int = 5


@dataclass(frozen=True, kw_only=True)
class EngineSettings:
    """How language models run."""

    max_model_len: int = 2048  # tokens of prompt and answer
    max_images: int = 4  # of one prompt; further ones are left out
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    max_num_seqs: int = 96  # rows in flight
    chunk_rows: int | None = None  # rows between two commits; by default fit for CPU or GPU
    kv_cache_gib: int = 2  # CPU only
    gpu_memory: float = 0.9  # share of a GPU's memory
    tensor_parallel: int = 1  # GPUs that share one copy of a model
    replicas: int = 1  # copies of a model, each on GPUs of its own
    remote: Remote | None = None

    def that_change_outputs(self) -> dict[str, Any]:
        """For code versions: all others decide speed and memory alone."""
        changing = {name: getattr(self, name) for name in ("max_model_len", "max_images", "dtype")}
        return changing | {"remote_revision": self.remote.revision if self.remote else None}


@dataclass(frozen=True, kw_only=True)
class Price:
    """What a model's tokens cost, for the estimate before a run."""

    model: str
    input: float  # per 1,000 prompt tokens
    output: float = 0.0  # per 1,000 generated tokens
    currency: str = "USD"


def check_engine(engine: EngineSettings, where: str) -> None:
    """ValueError where a value cannot be; `where` names file and table."""
    counts = ("max_model_len", "max_images", "max_num_seqs", "kv_cache_gib", "tensor_parallel")
    check_least(engine, (*counts, "replicas", "chunk_rows"), 1, where)
    if engine.remote:
        check_least(engine.remote, ("concurrency", "attempts"), 1, f"{where}.remote")
        check_above_zero(engine.remote, "timeout_seconds", f"{where}.remote")
    if not 0 < engine.gpu_memory <= 1:
        raise ValueError(f"{where}.gpu_memory = {engine.gpu_memory}; it must be a share of 1")
    if engine.remote and not engine.remote.url.startswith(("http://", "https://")):
        raise ValueError(f"{where}.remote.url = {engine.remote.url!r}; it must be http(s)://...")
