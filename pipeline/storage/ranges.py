"""A file that is read by ranges of bytes, with what follows them read ahead."""

import io
from collections.abc import Callable
from typing import Any, BinaryIO, cast

_AHEAD = 8 * 2**20  # bytes: Parquet's columns lie one behind the other, and are read in that order


def open_ranges(fetch: Callable[[int, int], bytes], num_bytes: int) -> BinaryIO:
    """`fetch(start, end)` returns exactly these bytes, or raises."""
    return cast(BinaryIO, io.BufferedReader(_Ranges(fetch, num_bytes), _AHEAD))


class _Ranges(io.RawIOBase):
    def __init__(self, fetch: Callable[[int, int], bytes], num_bytes: int) -> None:
        self._fetch = fetch
        self._num_bytes = num_bytes
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._num_bytes}
        self._position = start[whence] + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        end = min(self._position + len(buffer), self._num_bytes)
        if end <= self._position:
            return 0
        content = self._fetch(self._position, end)
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)
