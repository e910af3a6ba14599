"""Copies of a model side by side, each in a process and on GPUs of its own.

The rows of a chunk are dealt to the copies in turn. They come sorted, so every copy gets its
share of each length and of each shared beginning, and all are done at about the same time.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.connection import wait
from pathlib import Path
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
from pipeline.extract.hosting import on_gpu
from pipeline.extract.replica import Replica, Work
from pipeline.extract.vllm_engine import VllmEngine


class ReplicatedEngine:
    """An `Engine` of `settings.replicas` processes, started with the first task that needs them.

    Answers are those of one `VllmEngine`, and so are identities. Sentence encoders are small and
    run in this process.
    """

    def __init__(self, data: Path, settings: EngineSettings):
        self._data = data
        self._settings = settings
        self._local = VllmEngine(data, settings)  # identities, tokens and sentence vectors
        self._replicas: list[Replica] = []

    def identity(self, task: Task) -> dict[str, Any]:
        return self._local.identity(task)

    def chunk_rows(self, task: Task) -> int:
        rows = self._local.chunk_rows(task)
        return rows if isinstance(task, Embed) else rows * self._settings.replicas

    def start(self, task: Task) -> None:
        if isinstance(task, Embed):
            self._local.start(task)
        else:
            self._all([Work(operation="start", task=task)] * self._settings.replicas)

    def prepare(self, task: Generate | Features, requests: Sequence[Request]) -> list[Prepared]:
        """Cut to the model's length here; the copies tokenise once more and read the images."""
        answer = task.sampling.max_tokens if isinstance(task, Generate) else 0
        return [
            Prepared(request=each.request, content=None, tokens=len(each.tokens), cut=each.cut)
            for each in self._local.renderer(task).fitted(requests, answer)
        ]

    def generate(self, task: Generate, prepared: Sequence[Prepared]) -> list[Generation]:
        shares = self._shares(prepared)
        answers: list[Any] = [None] * len(prepared)
        for number, share in enumerate(self._all(_works("generate", task, shares))):
            answers[number :: len(shares)] = share
        return [
            replace(answer, cut_history=each.cut)
            for answer, each in zip(answers, prepared, strict=True)
        ]

    def features(self, task: Features, prepared: Sequence[Prepared]) -> Vectors:
        shares = self._shares(prepared)
        found: list[Vectors] = self._all(_works("features", task, shares))
        width = found[0].values.shape[1]
        values = np.empty((len(prepared), width), dtype=np.float32)
        tokens = np.empty(len(prepared), dtype=np.int32)
        for number, share in enumerate(found):
            values[number :: len(shares)] = share.values
            tokens[number :: len(shares)] = share.prompt_tokens
        cut = np.array([each.cut for each in prepared], dtype=np.int32)
        return Vectors(values=values, prompt_tokens=tokens, cut_history=cut)

    def embed(self, task: Embed, texts: Sequence[str]) -> np.ndarray:
        return self._local.embed(task, texts)

    def close(self) -> None:
        self._local.close()
        for replica in self._replicas:
            replica.dismiss()
        self._end(at_once=False)

    def _shares(self, prepared: Sequence[Prepared]) -> list[list[Request]]:
        """Each copy's rows; fewer copies where there are fewer rows."""
        count = min(self._settings.replicas, len(prepared))
        return [[each.request for each in prepared[k::count]] for k in range(count)]

    def _all(self, works: Sequence[Work]) -> list[Any]:
        """Every work's result, each from a copy of its own. After any failure none is alive."""
        try:
            if not self._replicas:
                self._open()
            for replica, work in zip(self._replicas, works, strict=False):
                replica.send(work)
            waiting = {replica.connection: replica for replica in self._replicas[: len(works)]}
            results: list[Any] = [None] * len(works)
            while waiting:
                ready = wait(list(waiting))
                for connection in [each for each in waiting if each in ready]:
                    replica = waiting.pop(connection)
                    results[replica.number] = replica.receive()
            return results
        except BaseException:
            self._end(at_once=True)  # who still computes would answer to nobody
            raise

    def _open(self) -> None:
        for number, devices in enumerate(_device_groups(self._settings)):
            self._replicas.append(Replica(number, devices, self._data, self._settings))

    def _end(self, at_once: bool) -> None:
        while self._replicas:
            self._replicas[-1].end(at_once)
            self._replicas.pop()


def _works(operation: Any, task: Generate | Features, shares: list[list[Request]]) -> list[Work]:
    return [Work(operation=operation, task=task, requests=share) for share in shares]


def _device_groups(settings: EngineSettings) -> list[str | None]:
    """CUDA_VISIBLE_DEVICES of each copy; None on the CPU, whose cores all copies share."""
    if not on_gpu():
        return [None] * settings.replicas
    import torch

    present = [str(number) for number in range(torch.cuda.device_count())]
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    devices = named.split(",")[: len(present)] if named else present
    size = settings.tensor_parallel
    if len(devices) < size * settings.replicas:
        raise ValueError(
            f"engine.replicas = {settings.replicas} with tensor_parallel = {size} want "
            f"{size * settings.replicas} GPUs, {len(devices)} are visible: lower one of them"
        )
    return [",".join(devices[k * size : (k + 1) * size]) for k in range(settings.replicas)]
