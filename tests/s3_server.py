"""A server that speaks S3's protocol (moto's), in a process of its own on the loopback."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

BUCKET = "coldbridge"
STARTUP_SECONDS = 120


@dataclass(frozen=True)
class S3Server:
    url: str
    process: subprocess.Popen[bytes]

    @property
    def variables(self) -> dict[str, str]:
        """What makes a client speak to this server, and to no other."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "tester",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    @cached_property
    def client(self) -> Any:
        import boto3

        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id="tester",
            aws_secret_access_key="secret",
            region_name="us-east-1",
        )

    def read(self, key: str) -> bytes:
        return bytes(self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read())

    def write(self, key: str, content: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=key, Body=content)

    def keys(self, prefix: str) -> list[str]:
        listed = self.client.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return [entry["Key"] for entry in listed.get("Contents", ())]

    def empty(self) -> None:
        for key in self.keys(""):
            self.client.delete_object(Bucket=BUCKET, Key=key)

    def unfinished(self) -> int:
        """How many uploads were begun and neither completed nor aborted."""
        return len(self.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", ()))

    def refuse_all(self, refuse: bool) -> None:
        """Whether every key from now on is an unknown one."""
        count = b"0" if refuse else b"inf"
        request = urllib.request.Request(
            f"{self.url}/moto-api/reset-auth", count, {"Content-Type": "text/plain"}
        )
        urllib.request.urlopen(request, timeout=30).close()

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Started, with an empty bucket; gone when the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        env={name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    server = S3Server(f"http://127.0.0.1:{port}", process)
    try:
        _wait(server, port)
        server.client.create_bucket(Bucket=BUCKET)
        yield server
    finally:
        server.stop()


def _wait(server: S3Server, port: int) -> None:
    deadline = time.monotonic() + STARTUP_SECONDS
    while True:
        assert server.process.poll() is None, "moto's server ended: is moto[server] installed?"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < deadline, "moto's server does not answer"
            time.sleep(0.1)
