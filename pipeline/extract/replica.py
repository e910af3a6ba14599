"""One copy of a vLLM engine in a process of its own, which ends with its parent, however that ends.

Requests go there and answers come back; images are read there.
"""

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

from pipeline.catalog import EngineSettings
from pipeline.extract.engine import Features, Generate, Request
from pipeline.extract.vllm_engine import VllmEngine

_LEAVE_SECONDS = 10  # for an idle process to shut its model down


@dataclass(frozen=True, kw_only=True)
class Work:
    operation: Literal["start", "generate", "features"]
    task: Generate | Features
    requests: Sequence[Request] = ()


@dataclass(frozen=True, kw_only=True)
class _Done:
    result: Any = None  # list[Generation] or Vectors
    refusal: str | None = None  # of a ValueError: something in the input or the settings
    crash: str | None = None  # the traceback of anything else


class Replica:
    """`send`, then `receive`; `connection` is ready when an answer is, or when the process died."""

    def __init__(self, number: int, devices: str | None, data: Path, settings: EngineSettings):
        # Spawned, not forked: a fork of a process that has threads, or CUDA, is no good.
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.number = number
        self._process = context.Process(
            target=_serve, args=(theirs, devices, data, replace(settings, replicas=1))
        )
        self._process.start()
        theirs.close()  # so that the connection ends when the process does

    def send(self, work: Work) -> None:
        """RuntimeError where the process has died."""
        try:
            self.connection.send(work)
        except OSError as error:
            raise self._died() from error

    def receive(self) -> Any:
        """The result of the work that was sent. ValueError as the engine raised it."""
        try:
            done: _Done = self.connection.recv()
        except (EOFError, OSError) as error:
            raise self._died() from error
        if done.refusal is not None:
            raise ValueError(done.refusal)
        if done.crash is not None:
            raise RuntimeError(f"replica {self.number} of the engine failed:\n{done.crash}")
        return done.result

    def dismiss(self) -> None:
        """Let an idle process shut its model down and leave; see `end`."""
        self.connection.close()

    def end(self, at_once: bool) -> None:
        """The process is gone when this returns."""
        if not at_once:
            self._process.join(_LEAVE_SECONDS)
        self._process.kill()
        self._process.join()
        self.connection.close()

    def _died(self) -> RuntimeError:
        self._process.join(_LEAVE_SECONDS)
        code = self._process.exitcode
        how = f"exit code {code}"
        if code is not None and code < 0:
            how = signal.Signals(-code).name
        return RuntimeError(
            f"replica {self.number} of the engine died ({how}); SIGKILL mostly means that memory "
            "ran out: lower engine.replicas, engine.max_num_seqs or engine.kv_cache_gib in the "
            "catalog. All that was committed is kept: run again, and it goes on from there"
        )


def _serve(
    connection: Connection, devices: str | None, data: Path, settings: EngineSettings
) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    if devices is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = devices  # before anything asks for a GPU
    with VllmEngine(data, settings) as engine:
        while True:
            try:
                work = connection.recv()
            except EOFError:
                return
            connection.send(_done(engine, work))


def _done(engine: VllmEngine, work: Work) -> _Done:
    try:
        return _Done(result=_result(engine, work))
    except ValueError as error:
        return _Done(refusal=str(error))
    except Exception:  # whatever it is, it may not survive the way to the parent
        return _Done(crash=traceback.format_exc())


def _result(engine: VllmEngine, work: Work) -> Any:
    engine.start(work.task)
    if work.operation == "start":
        return None
    prepared = engine.prepare(work.task, work.requests)
    if isinstance(work.task, Generate):
        return engine.generate(work.task, prepared)
    return engine.features(work.task, prepared)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "only spawned processes serve"
    parent.join()
    os._exit(1)
