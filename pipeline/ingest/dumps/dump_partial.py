"""A dump that is on its way: `<name>.part`, and beside it what its bytes are the beginning of.

Nothing here is lost when a process is killed: the next one opens the same files and goes on.
"""

import dataclasses
import hashlib
import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar, cast

from pipeline.atomic import replacing, sync_folder
from pipeline.typed_tables import build

log = logging.getLogger(__name__)

_HEAD_BYTES = 64

Facts = TypeVar("Facts")


@dataclass(frozen=True, kw_only=True)
class Version:
    """Which file a server has been sending, so that no two versions of it are ever joined."""

    url: str
    etag: str | None = None
    last_modified: str | None = None
    total: int | None = None  # bytes; None while the server has not said

    @property
    def validator(self) -> str | None:
        """For If-Range, byte by byte; None where the server tells its versions not apart."""
        if self.etag and not self.etag.startswith("W/"):
            return self.etag
        return self.last_modified


class Partial:
    """The bytes so far of one file. A context manager: opened for writing at their end.

    What an earlier process left is taken up where it belongs to `url` and has a validator.
    """

    def __init__(self, destination: Path, url: str):
        self.destination = destination
        self.path = destination.with_name(f"{destination.name}.part")
        self._about = destination.with_name(f"{destination.name}.part.json")
        self.version = Version(url=url)
        self.size = 0
        self.is_resumed = False  # whether there was a break that did not cost what came before

    def __enter__(self) -> "Partial":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("a+b", buffering=0)
        self._hash = hashlib.sha256()
        left = self._left_version()
        if left is None:
            self.begin(self.version)
            return self
        self._file.seek(0)
        while chunk := self._file.read(1 << 20):
            self._hash.update(chunk)
        self.version, self.size, self.is_resumed = left, self._file.tell(), True
        log.info("%s: %d bytes are there already", self.path, self.size)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        if not self.size:
            self.remove()

    @property
    def is_complete(self) -> bool:
        return self.size > 0 and self.size == self.version.total

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def begin(self, version: Version) -> None:
        """Start over: nothing is kept, and what comes is of this version."""
        self._file.truncate(0)
        self._hash = hashlib.sha256()
        self.size, self.is_resumed = 0, False
        self._describe(version)

    def go_on(self, total: int | None) -> None:
        """What comes follows the bytes that are there."""
        self.is_resumed = True
        if total is not None:
            self._describe(dataclasses.replace(self.version, total=total))

    def write(self, chunk: bytes) -> None:
        """Add bytes. OSError that names the file where the disk takes them no more."""
        rest = memoryview(chunk)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from error
        self._hash.update(chunk)
        self.size += len(chunk)

    def head(self) -> bytes:
        """The first bytes, at most 64."""
        return os.pread(self._file.fileno(), _HEAD_BYTES, 0)

    def put_in_place(self) -> None:
        """Make the bytes, synced, the destination."""
        os.fsync(self._file.fileno())
        os.replace(self.path, self.destination)
        self._about.unlink(missing_ok=True)
        sync_folder(self.destination.parent)

    def remove(self) -> None:
        for path in (self.path, self._about):
            path.unlink(missing_ok=True)

    def _describe(self, version: Version) -> None:
        self.version = version
        write_facts(self._about, version)

    def _left_version(self) -> Version | None:
        """Of the bytes that are there, if one can go on from them."""
        size = self.path.stat().st_size
        if not size:
            return None
        reason = "nothing says what it is of"
        if self._about.is_file():
            left = read_facts(Version, self._about)
            if left is None:
                reason = f"{self._about.name} is damaged"
            elif left.url != self.version.url:
                reason = f"it is of {left.url}"
            elif left.validator is None:
                reason = "the server gave nothing to tell versions of the file apart by"
            elif left.total is not None and size > left.total:
                reason = f"it is longer than the file, which has {left.total} bytes"
            else:
                return left
        log.warning("%s: %d bytes are dropped: %s", self.path, size, reason)
        return None


def write_facts(path: Path, facts: Any) -> None:
    """A flat dataclass as JSON, without what is None."""
    known = {key: value for key, value in dataclasses.asdict(facts).items() if value is not None}
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")


def read_facts(kind: type[Facts], path: Path) -> Facts | None:
    """What `write_facts` wrote; None where it is something else, which the caller reports."""
    try:
        entry = json.loads(path.read_text(encoding="utf-8"))
        return cast(Facts, build(kind, entry, str(path))) if isinstance(entry, dict) else None
    except ValueError:
        return None
