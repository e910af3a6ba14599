"""A real HTTP server on this machine that serves dumps by range, or misbehaves as a test likes."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.loopback_server import LoopbackServer

Fault = Callable[["Handler"], None]


@dataclass
class Served:
    """A file, and what is done instead of sending it for as many requests as there are faults."""

    body: bytes
    etag: str | None = '"one"'
    last_modified: str | None = None
    knows_ranges: bool = True
    faults: deque[Fault] = field(default_factory=deque)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "DumpServer"

    def do_GET(self) -> None:
        self.server.requests.append((self.path, dict(self.headers)))
        served = self.server.files.get(self.path)
        if served is None:
            self.answer(404)
        elif served.faults:
            served.faults.popleft()(self)
        else:
            self.send_file(served)

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Headers are given with "_" for "-"."""
        self.send_response(status)
        for name, value in ({"Content_Length": str(len(body))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def send_file(
        self, served: Served, stop_after: int | None = None, more: int = 0, hang: bool = False
    ) -> None:
        """As a server should; or stop after so many bytes of the answer, hanging up or not; or
        announce `more` bytes than there are."""
        start = self._start(served)
        body, total = served.body[start:], len(served.body) + more
        headers = {"Content_Length": str(len(body) + more)}
        if served.etag:
            headers["ETag"] = served.etag
        if served.last_modified:
            headers["Last_Modified"] = served.last_modified
        if start:
            headers["Content_Range"] = f"bytes {start}-{total - 1}/{total}"
        is_cut = more > 0 or stop_after is not None
        self.answer(206 if start else 200, body[:stop_after], **headers)
        self.wfile.flush()
        if hang:
            self.server.closing.wait(60)
        if is_cut:
            self.close_connection = True

    def _start(self, served: Served) -> int:
        """The first byte that is asked for, where the condition of If-Range holds."""
        wanted = self.headers.get("Range")
        if wanted is None or not served.knows_ranges:
            return 0
        condition = self.headers.get("If-Range")
        if condition is not None and condition not in (served.etag, served.last_modified):
            return 0
        return int(wanted.removeprefix("bytes=").removesuffix("-"))

    def log_message(self, format: str, *arguments: object) -> None:
        """Silence: tests look at what the server counts."""


class DumpServer(LoopbackServer):
    """Use as a context manager."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        super().__init__(Handler, host)
        self.files: dict[str, Served] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []  # path and headers

    def ranges(self) -> list[str | None]:
        """What of the file each request asked for."""
        return [headers.get("Range") for _, headers in self.requests]


def cut(after: int) -> Fault:
    """Hang up after so many bytes."""
    return lambda handler: handler.send_file(handler.server.files[handler.path], stop_after=after)


def hang(after: int) -> Fault:
    """Send so many bytes, then nothing, and do not hang up."""
    return lambda handler: handler.send_file(
        handler.server.files[handler.path], stop_after=after, hang=True
    )


def overstate(more: int) -> Fault:
    """Announce more bytes than are sent."""
    return lambda handler: handler.send_file(handler.server.files[handler.path], more=more)


def answer(status: int, body: bytes = b"", **headers: str) -> Fault:
    return lambda handler: handler.answer(status, body, **headers)


def slowly(seconds: float) -> Fault:
    """The whole file, after a while."""

    def send(handler: Handler) -> None:
        time.sleep(seconds)
        handler.send_file(handler.server.files[handler.path])

    return send
