"""Rows are computed once, in a good order, in chunks; what is done survives whatever happens."""

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.catalog import Precision, Price
from pipeline.extract.engine import HISTORY, Embed, Features, Generate, Request, Sampling
from pipeline.extract.extraction import Extraction, embed, features, generate, vectors_in
from pipeline.extract.row_cache import RowCache
from tests.pipeline.extract.echo_engine import EchoEngine

ROOT = Path(__file__).resolve().parents[3]
TASK = Generate(model="echo", prompt="echo/1", sampling=Sampling(max_tokens=5))
FEATURES = Features(model="echo", prompt="echo/1")


def requests(*texts: str) -> list[Request]:
    return [Request(row=text, prompt=text) for text in texts]


@pytest.fixture
def engine() -> EchoEngine:
    return EchoEngine(chunk=2)


@pytest.fixture
def extraction(tmp_path: Path, engine: EchoEngine) -> Extraction:
    return Extraction(engine=engine, cache=RowCache(tmp_path / "rows"))


def test_answers_come_in_order_and_a_second_run_starts_no_model(
    extraction: Extraction, engine: EchoEngine
) -> None:
    first, usage = generate(extraction, TASK, requests("c", "a", "b"))
    assert [answer.text for answer in first] == ["C 0", "A 0", "B 0"]
    assert (usage.hits, usage.computed, usage.tokens.output) == (0, 3, 6)
    again, usage = generate(extraction, TASK, requests("a", "b", "c"))
    assert [answer.text for answer in again] == ["A 0", "B 0", "C 0"]
    assert (usage.hits, usage.computed) == (3, 0)
    assert usage.facts() == {"from_cache": 3, "computed": 0}
    assert engine.started == ["echo"]


def test_equal_requests_are_computed_once_and_one_new_row_costs_one(
    extraction: Extraction, engine: EchoEngine
) -> None:
    generate(extraction, TASK, requests("a", "b", "a", "a"))
    assert sorted(row for chunk in engine.chunks for row in chunk) == ["a", "b"]
    generate(extraction, TASK, requests("a", "new", "b"))
    assert engine.chunks[-1] == ["new"]


def test_whose_row_it_is_changes_nothing_and_all_else_does(
    extraction: Extraction, engine: EchoEngine
) -> None:
    base = Request(row="x", prompt=f"p {HISTORY}", history=("h",), seed=1)
    generate(extraction, TASK, [base])
    same = Request(row="y", prompt=f"p {HISTORY}", history=("h",), seed=1)
    others = [
        Request(row="x", prompt=f"q {HISTORY}", history=("h",), seed=1),
        Request(row="x", prompt=f"p {HISTORY}", history=("i",), seed=1),
        Request(row="x", prompt=f"p {HISTORY}", history=("h",), seed=2),
    ]
    _, usage = generate(extraction, TASK, [same, *others])
    assert (usage.hits, usage.computed) == (1, 3)
    warmer = Generate(model="echo", prompt="echo/1", sampling=Sampling(temperature=1.0))
    assert generate(extraction, warmer, [base])[1].computed == 1


def test_rows_that_share_a_prefix_go_together_and_longest_first(tmp_path: Path) -> None:
    engine = EchoEngine(chunk=3)
    extraction = Extraction(engine=engine, cache=RowCache(tmp_path))
    chats = [
        Request(row=f"{system}{words}", prompt=(("system", system), ("user", "x " * words)))
        for words in (3, 1, 2)
        for system in ("A", "B")
    ]
    generate(extraction, TASK, chats)
    assert sorted(engine.chunks) == [["A3", "A2", "A1"], ["B3", "B2", "B1"]]


def test_fewer_long_rows_make_a_chunk(tmp_path: Path) -> None:
    engine = EchoEngine(chunk=4)
    extraction = Extraction(engine=engine, cache=RowCache(tmp_path))
    lengths = [5000, 1300, 1200, 900, 10, 9, 8, 7, 6]
    generate(extraction, TASK, [Request(row=str(n), prompt="x" * n) for n in lengths])
    assert [[int(row) for row in chunk] for chunk in engine.chunks] == [
        [5000],
        [1300],
        [1200, 900, 10, 9],
        [8, 7, 6],
    ]


