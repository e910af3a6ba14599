"""The row cache: paid for once, committed by chunks, corruption named."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.extract.cache import RowCache, cached_map

ROOT = Path(__file__).resolve().parents[3]

STUCK_RUN = """
import sys, time
from pathlib import Path
import pyarrow as pa
from pipeline.extract.cache import RowCache, cached_map

def compute(chunk):
    if "g" in chunk:
        print("in the fourth chunk", flush=True)
        time.sleep(60)
    return [word.upper() for word in chunk]

cached_map(RowCache(Path(sys.argv[1]), "words", pa.string()), list("abcdefgh"), str, compute, 2)
"""


class Shouting:
    """Counts what it is asked; fails at the word "bang"."""

    def __init__(self) -> None:
        self.chunks: list[list[str]] = []

    def __call__(self, chunk: Sequence[str]) -> list[str]:
        self.chunks.append(list(chunk))
        if "bang" in chunk:
            raise RuntimeError("the model broke")
        return [word.upper() for word in chunk]


@pytest.fixture
def cache(tmp_path: Path) -> RowCache:
    return RowCache(tmp_path, "words", pa.string())


def test_outputs_come_in_order_and_a_second_run_computes_nothing(cache: RowCache) -> None:
    shout = Shouting()
    first, use = cached_map(cache, list("cab"), str, shout, chunk_rows=2)
    assert (first, shout.chunks) == (["C", "A", "B"], [["c", "a"], ["b"]])
    assert (use.hits, use.computed) == (0, 3) and use.rows_per_second > 0
    again, use = cached_map(cache, list("abc"), str, shout, chunk_rows=2)
    assert (again, use.hits, use.computed) == (["A", "B", "C"], 3, 0)
    assert len(shout.chunks) == 2
    assert (use.seconds, use.rows_per_second) == (0.0, 0.0)


def test_equal_requests_are_computed_once(cache: RowCache) -> None:
    shout = Shouting()
    found, use = cached_map(cache, list("abaab"), str, shout, chunk_rows=10)
    assert (found, shout.chunks) == (list("ABAAB"), [["a", "b"]])
    assert (use.hits, use.computed) == (0, 2)


def test_one_new_request_costs_one_row(cache: RowCache) -> None:
    cached_map(cache, list("ab"), str, Shouting(), chunk_rows=10)
    shout = Shouting()
    _, use = cached_map(cache, list("abc"), str, shout, chunk_rows=10)
    assert (shout.chunks, use.hits, use.computed) == ([["c"]], 2, 1)


def test_nothing_asked_is_nothing_computed(cache: RowCache) -> None:
    shout = Shouting()
    found, use = cached_map(cache, [], str, shout, chunk_rows=10)
    assert (found, use.hits, use.computed, shout.chunks) == ([], 0, 0, [])


def test_chunks_before_a_failure_are_kept(cache: RowCache) -> None:
    with pytest.raises(RuntimeError, match="the model broke"):
        cached_map(cache, ["a", "b", "bang", "c"], str, Shouting(), chunk_rows=2)
    shout = Shouting()
    _, use = cached_map(cache, ["a", "b", "c"], str, shout, chunk_rows=2)
    assert (shout.chunks, use.hits) == ([["c"]], 2)


def test_a_model_that_answers_too_little_is_an_error_and_nothing_is_kept(cache: RowCache) -> None:
    with pytest.raises(ValueError, match="shorter"):
        cached_map(cache, list("ab"), str, lambda chunk: ["A"], chunk_rows=2)
    assert cache.lookup(list("ab")) == {}


def test_a_killed_run_loses_at_most_the_chunk_in_flight(tmp_path: Path) -> None:
    run = subprocess.Popen(
        [sys.executable, "-c", STUCK_RUN, str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert run.stdout and run.stdout.readline() == "in the fourth chunk\n"
    run.kill()
    assert run.wait() == -signal.SIGKILL
    run.stdout.close()
    shout = Shouting()
    cache = RowCache(tmp_path, "words", pa.string())
    found, use = cached_map(cache, list("abcdefgh"), str, shout, chunk_rows=2)
    assert found == list("ABCDEFGH")
    assert (shout.chunks, use.hits) == ([["g", "h"]], 6)


def test_a_corrupt_part_is_named(cache: RowCache) -> None:
    cached_map(cache, [f"word {i}" for i in range(100)], str, Shouting(), chunk_rows=100)
    (part,) = (cache.root / "words").iterdir()
    content = bytearray(part.read_bytes())
    content[len(content) // 3] ^= 0xFF
    part.write_bytes(bytes(content))
    with pytest.raises(ValueError, match=rf"{part.name} is corrupt"):
        cached_map(cache, ["word 1"], str, Shouting(), chunk_rows=1)


def test_structured_outputs_come_back_whole(tmp_path: Path) -> None:
    kind = pa.struct([("text", pa.string()), ("tokens", pa.int32())])
    cache = RowCache(tmp_path, "answers", kind)
    cache.add({"k": {"text": "Grüße", "tokens": 2}})
    assert cache.lookup(["k", "unknown"]) == {"k": {"text": "Grüße", "tokens": 2}}


def test_caches_of_different_names_do_not_mix(tmp_path: Path) -> None:
    RowCache(tmp_path, "one", pa.string()).add({"k": "a"})
    assert RowCache(tmp_path, "two", pa.string()).lookup(["k"]) == {}
