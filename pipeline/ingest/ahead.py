"""Work ahead in a thread, so that reading and writing overlap."""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from queue import Queue
from threading import Event
from typing import TypeVar

T = TypeVar("T")
_AHEAD = 2


def ahead(items: Iterator[T]) -> Generator[T, None, None]:
    """The same items, at most two of them made before they are asked for.

    What the iterator raises is raised here. Where the consumer stops early, so does the thread.
    """
    queue: Queue[list[T] | None] = Queue(maxsize=_AHEAD)
    stopped = Event()

    def produce() -> None:
        try:
            for item in items:
                queue.put([item])
                if stopped.is_set():
                    return
        finally:
            queue.put(None)

    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as pool:
        made = pool.submit(produce)
        try:
            while (boxed := queue.get()) is not None:
                yield boxed[0]
            made.result()
        finally:
            stopped.set()
            while wait((made,), timeout=0.01).not_done:
                _drained(queue)


def _drained(queue: Queue[list[T] | None]) -> None:
    """Make room, so that a thread that waits to put something goes on."""
    while not queue.empty():
        queue.get_nowait()
