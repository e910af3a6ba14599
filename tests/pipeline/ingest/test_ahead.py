"""A thread works ahead: in order, at most two items, and never longer than it is needed."""

import threading
import time
from collections.abc import Iterator

import pytest

from pipeline.ingest.ahead import ahead


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("ahead")]


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = _threads()
    yield
    assert _threads() == before


class Counted:
    """Items 0, 1, ...; how many were made, and where."""

    def __init__(self, stop: int, fail: BaseException | None = None) -> None:
        self.stop, self.fail, self.made = stop, fail, 0
        self.threads: set[str] = set()

    def __iter__(self) -> Iterator[int]:
        for number in range(self.stop):
            self.made += 1
            self.threads.add(threading.current_thread().name)
            yield number
        if self.fail:
            raise self.fail


def _until(made: Counted, count: int) -> None:
    deadline = time.monotonic() + 10
    while made.made < count and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.02)  # and no more of them


@pytest.mark.parametrize("count", [0, 1, 2, 3, 1000])
def test_items_come_whole_and_in_order(count: int) -> None:
    counted = Counted(count)
    assert list(ahead(iter(counted))) == list(range(count))
    assert all(name.startswith("ahead") for name in counted.threads)


def test_nothing_is_made_before_the_first_is_asked_for() -> None:
    counted = Counted(5)
    ahead(iter(counted))
    assert counted.made == 0


def test_few_items_are_made_ahead() -> None:
    counted = Counted(100)
    stream = ahead(iter(counted))
    for asked in range(1, 6):
        next(stream)
        _until(counted, asked + 3)
        assert counted.made == asked + 3  # two wait, and the third waits for its place
    stream.close()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 10])
def test_what_the_iterator_raises_is_raised_after_its_items(count: int) -> None:
    seen = []
    with pytest.raises(ValueError, match="row 7 is bad"):
        for item in ahead(iter(Counted(count, fail=ValueError("row 7 is bad")))):
            seen.append(item)
    assert seen == list(range(count))


def test_even_what_is_no_exception_is_raised() -> None:
    with pytest.raises(KeyboardInterrupt):
        list(ahead(iter(Counted(1, fail=KeyboardInterrupt()))))


@pytest.mark.parametrize("asked", [1, 2, 5])
def test_a_consumer_that_stops_early_stops_the_thread(asked: int) -> None:
    counted = Counted(1_000_000)
    stream = ahead(iter(counted))
    for _ in range(asked):
        next(stream)
    stream.close()
    assert counted.made <= asked + 4
    assert not _threads()


def test_a_consumer_that_raises_stops_the_thread() -> None:
    counted = Counted(1_000_000)
    with pytest.raises(KeyError):
        for item in ahead(iter(counted)):
            if item == 3:
                raise KeyError(item)
    assert counted.made < 20


def test_an_error_of_the_iterator_does_not_hide_that_of_the_consumer() -> None:
    with pytest.raises(KeyError):
        for _ in ahead(iter(Counted(1, fail=ValueError("row 7 is bad")))):
            raise KeyError


def test_one_may_work_ahead_of_another() -> None:
    inner = ahead(iter(Counted(200)))
    outer = ahead(number * 2 for number in inner)
    assert next(outer) == 0
    assert sum(outer) == sum(range(200)) * 2
    stopped = ahead(number for number in ahead(iter(Counted(1_000_000))))
    assert next(stopped) == 0
    stopped.close()


def test_a_slow_consumer_and_a_slow_iterator_do_not_block_each_other() -> None:
    def slow() -> Iterator[int]:
        for number in range(20):
            time.sleep(0.002)
            yield number

    seen = []
    for number in ahead(slow()):
        time.sleep(0.001 if number % 2 else 0.003)
        seen.append(number)
    assert seen == list(range(20))
