"""An engine whose answers are plain functions of the requests: for tests of what is around it.

Every computed row is appended to a file, so that tests in other processes can count them.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

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
from pipeline.extract.fitting import fit, with_history

WIDTH = 4


class EchoEngine:
    """A token is a word; there is room for 50. Generates the prompt's last line in capitals."""

    def __init__(self, chunk: int = 4, log: Path | None = None, seconds: float = 0.0) -> None:
        self.chunk, self.log, self.seconds = chunk, log, seconds
        self.chunks: list[list[str]] = []  # the rows of each computed chunk
        self.started: list[str] = []
        self.closed = 0

    def identity(self, task: Task) -> dict[str, Any]:
        operation = type(task).__name__.lower()
        return {"operation": operation, "model": task.model, "prompt": "echo", "task": repr(task)}

    def chunk_rows(self, task: Task) -> int:
        return self.chunk

    def start(self, task: Task) -> None:
        self.started.append(task.model)

    def prepare(self, task: Generate | Features, requests: Sequence[Request]) -> list[Prepared]:
        def words(some: Sequence[Request]) -> list[list[int]]:
            return [list(range(len(_text(request).split()))) for request in some]

        return [
            Prepared(request=f.request, content=_text(f.request), tokens=len(f.tokens), cut=f.cut)
            for f in fit(requests, words, lambda request: 50, task.model)
        ]

    def generate(self, task: Generate, prepared: Sequence[Prepared]) -> list[Generation]:
        self._count([each.request.row for each in prepared])
        return [
            Generation(
                text=f"{each.content.splitlines()[-1].upper()} {each.request.seed}",
                finished=True,
                prompt_tokens=each.tokens,
                output_tokens=2,
                cut_history=each.cut,
            )
            for each in prepared
        ]

    def features(self, task: Features, prepared: Sequence[Prepared]) -> Vectors:
        self._count([each.request.row for each in prepared])
        return Vectors(
            values=np.stack([_vector(each.content) for each in prepared]),
            prompt_tokens=np.array([each.tokens for each in prepared], dtype=np.int32),
            cut_history=np.array([each.cut for each in prepared], dtype=np.int32),
        )

    def embed(self, task: Embed, texts: Sequence[str]) -> np.ndarray:
        self._count(list(texts))
        vectors = np.stack([_vector(text) for text in texts])
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def close(self) -> None:
        self.closed += 1

    def _count(self, rows: list[str]) -> None:
        self.chunks.append(rows)
        time.sleep(self.seconds)
        if self.log:
            with self.log.open("a") as file:
                file.writelines(f"{row}\n" for row in rows)


def _text(request: Request) -> str:
    prompt = with_history(request)
    return prompt if isinstance(prompt, str) else "\n".join(text for _, text in prompt)


def _vector(text: str) -> np.ndarray:
    """Numbers that tell one text from another, none of them zero."""
    counts = np.array([text.count(letter) for letter in "aeio"], dtype=np.float32)
    return counts + 1 / (1 + len(text))
