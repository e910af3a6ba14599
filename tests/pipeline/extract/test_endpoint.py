"""Servers that fail in every way that servers do, on the loopback."""

import signal
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from types import FrameType
from typing import Any

import pytest

from pipeline.catalog import EngineSettings, Remote
from pipeline.extract.engine import Embed, Features, Generate, Prepared, Request, Sampling
from pipeline.extract.remote_engine import RemoteEngine
from tests.pipeline.extract.loopback_server import DROP, HANG, Answer, Asked, LoopbackServer, served

KEY = "sk-very-secret"
MODEL = "folder:tea"
TASK = Generate(model=MODEL, prompt="p/1", sampling=Sampling())
ANSWER = Answer(
    body={
        "choices": [{"text": "green", "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1},
    }
)


def requests(count: int) -> list[Prepared]:
    """Prepared by hand, so that nothing is asked but what a test is about."""
    rows = [Request(row=f"item {i}", prompt=f"tea {i}") for i in range(count)]
    return [Prepared(request=row, content={"prompt": row.prompt}, tokens=2, cut=0) for row in rows]


def model_list(*names: str) -> Answer:
    return Answer(body={"data": [{"id": name, "owned_by": "vllm"} for name in names]})


@contextmanager
def engine_on(
    answer: Callable[[Asked], Answer], **remote: Any
) -> Iterator[tuple[RemoteEngine, LoopbackServer]]:
    def answered(asked: Asked) -> Answer:
        return model_list(MODEL) if asked.path == "/v1/models" else answer(asked)

    with served(answered) as server, closing(opened(server.url, **remote)) as engine:
        yield engine, server


def opened(url: str, **remote: Any) -> RemoteEngine:
    given = {"url": url, "revision": "1", "attempts": 2, "concurrency": 4, **remote}
    found = Remote(**given)
    return RemoteEngine(EngineSettings(remote=found), found)


def test_a_server_that_drops_mid_batch_is_named_with_what_is_lost_and_what_is_kept() -> None:
    def answer(asked: Asked) -> Answer:
        return DROP if asked.body["prompt"] in ("tea 3", "tea 4") else ANSWER

    with engine_on(answer, concurrency=1) as (engine, server):
        with pytest.raises(ConnectionError) as raised:
            engine.generate(TASK, requests(6))
        said = str(raised.value)
        assert f"{server.url}/completions failed with folder:tea, 2 attempts" in said
        assert "3 of this batch's 6 requests were answered" in said
        assert "committed before is kept" in said and "run again" in said
        asked = [each.body["prompt"] for each in server.asked[1:]]
    assert asked == ["tea 0", "tea 1", "tea 2", "tea 3", "tea 3"]  # nothing after the failure


def test_a_server_that_is_down_or_breaks_is_tried_again_and_then_named() -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unheard.getsockname()[1]}/v1"
        with closing(opened(url)) as engine, pytest.raises(ConnectionError, match=url):
            engine.start(TASK)
    broken = Answer(status=503, body={"error": {"message": "out of coffee"}})
    with (
        engine_on(lambda asked: broken) as (engine, server),
        pytest.raises(ConnectionError, match="out of coffee"),
    ):
        engine.generate(TASK, requests(1))
    assert server.paths() == ["/v1/models", "/v1/completions", "/v1/completions"]


def test_a_server_that_never_answers_is_given_up() -> None:
    with (
        engine_on(lambda asked: HANG, timeout_seconds=0.3, attempts=1) as (engine, _),
        pytest.raises(ConnectionError, match=r"no answer within 0\.3 s"),
    ):
        engine.generate(TASK, requests(2))


def test_a_busy_server_is_asked_again() -> None:
    refused = threading.Event()

    def answer(asked: Asked) -> Answer:
        if refused.is_set():
            return ANSWER
        refused.set()
        return Answer(status=429, headers={"Retry-After": "0.1"})

    with engine_on(answer) as (engine, server):
        (answered,) = engine.generate(TASK, requests(1))
        assert answered.text == "green" and answered.finished
        assert server.paths().count("/v1/completions") == 2


def test_no_more_requests_are_in_flight_than_asked_for_and_answers_keep_their_order() -> None:
    def answer(asked: Asked) -> Answer:
        time.sleep(0.02)
        number = int(asked.body["prompt"].removeprefix("tea "))
        usage = {"prompt_tokens": number, "completion_tokens": 1}
        return Answer(body={**ANSWER.body, "usage": usage})

    with engine_on(answer, concurrency=3) as (engine, server):
        answers = engine.generate(TASK, requests(20))
        assert [each.prompt_tokens for each in answers] == list(range(20))
        assert server.most_busy == 3


def test_another_model_or_a_shorter_one_is_refused_before_anything_is_asked() -> None:
    with (
        served(lambda asked: model_list("tea", "coffee")) as server,
        closing(opened(server.url)) as engine,
        pytest.raises(ValueError, match="does not serve 'folder:tea' but 'tea', 'coffee'"),
    ):
        engine.start(TASK)
    short = {"id": MODEL, "owned_by": "vllm", "max_model_len": 1024}
    with (
        served(lambda asked: Answer(body={"data": [short]})) as server,
        closing(opened(server.url)) as engine,
    ):
        with pytest.raises(ValueError, match=r"engine\.max_model_len = 1024"):
            engine.start(TASK)
        engine.start(Embed(model=MODEL))  # an encoder has a length of its own


def test_a_refused_row_is_named() -> None:
    def answer(asked: Asked) -> Answer:
        long = Answer(status=400, body={"error": {"message": "maximum context length is 9"}})
        return long if asked.body["prompt"] == "tea 1" else ANSWER

    with (
        engine_on(answer, concurrency=1) as (engine, server),
        pytest.raises(ValueError, match=r"item 1: .* context length is 9.*max_model_len"),
    ):
        engine.generate(TASK, requests(3))
    assert [asked.body["prompt"] for asked in server.asked[1:]] == ["tea 0", "tea 1"]  # once each


def test_what_is_no_such_server_is_told_apart() -> None:
    page = Answer(body=b"<html>Welcome</html>")
    with (
        engine_on(lambda asked: page) as (engine, _),
        pytest.raises(ValueError, match=r"not an OpenAI-compatible server.*engine\.remote\.url"),
    ):
        engine.generate(TASK, requests(1))
    with (
        engine_on(lambda asked: Answer(status=404)) as (engine, _),
        pytest.raises(ValueError, match=r"/embeddings does not exist.*serving\.py"),
    ):
        engine.features(Features(model=MODEL, prompt="p/1"), requests(1))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500])
