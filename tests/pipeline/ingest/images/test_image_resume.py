"""Downloads that are killed, interrupted or resumed, and the log that they go by."""

import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import orjson
import pytest

from pipeline.catalog import Images
from pipeline.ingest.images import image_download, image_log
from pipeline.ingest.images.image_download import Downloaded, download_images
from pipeline.ingest.images.image_log import AnswerLog, Logged
from pipeline.ingest.images.stored_images import Answer
from tests.pipeline.ingest.images.image_server import ImageServer, picture

ROOT = Path(__file__).resolve().parents[4]
SETTINGS = Images(download=True, per_host=16, attempts=1, allow_private=True)

SCRIPT = """
import signal, sys
from pathlib import Path
from pipeline.catalog import Images
from pipeline.ingest.images.image_download import download_images

class Interrupted(BaseException):
    "As Dagster raises it in the main thread: neither an Exception nor a KeyboardInterrupt."

def interrupt(*_):
    raise Interrupted

cache, how, *urls = sys.argv[1:]
# A shell that starts a program in the background makes it ignore the keyboard.
signal.signal(signal.SIGINT, interrupt if how == "interrupted" else signal.default_int_handler)
settings = Images(download=True, per_host=4, allow_private=True)
try:
    download_images(urls, Path(cache), settings, lambda address: True)
except (Interrupted, KeyboardInterrupt) as error:
    sys.exit(f"{type(error).__name__}, and everything is shut down")
"""


@pytest.fixture
def server() -> Iterator[ImageServer]:
    with ImageServer() as server:
        yield server


def download(urls: Sequence[str], cache: Path) -> Downloaded:
    return download_images(urls, cache, SETTINGS, lambda address: True)


def start(cache: Path, how: str, urls: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(cache), how, *urls],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(happened: Callable[[], bool]) -> None:
    for _ in range(600):
        if happened():
            return
        time.sleep(0.05)
    raise AssertionError("it has not happened within 30 s")


def test_a_killed_download_asks_nothing_twice_that_it_had_written_down(
    server: ImageServer, tmp_path: Path
) -> None:
    urls = server.serve_pictures(200, seconds=0.04)
    path = tmp_path / "images" / "answers.jsonl"
    with start(tmp_path, "killed", urls) as process:
        wait_for(lambda: path.exists() and path.stat().st_size > 0)
        process.kill()
    logged = {orjson.loads(line)["url"] for line in path.read_bytes().splitlines()}
    assert 0 < len(logged) < 200
    downloaded = download(urls, tmp_path)
    assert {answer.status for answer in downloaded.answers.values()} == {"ok"}
    assert (downloaded.from_cache, downloaded.requests) == (len(logged), 200 - len(logged))
    assert all(server.hits[url.removeprefix(server.url(""))] == 1 for url in logged)
    assert max(server.hits.values()) == 2  # what was in flight


@pytest.mark.parametrize(
    ("how", "error"), [("interrupted", "Interrupted"), ("by the keyboard", "KeyboardInterrupt")]
)
def test_an_interrupted_download_stops_at_once_and_keeps_what_is_done(
    server: ImageServer, tmp_path: Path, how: str, error: str
) -> None:
    done = server.serve_pictures(5)
    hanging = [
        server.serve(f"/hang/{n}", lambda handler: handler.server.closing.wait(60))
        for n in range(4)
    ]
    with start(tmp_path, how, done + hanging) as process:
        wait_for(lambda: all(server.hits[f"/hang/{n}"] for n in range(4)))
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=15)  # far less than the request's own 20 s
    assert stderr.strip() == f"{error}, and everything is shut down"
    again = download(done, tmp_path)
    assert (again.from_cache, again.requests) == (5, 0)


def test_a_disk_that_fails_stops_the_download_and_what_is_done_is_kept(
    server: ImageServer, tmp_path: Path
) -> None:
    (fine,) = server.serve_pictures(1)
    (tmp_path / "images").mkdir()
    download([fine], tmp_path)
    kept = {path.name for path in (tmp_path / "images").glob("??")}
    for prefix in {f"{n:02x}" for n in range(256)} - kept:
        (tmp_path / "images" / prefix).touch()  # a file where a folder has to be
    server.serve("/other", lambda handler: handler.send(picture(2)))
    with pytest.raises(OSError, match="images"):
        download([fine, server.url("/other")], tmp_path)
    assert download([fine], tmp_path).requests == 0


def test_progress_is_logged_with_rate_and_time_to_go(
    server: ImageServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(image_download, "_SECONDS_BETWEEN_REPORTS", 0.0)
    with caplog.at_level(logging.INFO, "pipeline"):
        download(server.serve_pictures(2), tmp_path)
    first, *_, last = (record.getMessage() for record in caplog.records)
    assert first == "images: 2 to fetch from 1 hosts"
    assert last.startswith("images: 2 of 2, ") and last.endswith(" a second, 0 s to go")


# -- the log -----------------------------------------------------------------------------------


def entry(url: str, status: str = "http-404") -> Logged:
    return Logged(url=url, answer=Answer(status=status), limits="none")


def test_the_last_answer_counts(tmp_path: Path) -> None:
    for status in ("http-404", "broken"):
        log = AnswerLog(tmp_path / "answers.jsonl")
        log.add(entry("a", status))
        log.write()
    assert AnswerLog(tmp_path / "answers.jsonl").read({"a", "b"}) == {"a": entry("a", "broken")}


def test_a_torn_line_is_named_and_costs_one_answer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "answers.jsonl"
    log = AnswerLog(path)
    log.add(entry("a"))
    log.add(entry("b"))
    log.write()
    path.write_bytes(path.read_bytes()[:-9])
    assert set(AnswerLog(path).read({"a", "b"})) == {"a"}
    assert f"{path} line 2 is torn" in caplog.text
    after = AnswerLog(path)
    after.add(entry("c"))
    after.write()
    assert set(AnswerLog(path).read({"a", "b", "c"})) == {"a", "c"}


def test_answers_are_written_down_as_they_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_log, "_SECONDS_BETWEEN_WRITES", 0.0)
    AnswerLog(tmp_path / "answers.jsonl").add(entry("a"))
    assert set(AnswerLog(tmp_path / "answers.jsonl").read({"a"})) == {"a"}


def test_two_downloads_may_write_at_once(tmp_path: Path) -> None:
    logs = [AnswerLog(tmp_path / "answers.jsonl") for _ in range(2)]
    for n in range(10):
        logs[n % 2].add(entry(str(n)))
        logs[n % 2].write()
    names = {str(n) for n in range(10)}
    assert set(logs[0].read(names)) == names
