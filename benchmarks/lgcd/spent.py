"""What a piece of work costs: seconds by the clock, seconds on processors, and memory."""

import re
import resource
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Spent:
    wall: float  # seconds
    cpu: float  # seconds of all threads, and of child processes that have ended


def spent(act: Callable[[], Any]) -> Spent:
    before = _now()
    act()
    return _since(before)


class Watched:
    """Hands batches on; watches what their consumer takes after the first `warm_up` of them."""

    spent: Spent | None = None  # until the last batch is done with
    steps = 0  # that were watched

    def __init__(self, warm_up: int):
        self._warm_up = warm_up

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        rest = iter(batches)
        yield from islice(rest, self._warm_up)
        before = _now()
        for batch in rest:
            self.steps += 1
            yield batch
        self.spent = _since(before)


def peak_mb() -> float:
    """Of resident memory since the process began."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024 / 1e6


def _now() -> tuple[float, float]:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = time.process_time() + children.ru_utime + children.ru_stime
    return time.perf_counter(), cpu


def _since(before: tuple[float, float]) -> Spent:
    wall, cpu = _now()
    return Spent(wall=wall - before[0], cpu=cpu - before[1])
