"""A TCP proxy on the loopback that cuts the line, or falls silent, after so many bytes."""

import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self


@dataclass
class CuttingProxy:
    """Use as a context manager. Limits are of all connections together; None: without limit."""

    port: int  # of the server behind it
    most_sent: int | None = None  # bytes to the server
    most_answered: int | None = None  # bytes from it
    silent: bool = False  # fall silent beyond a limit instead of cutting every connection
    reached: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = [self._listener]
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._cut()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.port))
            self._open += [client, server]
            for source, target, limit in (
                (client, server, "most_sent"),
                (server, client, "most_answered"),
            ):
                threading.Thread(
                    target=self._copy, args=(source, target, limit), daemon=True
                ).start()

    def _copy(self, source: socket.socket, target: socket.socket, limit: str) -> None:
        try:
            while content := source.recv(65536):
                left = getattr(self, limit)
                if left is not None:
                    if left <= len(content):
                        self.reached.set()
                        if not self.silent:
                            self._cut()
                        return
                    setattr(self, limit, left - len(content))
                target.sendall(content)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return  # the other side is gone

    def _cut(self) -> None:
        """Nobody is listened to from now on."""
        for one in self._open:
            with suppress(OSError):  # it is closed already
                one.shutdown(socket.SHUT_RDWR)
            one.close()
