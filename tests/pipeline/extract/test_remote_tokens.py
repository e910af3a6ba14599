"""A server's tokenizer is asked no more than must be; here a token is a word, a message costs 5."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from pipeline.catalog import EngineSettings, Remote
from pipeline.extract.engine import HISTORY, Generate, Request, Sampling
from pipeline.extract.remote_engine import RemoteEngine
from tests.pipeline.extract.loopback_server import Answer, Asked, LoopbackServer, served

TASK = Generate(model="m", prompt="p/1", sampling=Sampling(max_tokens=40))
ROOM = 160  # 200 tokens but 40 of the answer
COUNT = "/tokenize"


def counting(asked: Asked) -> Answer:
    if asked.path == "/v1/models":
        return Answer(body={"data": [{"id": "m"}]})
    if "prompt" in asked.body:
        return Answer(body={"count": len(asked.body["prompt"].split())})
    texts = [message["content"] for message in asked.body["messages"]]
    return Answer(body={"count": sum(5 + len(text.split()) for text in texts)})


def not_counting(asked: Asked) -> Answer:
    return counting(asked) if asked.path == "/v1/models" else Answer(status=404)


@contextmanager
def engine_on(server: LoopbackServer) -> Iterator[RemoteEngine]:
    remote = Remote(url=server.url, revision="1", attempts=1)
    with closing(RemoteEngine(EngineSettings(max_model_len=200), remote)) as engine:
        yield engine


def chat(row: str, history: tuple[str, ...]) -> Request:
    return Request(row=row, prompt=(("system", "Sell."), ("user", HISTORY)), history=history)


def test_short_rows_cost_two_questions_whatever_their_number() -> None:
    rows = [chat(f"u{i}", (f"tea {i}",) * (1 + i % 15)) for i in range(300)]
    with served(counting) as server, engine_on(server) as engine:
        prepared = engine.prepare(TASK, rows)
        engine.prepare(TASK, rows)
        assert server.paths() == ["/v1/models", COUNT, COUNT]
    assert [each.request for each in prepared] == rows
    assert not any(each.cut for each in prepared)
    exact = [10 + 1 + 2 * len(row.history or ()) for row in rows]
    assert all(
        abs(each.tokens - tokens) <= 0.2 * tokens
        for each, tokens in zip(prepared, exact, strict=True)
    )


def test_long_rows_are_counted_exactly_and_keep_what_fits() -> None:
    history = tuple(f"{i} is a number and a review" for i in range(500))  # seven words each
    with served(counting) as server, engine_on(server) as engine:
        (prepared,) = engine.prepare(TASK, [chat("u", history)])
        (words,) = engine.prepare(TASK, [chat("v", ("tea " * 400,))])
    kept = (ROOM - 11) // 7
    assert prepared.request.history == history[-kept:] and prepared.cut == 500 - kept
    assert prepared.tokens == 11 + 7 * kept
    assert prepared.content["messages"][1]["content"] == "\n".join(history[-kept:])
    assert words.tokens == ROOM and words.cut == 1


def test_without_a_tokenizer_rows_are_cut_by_their_characters_and_more_than_must_be() -> None:
    english = tuple(f"review number {i} about a kettle" for i in range(100))
    tibetan = tuple("བོད་ཀྱི་ཇ་" for _ in range(100))  # each letter has three bytes
    with served(not_counting) as server, engine_on(server) as engine:
        found = engine.prepare(TASK, [chat("e", english), chat("t", tibetan), chat("s", ("tea",))])
        assert server.paths().count(COUNT) == 1
    assert all(each.tokens <= ROOM for each in found) and found[2].cut == 0
    for each, history in zip(found, (english, tibetan), strict=False):
        kept = each.request.history or ()
        assert kept == history[-len(kept) :] and each.cut == 100 - len(kept)
    sizes = [len("\n".join(each.request.history or ()).encode()) for each in found]
    assert ROOM < sizes[0] < 2 * ROOM and sizes[1] < ROOM


def test_plain_texts_and_rows_that_cannot_be_cut() -> None:
    with served(counting) as server, engine_on(server) as engine:
        (plain,) = engine.prepare(TASK, [Request(row="p", prompt="one two three")])
        assert plain.content == {"prompt": "one two three"} and plain.tokens == 3
        endless = Request(row="endless", prompt="tea " * 200)
        with pytest.raises(ValueError, match=r"endless: .* 200 tokens .* room for 160"):
            engine.prepare(TASK, [endless])
        with pytest.raises(ValueError, match="nobody has an empty history"):
            engine.prepare(TASK, [chat("nobody", ())])