def test_features_come_in_batches_with_what_was_cut_and_how_much_was_rounded(
    extraction: Extraction,
) -> None:
    long = Request(row="u", prompt=f"p {HISTORY}", history=("old " * 30, "new " * 30))
    extracted = features(extraction, FEATURES, [*requests("area", "oil"), long], "float16")
    values = extracted.values()
    vectors = vectors_in(values.field("vector"))
    assert vectors.shape == (3, 4) and vectors.dtype == np.float16
    np.testing.assert_allclose(vectors[0], [2.2, 1.2, 0.2, 0.2], rtol=1e-3)
    assert values.field("cut_history").to_pylist() == [0, 0, 1]
    assert 0 < values.field("rounding_error").to_pylist()[0] < 1e-3
    exact = features(extraction, FEATURES, requests("area"), "float32").values()
    assert exact.field("rounding_error").to_pylist() == [0.0]
    assert vectors_in(exact.field("vector")).dtype == np.float32


def test_states_that_float16_cannot_hold_are_refused_and_nothing_is_kept(tmp_path: Path) -> None:
    class Loud(EchoEngine):
        def features(self, task: Any, prepared: Any) -> Any:
            found = super().features(task, prepared)
            return replace(found, values=found.values * 1e5)

    extraction = Extraction(engine=Loud(), cache=RowCache(tmp_path))
    with pytest.raises(ValueError, match=r"echo gave states too large .* for area, .*'float32'"):
        features(extraction, FEATURES, requests("area", "oil"), "float16")
    assert not list(tmp_path.rglob("part-*.parquet"))
    assert len(features(extraction, FEATURES, requests("area"), "float32").values()) == 1


