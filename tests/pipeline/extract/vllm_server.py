"""A real server of vLLM on the loopback: for tests."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from pipeline.catalog import EngineSettings, Remote
from pipeline.extract.remote_engine import RemoteEngine

SETTINGS = EngineSettings(max_model_len=1024, max_images=1, max_num_seqs=8, kv_cache_gib=1)
_CATALOG = "[engine]\nmax_model_len = 1024\nmax_images = 1\nmax_num_seqs = 8\nkv_cache_gib = 1\n"
_START_SECONDS = 300


@contextmanager
def vllm_serving(data: Path, operation: str, model: str) -> Iterator[RemoteEngine]:
    """An engine on a server that pipeline/extract/serving.py starts. Nothing is left behind."""
    (data / "catalog.toml").write_text(_CATALOG)
    port = _free_port()
    log = data / f"{operation}.log"
    command = [sys.executable, "-m", "pipeline.extract.serving", operation, model]
    command += ["--data", str(data), "--host", "127.0.0.1", "--port", str(port)]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, stdout=output, stderr=output, env=environment, start_new_session=True
        )
    try:
        _wait_until_up(server, f"http://127.0.0.1:{port}/health", log)
        remote = Remote(url=f"http://127.0.0.1:{port}/v1", revision="tiny/1", concurrency=4)
        with closing(RemoteEngine(SETTINGS, remote)) as engine:
            yield engine
    finally:
        _end(server)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_until_up(server: subprocess.Popen[bytes], health: str, log: Path) -> None:
    give_up = time.monotonic() + _START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(health, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            ended = server.poll() is not None
            if ended or time.monotonic() > give_up:
                text = log.read_text(errors="replace")[-8000:]
                raise RuntimeError(f"no server (ended: {ended}), whose log is\n{text}") from None
            time.sleep(0.5)


def _end(server: subprocess.Popen[bytes]) -> None:
    """Its engine is a process of the same group."""
    try:
        with suppress(subprocess.TimeoutExpired):
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(timeout=20)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()
