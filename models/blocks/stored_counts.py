"""Counts whose number is known only once they were counted, or are loaded."""

from typing import Any

from torch import Tensor, nn


def load_at_stored_size(module: nn.Module, *buffers: str) -> None:
    """Lets `module` take the named buffers at whatever size they were stored."""

    def resize(owner: nn.Module, state: dict[str, Tensor], prefix: str, *_: Any) -> None:
        for name in buffers:
            if prefix + name in state:
                fresh = getattr(owner, name).new_empty(state[prefix + name].shape)
                setattr(owner, name, fresh)

    module.register_load_state_dict_pre_hook(resize)