def test_the_key_is_sent_and_never_shown(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLDBRIDGE_API_KEY", KEY)

    def answer(asked: Asked) -> Answer:
        return Answer(status=status, body={"error": {"message": f"bad key {asked.key}"}})

    with engine_on(answer, attempts=1) as (engine, server):
        with pytest.raises((ValueError, ConnectionError)) as raised:
            engine.generate(TASK, requests(1))
        assert {asked.key for asked in server.asked} == {KEY}
        shown = [
            repr(engine),
            str(engine.identity(TASK)),
            *traceback.format_exception(raised.value),
        ]
    assert raised.value.__context__ is None and raised.value.__cause__ is None
    assert not any(KEY in text for text in shown)
    if status in (401, 403):
        assert "COLDBRIDGE_API_KEY is not accepted" in str(raised.value)


def test_where_a_key_is_wanted_and_there_is_none_the_variable_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("COLDBRIDGE_API_KEY", raising=False)
    with (
        served(lambda asked: Answer(status=401)) as server,
        closing(opened(server.url)) as engine,
        pytest.raises(ValueError, match="COLDBRIDGE_API_KEY is not set"),
    ):
        engine.start(TASK)
    assert server.asked[0].key == "none"


class Interrupted(BaseException):
    """As Dagster raises it, in the main thread, from a signal's handler."""


@contextmanager
def interrupted_when_hanging(server: LoopbackServer, requests: int) -> Iterator[None]:
    def interrupt(number: int, frame: FrameType | None) -> None:
        raise Interrupted

    def wait() -> None:
        for _ in range(requests):
            server.hanging.acquire()
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, interrupt)
    threading.Thread(target=wait).start()
    try:
        with pytest.raises(Interrupted):
            yield
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_an_interrupt_ends_the_wait_and_cancels_what_is_in_flight() -> None:
    with engine_on(lambda asked: HANG) as (engine, server):
        engine.start(TASK)
        with interrupted_when_hanging(server, 4):
            engine.generate(TASK, requests(9))
        # Before the engine is closed the server's side sees all four connections end.
        assert all(server.left.acquire(timeout=15) for _ in range(4))
        assert server.paths().count("/v1/completions") == 4


def test_an_interrupt_while_tokens_are_counted_waits_for_nobody() -> None:
    rows = [Request(row=f"item {i}", prompt=f"tea {i}") for i in range(9)]
    with engine_on(lambda asked: HANG, timeout_seconds=20, attempts=1) as (engine, server):
        with interrupted_when_hanging(server, 1):
            engine.prepare(TASK, rows)
        assert not server.left.acquire(blocking=False)
        engine.close()
        assert server.left.acquire(timeout=15)
        counting = [each for each in threading.enumerate() if each.name.startswith("count-tokens")]
        for thread in filter(threading.Thread.is_alive, counting):
            thread.join(timeout=15)
        assert not any(map(threading.Thread.is_alive, counting))


def test_closing_ends_what_another_thread_waits_for_and_may_be_repeated() -> None:
    failures: list[BaseException] = []

    def wait(engine: RemoteEngine) -> None:
        try:
            engine.generate(TASK, requests(1))
        except BaseException as error:
            failures.append(error)

    with engine_on(lambda asked: HANG) as (engine, server):
        waiting = threading.Thread(target=wait, args=(engine,))
        waiting.start()
        server.hanging.acquire()
        engine.close()
        engine.close()
        waiting.join(timeout=15)
        assert len(failures) == 1
        with pytest.raises(RuntimeError, match="closed"):
            engine.generate(TASK, requests(1))
