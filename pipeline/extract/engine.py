"""What an extraction engine does, whoever implements it: tasks, requests and answers as plain data.

An engine hosts one model at a time and knows three operations: `generate` (text, may be held to
a JSON schema), `features` (hidden states, pooled inside the engine) and `embed` (sentence
vectors). A task says with which model and how; together with the engine's own settings that
change outputs it is the identity under which rows are cached.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import orjson

from pipeline.catalog import Pooling

Message = tuple[str, str]
"""Role ("system", "user" or "assistant") and content."""

HISTORY = "{history}"
"""Where in a prompt the request's history stands, one entry a line."""

_IMAGE_SIZE = 1500  # characters that take a model as long to read as an image does, roughly


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Everything but the prompt and the seed that decides what a model answers."""

    temperature: float = 0.6
    top_p: float = 0.9
    max_tokens: int = 96
    frequency_penalty: float = 0.2  # small models otherwise repeat one title


@dataclass(frozen=True, kw_only=True)
class Generate:
    model: str  # a folder, a package or a hub id, see pipeline/extract/local_models.py
    prompt: str  # the prompt's name and version: "titles/1"
    sampling: Sampling
    json_schema: str | None = None  # answers are constrained to it


@dataclass(frozen=True, kw_only=True)
class Features:
    """`skip_first_token`: decoder-only models dump attention into the first position, whose state
    is huge and says nothing; it is left out (it is not where `pooling` is last_token)."""

    model: str
    prompt: str
    pooling: Pooling = "first_last_avg"
    skip_first_token: bool = True


@dataclass(frozen=True, kw_only=True)
class Embed:
    model: str  # a sentence encoder; it pools as its own configuration says


Task = Generate | Features | Embed


@dataclass(frozen=True, kw_only=True)
class Image:
    """A picture by its bytes, or by the path of a file that holds them."""

    sha256: str
    source: bytes | Path

    def read(self) -> bytes:
        return self.source if isinstance(self.source, bytes) else self.source.read_bytes()


@dataclass(frozen=True, kw_only=True)
class Request:
    """One row to compute. Where it does not fit into the model, history is cut, oldest first."""

    row: str  # whose row it is, for messages to people: "item B00ABC"
    prompt: str | tuple[Message, ...]  # a text to go on with, or a chat
    history: tuple[str, ...] | None = None  # oldest first, put in place of HISTORY; None: no such
    images: tuple[Image, ...] = ()  # shown before the text of the last message
    seed: int = 0  # of this request alone: answers do not depend on who else is in the batch

    def payload(self) -> bytes:
        """All that decides the answer, for the cache key; `row` does not."""
        digests = [image.sha256 for image in self.images]
        return orjson.dumps([self.prompt, self.history, digests, self.seed])

    def size(self) -> int:
        """What a model has to read in characters, for sorting and for the time to go. Of a chat
        the last turn alone: what stands before it is mostly shared, and read once."""
        last = self.prompt if isinstance(self.prompt, str) else self.prompt[-1][1]
        written = len(last) + sum(map(len, self.history or ()))
        return written + _IMAGE_SIZE * len(self.images)

    def shared_prefix(self) -> str:
        """Names what this prompt begins with, that others may share: a chat but its last turn."""
        if isinstance(self.prompt, str) or len(self.prompt) < 2:
            return ""
        return hashlib.blake2b(orjson.dumps(self.prompt[:-1]), digest_size=8).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A request as an engine takes it: rendered, tokenised, cut to the model's length."""

    request: Request
    content: Any  # the engine's own: token ids, or a text with decoded images
    tokens: int  # of the prompt's text
    cut: int  # history entries left out or shortened


@dataclass(frozen=True, kw_only=True)
class Generation:
    text: str
    finished: bool  # False: cut by max_tokens
    prompt_tokens: int
    output_tokens: int
    cut_history: int = 0


@dataclass(frozen=True, kw_only=True)
class Vectors:
    """Pooled hidden states of some rows."""

    values: np.ndarray  # float32 [rows, width]
    prompt_tokens: np.ndarray  # int32 [rows], images included
    cut_history: np.ndarray  # int32 [rows]


class Engine(Protocol):
    """Answers come in the order of the requests. Engines are closed by whoever opened them."""

    def identity(self, task: Task) -> dict[str, Any]:
        """The task and all else that changes its outputs, JSON-able. Starts nothing."""
        ...

    def chunk_rows(self, task: Task) -> int:
        """How many rows are worth computing between two commits."""
        ...

    def start(self, task: Task) -> None:
        """Load the task's model, unless it is the one that is loaded; others are shut down."""
        ...

    def prepare(self, task: Generate | Features, requests: Sequence[Request]) -> list[Prepared]:
        """Tokenise; may run in a thread beside `generate` and `features`, and before `start`.

        ValueError names a row with an empty history or whose fixed part is too long.
        """
        ...

    def generate(self, task: Generate, prepared: Sequence[Prepared]) -> list[Generation]: ...

    def features(self, task: Features, prepared: Sequence[Prepared]) -> Vectors: ...

    def embed(self, task: Embed, texts: Sequence[str]) -> np.ndarray:
        """float32 [len(texts), width], of unit length."""
        ...

    def close(self) -> None:
        """Shut the model down and free its memory; safe to call twice."""
        ...


def image_of(source: bytes | Path) -> Image:
    """An image with its digest; a path is read once for it."""
    data = source if isinstance(source, bytes) else source.read_bytes()
    return Image(sha256=hashlib.sha256(data).hexdigest(), source=source)