@pytest.mark.parametrize("precision", ["float16", "float32"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_states_that_are_not_finite_name_row_and_model_and_nothing_is_kept(
    tmp_path: Path, value: float, precision: Precision
) -> None:
    class Overflowing(EchoEngine):
        def features(self, task: Any, prepared: Any) -> Any:
            found = super().features(task, prepared)
            found.values[[each.request.row == "oil" for each in prepared], 1] = value
            return found

    extraction = Extraction(engine=Overflowing(), cache=RowCache(tmp_path))
    with pytest.raises(ValueError, match=r"echo gave states that are not finite for oil \(1 of"):
        features(extraction, FEATURES, requests("area", "oil", "tea"), precision)
    assert not list(tmp_path.rglob("part-*.parquet"))


def test_vectors_of_texts_are_of_unit_length(extraction: Extraction) -> None:
    vectors, usage = embed(extraction, Embed(model="echo"), ["a", "ee", "a"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)
    assert usage.computed == 2 and (vectors[0] == vectors[2]).all()
    assert embed(extraction, Embed(model="echo"), [])[0].shape == (0, 0)


def test_chunks_before_a_failure_are_kept(tmp_path: Path) -> None:
    class Breaking(EchoEngine):
        def generate(self, task: Any, prepared: Any) -> Any:
            if any(each.content == "bang" for each in prepared):
                raise RuntimeError("the model broke")
            return super().generate(task, prepared)

    cache = RowCache(tmp_path)
    broken = Extraction(engine=Breaking(chunk=1), cache=cache)
    with pytest.raises(RuntimeError, match="the model broke"):
        generate(broken, TASK, requests("first one", "bang", "c"))
    engine = EchoEngine()
    generate(Extraction(engine=engine, cache=cache), TASK, requests("first one", "bang", "c"))
    assert engine.chunks == [["bang", "c"]]


def test_rows_are_computed_again_once_however_often_that_is_broken_off(tmp_path: Path) -> None:
    class Newer(EchoEngine):
        breaks_at = "c"

        def generate(self, task: Any, prepared: Any) -> Any:
            if any(each.content == self.breaks_at for each in prepared):
                raise RuntimeError("the model broke")
            return [
                replace(each, text=f"new {each.text}") for each in super().generate(task, prepared)
            ]

    def texts(engine: EchoEngine, cache: RowCache, *asked: str) -> list[str]:
        answers, _ = generate(Extraction(engine=engine, cache=cache), TASK, requests(*asked))
        return [answer.text for answer in answers]

    cache = RowCache(tmp_path)
    texts(EchoEngine(), cache, "a", "b", "c", "other")
    again = replace(cache, since=int(time.time()) + 1)
    newer = Newer(chunk=1)
    with pytest.raises(RuntimeError, match="the model broke"):
        texts(newer, again, "a", "b", "c")
    assert texts(EchoEngine(), cache, "a", "c") == ["new A 0", "C 0"]  # a run in between
    newer.breaks_at = ""
    assert texts(newer, again, "a", "b", "c") == ["new A 0", "new B 0", "new C 0"]
    assert sorted(row for chunk in newer.chunks for row in chunk) == ["a", "b", "c"]
    for later in (cache, again):
        idle = EchoEngine()
        assert texts(idle, later, "c", "b", "a") == ["new C 0", "new B 0", "new A 0"]
        assert idle.started == []
    assert texts(EchoEngine(), cache, "other") == ["OTHER 0"]


def test_the_plan_comes_before_the_model_and_the_estimate_after_the_first_chunk(
    tmp_path: Path,
) -> None:
    told: list[tuple[str, dict[str, Any]]] = []

    class Listening(EchoEngine):
        def start(self, task: Any) -> None:
            told.append(("model starts", {}))

    def report(headline: str, figures: Mapping[str, Any]) -> None:
        told.append((headline, dict(figures)))

    extraction = Extraction(
        engine=Listening(chunk=2),
        cache=RowCache(tmp_path),
        prices=(Price(model="other", input=9.0), Price(model="echo", input=2.0, output=10.0)),
        report=report,
    )
    generate(extraction, TASK, requests("known"))
    told.clear()
    texts = [f"word number {i}" for i in range(10)]
    _, usage = generate(extraction, TASK, requests("known", *texts))
    headlines = [headline for headline, _ in told]
    assert headlines == ["plan", "model starts", "estimate", "progress"]
    plan, estimate, last = told[0][1], told[2][1], told[3][1]
    assert plan == {
        "rows_from_cache": 1,
        "rows_to_compute": 10,
        "prompt_tokens_expected": 30,
        "output_tokens_at_most": 50,
        "cost_at_most": "0.56 USD",
    }
    assert estimate["rows_done"] == 2 and estimate["seconds_to_go"] >= 0
    assert (last["rows_done"], last["seconds_to_go"]) == (10, 0.0)
    facts = usage.facts()
    assert (facts["prompt_tokens"], facts["output_tokens"], facts["cost"]) == (30, 20, "0.26 USD")


def test_a_part_that_rots_while_it_is_used_is_computed_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine = EchoEngine(chunk=50)
    extraction = Extraction(engine=engine, cache=RowCache(tmp_path))
    extracted = features(extraction, FEATURES, requests(*map(str, range(100))), "float32")
    (part, _) = sorted(tmp_path.rglob("part-*.parquet"))
    content = bytearray(part.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(64)
    part.write_bytes(bytes(content))
    assert len(extracted.values()) == 100
    assert part.name in caplog.text
    assert len(engine.chunks) == 3 and (part.parent / "corrupt" / part.name).exists()


KILLED_RUN = """
import sys
from pathlib import Path
from pipeline.extract.engine import Features, Request
from pipeline.extract.extraction import Extraction, features
from pipeline.extract.row_cache import RowCache
from tests.pipeline.extract.echo_engine import EchoEngine

folder = Path(sys.argv[1])
engine = EchoEngine(chunk=7, log=folder / "computed", seconds=0.05)
requests = [Request(row=str(i), prompt="word " * (i % 40) + str(i)) for i in range(300)]
extraction = Extraction(engine=engine, cache=RowCache(folder / "rows"))
task = Features(model="echo", prompt="echo/1")
values = features(extraction, task, requests, "float16").values()
(folder / "result").write_text(repr(values.to_pylist()))
"""


def test_a_run_killed_at_random_moments_ends_like_an_undisturbed_one(tmp_path: Path) -> None:
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    for folder in (undisturbed, disturbed):
        folder.mkdir()
    assert _run(undisturbed).wait() == 0
    moments, kills = random.Random(5), 0
    while not (disturbed / "result").exists():
        run = _run(disturbed)
        # Kill at a random moment after some progress: else the test might never end.
        _wait_for_a_part(run, disturbed)
        time.sleep(moments.uniform(0, 0.6))
        run.send_signal(signal.SIGKILL)
        kills += run.wait() == -signal.SIGKILL
    assert kills >= 3
    assert (disturbed / "result").read_text() == (undisturbed / "result").read_text()
    computed = Counter((disturbed / "computed").read_text().split())
    assert set(computed) == {str(i) for i in range(300)} and max(computed.values()) <= 2
    assert sum(computed.values()) - 300 <= 7 * kills


def _run(folder: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", KILLED_RUN, str(folder)], cwd=ROOT)


def _wait_for_a_part(run: "subprocess.Popen[bytes]", folder: Path) -> None:
    before = len(list(folder.rglob("part-*.parquet")))
    while run.poll() is None and len(list(folder.rglob("part-*.parquet"))) == before:
        time.sleep(0.01)
