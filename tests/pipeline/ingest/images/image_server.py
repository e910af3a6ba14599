"""A real HTTP server on this machine that serves pictures, or misbehaves as a test likes."""

import io
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

from PIL import Image

from tests.loopback_server import LoopbackServer

Route = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """What a route gets: the request, and ways to answer it."""

    protocol_version = "HTTP/1.1"
    server: "ImageServer"

    def do_GET(self) -> None:
        self.server.begin(self)
        try:
            self.server.routes[self.path](self)
        finally:
            self.server.end(self)

    def send(self, body: bytes, status: int = 200, **headers: str) -> None:
        """Headers are given with "_" for "-"; those that are empty are left out."""
        self.server.end(self)  # first: who has the answer may ask again before this returns
        known = {"Content_Type": "image/png", "Content_Length": str(len(body))}
        self.send_response(status)
        for name, value in (known | headers).items():
            if value:
                self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def send_chunk(self, body: bytes) -> None:
        self.wfile.write(f"{len(body):x}\r\n".encode() + body + b"\r\n")

    def log_message(self, format: str, *arguments: object) -> None:
        """Silence: tests look at what the server counts."""


class ImageServer(LoopbackServer):
    """Use as a context manager. Counts requests by path, and how many there were at once."""

    request_queue_size = 128  # of connections; where it is full they wait for a second

    def __init__(self, address: str = "127.0.0.1"):
        super().__init__(Handler, address)
        self.routes: dict[str, Route] = {}
        self.hits: Counter[str] = Counter()
        self.starts: dict[str, list[float]] = defaultdict(list)  # by path, seconds
        self.headers: dict[str, dict[str, str]] = {}  # by path, of its last request
        self.busiest: Counter[str] = Counter()  # most unanswered at once, by host, and to "all"
        self._busy: dict[Handler, str] = {}  # the host of each that has not begun to answer
        self._lock = threading.Lock()

    def serve(self, path: str, route: Route) -> str:
        self.routes[path] = route
        return self.url(path)

    def serve_pictures(self, count: int, seconds: float = 0.0) -> list[str]:
        """So many different pictures, each after a while."""

        def route(body: bytes) -> Route:
            def send(handler: Handler) -> None:
                time.sleep(seconds)
                handler.send(body)

            return send

        return [self.serve(f"/{n}.png", route(picture(n))) for n in range(count)]

    def begin(self, handler: Handler) -> None:
        with self._lock:
            self.hits[handler.path] += 1
            self.starts[handler.path].append(time.monotonic())
            self.headers[handler.path] = dict(handler.headers)
            self._busy[handler] = handler.headers["Host"].rpartition(":")[0]
            at_once = Counter(self._busy.values())
            self.busiest |= at_once | Counter(all=at_once.total())

    def end(self, handler: Handler) -> None:
        """A second end of one request is none."""
        with self._lock:
            self._busy.pop(handler, None)


def picture(shade: int, kind: str = "PNG", size: tuple[int, int] = (8, 8)) -> bytes:
    """A picture whose bytes differ by shade, of 0 to 65,535."""
    file = io.BytesIO()
    Image.new("RGB", size, (shade % 256, shade // 256, 7)).save(file, kind)
    return file.getvalue()
