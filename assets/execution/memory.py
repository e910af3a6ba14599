"""Errors that say that memory ran out, and what to do about it.

A process that the operating system kills says nothing any more: see docs/long-runs.md.
"""

_SIGNS = (
    "out of memory",  # torch on a GPU, vLLM's warm-up
    "can't allocate memory",  # torch on the CPU
    "cannot allocate memory",  # the operating system, to whatever asked it
    "no available memory for the cache blocks",  # vLLM when it starts, and the next three
    "larger than the available kv cache memory",
    "gpu memory utilization",
    "cpu memory utilization",
)

REMEDY = (
    "Memory ran out. What was done is kept and the next run goes on there. To need less: let no "
    "other run or program use the same memory; while a language model runs, lower "
    "engine.max_num_seqs, engine.max_model_len or engine.chunk_rows, and engine.gpu_memory where "
    "others share the GPU (raise it where vLLM says that its cache has too little), or "
    "engine.kv_cache_gib on a CPU; while a system trains, lower training.max_length of the "
    "scenario; for tables, keep fewer rows by filters of the scenario. docs/long-runs.md says more."
)


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether an error, or what it came from, is about memory. Imports no library to ask."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if isinstance(cause, MemoryError) or _says_so(cause):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _says_so(error: BaseException) -> bool:
    """Torch raises RuntimeError, vLLM also ValueError, the operating system OSError."""
    if not isinstance(error, RuntimeError | ValueError | OSError):
        return False
    text = str(error).lower()
    return any(sign in text for sign in _SIGNS)
