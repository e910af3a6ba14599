"""What an extraction engine does, whoever implements it; requests and answers as plain data."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

Message = tuple[str, str]
"""Role ("system", "user" or "assistant") and content."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Everything but the prompt and the seed that decides what a model answers."""

    temperature: float = 0.6
    top_p: float = 0.9
    max_tokens: int = 96
    frequency_penalty: float = 0.2  # small models otherwise repeat one title


@dataclass(frozen=True, kw_only=True)
class GenerationRequest:
    messages: tuple[Message, ...]
    seed: int  # of this request alone: answers do not depend on who else is in the batch
    json_schema: str  # the answer is constrained to it

    def identity(self) -> dict[str, Any]:
        """What the cache key covers."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Generation:
    text: str
    finished: bool  # False: cut by max_tokens
    prompt_tokens: int
    output_tokens: int


class Generator(Protocol):
    """A chat model. `identity` names all that changes its answers, for the cache."""

    def identity(self) -> dict[str, Any]: ...

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]: ...


class TextEncoder(Protocol):
    """A sentence encoder; vectors are float32 [len(texts), width] of unit length."""

    def identity(self) -> dict[str, Any]: ...

    def embed(self, texts: Sequence[str]) -> np.ndarray: ...
