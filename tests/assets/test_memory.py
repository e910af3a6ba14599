"""Which errors say that memory ran out: as the libraries really raise them."""

import numpy as np
import pyarrow as pa
import pytest
import torch

from assets.execution.memory import ran_out_of_memory

TOO_MUCH = 1 << 50  # bytes, which no machine has


def test_a_tensor_that_does_not_fit_is_recognised() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(TOO_MUCH, dtype=torch.uint8)
    assert ran_out_of_memory(raised.value)
    assert ran_out_of_memory(torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate"))


def test_an_array_and_a_buffer_that_do_not_fit_are_recognised() -> None:
    with pytest.raises(MemoryError) as raised:
        np.ones(TOO_MUCH, dtype=np.uint8)
    assert ran_out_of_memory(raised.value)
    with pytest.raises(MemoryError) as raised:
        pa.allocate_buffer(TOO_MUCH)
    assert ran_out_of_memory(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "No available memory for the cache blocks. Try increasing `gpu_memory_utilization`",
        "(3.5 GiB KV cache is needed, which is larger than the available KV cache memory (1 GiB)",
        "Free memory on device cuda:0 is less than desired GPU memory utilization (0.9, 72 GiB)",
        "Available memory on node 0 is less than desired CPU memory utilization (0.92, 13 GiB)",
    ],
)
def test_what_vllm_says_when_it_cannot_start_is_recognised(text: str) -> None:
    error = RuntimeError("Engine core initialization failed.")
    error.__cause__ = ValueError(text)
    assert ran_out_of_memory(error)


def test_other_errors_are_not_taken_for_it() -> None:
    for error in (
        ValueError("food.json.gz row 3: a long memory"),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        KeyError("out of memory"),  # no library says it so
        FloatingPointError("loss term 'square' is nan"),
    ):
        assert not ran_out_of_memory(error)
