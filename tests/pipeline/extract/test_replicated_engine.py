"""Two copies of a tiny model on the CPU, each in a real process."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import FrameType

import numpy as np
import pytest

from pipeline.catalog import EngineSettings
from pipeline.extract import replicated_engine
from pipeline.extract.engine import HISTORY, Features, Generate, Request, Sampling
from pipeline.extract.replicated_engine import ReplicatedEngine
from pipeline.extract.vllm_engine import VllmEngine
from tests.tiny_models import smollm2_tokenizer, tiny_llama

MODEL = "folder:tiny"
SETTINGS = EngineSettings(max_model_len=256, max_num_seqs=8, kv_cache_gib=1, replicas=2)
TITLES = Generate(model=MODEL, prompt="p/1", sampling=Sampling(max_tokens=12))
FEATURES = Features(model=MODEL, prompt="p/1")
REVIEWS = tuple(f"review number {i} about a kettle" for i in range(60))
REQUESTS = [
    Request(row=f"u{i}", prompt=(("user", f"Read\n{HISTORY}"),), history=REVIEWS[: 9 * i], seed=i)
    for i in range(1, 6)
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    tiny_llama(folder / "tiny", smollm2_tokenizer())
    return folder


@pytest.fixture(scope="module")
def engine(data: Path) -> Iterator[ReplicatedEngine]:
    with closing(ReplicatedEngine(data, SETTINGS)) as opened:
        yield opened


def test_copies_answer_in_order_what_one_engine_answers_and_closing_leaves_none(
    engine: ReplicatedEngine, data: Path
) -> None:
    prepared = engine.prepare(TITLES, REQUESTS)
    answers = engine.generate(TITLES, prepared)
    assert len(multiprocessing.active_children()) == 2
    one = engine.generate(TITLES, prepared[:1])  # fewer rows than copies
    vectors = engine.features(FEATURES, engine.prepare(FEATURES, REQUESTS))
    engine.close()
    engine.close()
    assert multiprocessing.active_children() == []
    with VllmEngine(data, SETTINGS) as single:
        planned = single.prepare(TITLES, REQUESTS)
        assert [(p.request, p.tokens, p.cut) for p in prepared] == [
            (p.request, p.tokens, p.cut) for p in planned
        ]
        assert answers == single.generate(TITLES, planned) and one == answers[:1]
        assert answers[-1].cut_history > 0
        expected = single.features(FEATURES, single.prepare(FEATURES, REQUESTS))
        np.testing.assert_allclose(vectors.values, expected.values, atol=1e-5)
        assert vectors.prompt_tokens.tolist() == expected.prompt_tokens.tolist()
        assert vectors.cut_history.tolist() == expected.cut_history.tolist()
        assert engine.identity(TITLES) == single.identity(TITLES)
        assert engine.chunk_rows(TITLES) == 2 * single.chunk_rows(TITLES)


def test_a_copy_that_is_killed_is_named_and_leaves_none_behind(engine: ReplicatedEngine) -> None:
    def kill() -> None:
        _, victim = sorted(multiprocessing.active_children(), key=lambda child: child.pid or 0)
        victim.kill()

    said = r"replica \d .* SIGKILL.*engine\.replicas.*again"
    with after(2.0, kill), pytest.raises(RuntimeError, match=said):  # while both load the model
        engine.start(TITLES)
    assert multiprocessing.active_children() == []


def test_what_a_copy_refuses_is_raised_here(engine: ReplicatedEngine) -> None:
    with pytest.raises(ValueError, match="folder:none"):
        engine.start(replace(TITLES, model="folder:none"))
    assert multiprocessing.active_children() == []


def test_too_few_gpus_are_refused(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicated_engine, "on_gpu", lambda: True)
    engine = ReplicatedEngine(data, SETTINGS)
    with pytest.raises(ValueError, match="want 2 GPUs, 0 are visible"):
        engine.start(TITLES)


class Interrupted(BaseException):
    """As Dagster raises it, in the main thread, from a signal's handler."""


def test_an_interrupt_ends_copies_that_are_busy(engine: ReplicatedEngine) -> None:
    def interrupt(number: int, frame: FrameType | None) -> None:
        raise Interrupted

    main = threading.main_thread().ident or 0
    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        send = partial(signal.pthread_kill, main, signal.SIGUSR1)
        with after(2.0, send), pytest.raises(Interrupted):
            engine.start(TITLES)
        assert multiprocessing.active_children() == []
    finally:
        signal.signal(signal.SIGUSR1, before)


@contextmanager
def after(seconds: float, act: Callable[[], None]) -> Iterator[None]:
    timer = threading.Timer(seconds, act)
    timer.start()
    try:
        yield
    finally:
        timer.join()


PARENT = """
import multiprocessing, sys, threading
from pathlib import Path
from pipeline.catalog import EngineSettings
from pipeline.extract.engine import Features
from pipeline.extract.replicated_engine import ReplicatedEngine

def tell():
    print(*(child.pid for child in multiprocessing.active_children()), flush=True)

if __name__ == "__main__":
    threading.Timer(2.0, tell).start()
    engine = ReplicatedEngine(Path(sys.argv[1]), EngineSettings(replicas=2))
    engine.start(Features(model=sys.argv[2], prompt="p/1"))
"""


def test_busy_copies_die_with_a_parent_that_is_killed(data: Path) -> None:
    script = data / "parent.py"
    script.write_text(PARENT)
    root = Path(__file__).resolve().parents[3]
    parent = subprocess.Popen(
        [sys.executable, str(script), str(data), MODEL],
        env=os.environ | {"PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        assert parent.stdout is not None
        children = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(children) == 2 and all(map(_runs, children))
        parent.kill()
        give_up = time.monotonic() + 10
        while any(map(_runs, children)) and time.monotonic() < give_up:
            time.sleep(0.1)
        assert not any(map(_runs, children))
    finally:
        os.killpg(parent.pid, signal.SIGKILL)
        parent.wait()


def _runs(pid: int) -> bool:
    """Not so for a process that nobody has waited for yet."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
