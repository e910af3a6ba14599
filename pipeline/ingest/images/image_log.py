"""What servers have answered for good, so that a run that was killed goes on where it stopped.

JSON lines, one an answer, in a file that is only ever appended to; the last line of a URL counts.
A line that cannot be read, such as one that a power cut tore, costs one request and no more.
"""

import dataclasses
import logging
import os
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from pipeline.ingest.images.stored_images import Answer, Picture

log = logging.getLogger(__name__)

_SECONDS_BETWEEN_WRITES = 1.0  # at most so much work is lost with a killed run


@dataclass(frozen=True, kw_only=True)
class Logged:
    """A server's final answer, and what to ask it with next time."""

    url: str
    answer: Answer
    limits: str  # that were in force; other limits might have led to another answer
    etag: str | None = None
    last_modified: str | None = None


class AnswerLog:
    """The log of one run, which other runs may append to at the same time."""

    def __init__(self, path: Path):
        self._path = path
        self._waiting: list[Logged] = []
        self._last_write = time.monotonic()

    def read(self, urls: Collection[str]) -> dict[str, Logged]:
        """The last answer for each of the URLs that has one."""
        return {entry.url: entry for entry in self._entries() if entry.url in urls}

    def add(self, entry: Logged) -> None:
        self._waiting.append(entry)
        if time.monotonic() - self._last_write >= _SECONDS_BETWEEN_WRITES:
            self.write()

    def write(self) -> None:
        """Append what is waiting, in one piece, and sync it."""
        if not self._waiting:
            return
        lines = b"".join(orjson.dumps(dataclasses.asdict(entry)) + b"\n" for entry in self._waiting)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab+", buffering=0) as file:
            file.write((b"\n" if _is_torn(file) else b"") + lines)
            os.fsync(file.fileno())
        self._waiting.clear()
        self._last_write = time.monotonic()

    def _entries(self) -> Iterator[Logged]:
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                entry = _parsed(line)
                if entry is None:
                    log.warning(
                        "%s line %d is torn: its image is asked for again", self._path, number
                    )
                else:
                    yield entry


def _is_torn(file: Any) -> bool:
    """Whether the last line has no end, so that the next one must not continue it."""
    if file.seek(0, os.SEEK_END) == 0:
        return False
    file.seek(-1, os.SEEK_END)
    return bool(file.read(1) != b"\n")


def _parsed(line: bytes) -> Logged | None:
    try:
        entry = orjson.loads(line)
        picture = entry["answer"]["picture"]
        answer = Answer(
            status=entry["answer"]["status"], picture=Picture(**picture) if picture else None
        )
        return Logged(**entry | {"answer": answer})
    except (ValueError, TypeError, KeyError):
        return None
