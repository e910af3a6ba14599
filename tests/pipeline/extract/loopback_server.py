"""An HTTP server on the loopback whose answers are a function of the requests: for tests."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Answer:
    body: Any = field(default_factory=dict)  # JSON, or bytes as they are
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Asked:
    path: str
    body: Any
    key: str


DROP = Answer(status=0)
"""The connection ends without an answer."""

HANG = Answer(status=-1)
"""The connection stays open without an answer until the client closes it."""


class LoopbackServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, answer: Callable[[Asked], Answer]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.asked: list[Asked] = []
        self.busy = 0
        self.most_busy = 0
        self.hanging = threading.Semaphore(0)  # released once for each request that hangs
        self.left = threading.Semaphore(0)  # released once for each that its client gave up
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]


@contextmanager
def served(answer: Callable[[Asked], Answer]) -> Iterator[LoopbackServer]:
    with LoopbackServer(answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: LoopbackServer

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        key = self.headers.get("Authorization", "").removeprefix("Bearer ")
        asked = Asked(path=self.path, body=json.loads(content) if content else None, key=key)
        with self.server.lock:
            self.server.asked.append(asked)
            self.server.busy += 1
            self.server.most_busy = max(self.server.busy, self.server.most_busy)
        try:
            answer = self.server.answer(asked)
        finally:
            with self.server.lock:  # before it is sent: who has it may ask again at once
                self.server.busy -= 1
        self._send(answer)

    def _send(self, answer: Answer) -> None:
        if answer is DROP:
            self.close_connection = True
            return
        if answer is HANG:
            self.server.hanging.release()
            assert self.connection.recv(1) == b""
            self.server.left.release()
            self.close_connection = True
            return
        raw = isinstance(answer.body, bytes)
        content = answer.body if raw else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", "text/html" if raw else "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:
        pass
