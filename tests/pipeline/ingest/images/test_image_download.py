"""Downloading from a server that does everything wrong."""

import gzip
import hashlib
import socket
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.utils import formatdate
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pipeline.catalog import Images
from pipeline.ingest.images.image_address import Address, AddressRule, is_public
from pipeline.ingest.images.image_download import Downloaded, download_images
from pipeline.ingest.images.stored_images import image_path, read_image
from tests.pipeline.ingest.images.image_server import Handler, ImageServer, Route, picture

SETTINGS = Images(download=True, attempts=2, timeout_seconds=5.0, max_bytes=50_000)
Download = Callable[..., Downloaded]


def only_this_server(address: Address) -> bool:
    return address == ip_address("127.0.0.1")


@pytest.fixture
def server() -> Iterator[ImageServer]:
    with ImageServer() as server:
        yield server


@pytest.fixture
def download(tmp_path: Path) -> Download:
    """Download URLs into this test's cache; further arguments change settings."""

    def call(
        *urls: str,
        refresh: bool = False,
        allowed: AddressRule = only_this_server,
        **changes: Any,
    ) -> Downloaded:
        settings = replace(SETTINGS, **changes)
        return download_images(urls, tmp_path, settings, allowed, refresh)

    return call


def status_of(downloaded: Downloaded) -> str:
    (answer,) = downloaded.answers.values()
    return answer.status


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header promises so many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 100)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


# -- what arrives ------------------------------------------------------------------------------


def test_an_image_is_kept_under_the_digest_of_its_bytes(
    server: ImageServer, download: Download, tmp_path: Path
) -> None:
    body = picture(1, "JPEG", (20, 10))
    url = server.serve("/a", lambda handler: handler.send(body, Content_Type="image/jpeg"))
    downloaded = download(url)
    found = downloaded.answers[url].picture
    assert found is not None
    assert (found.format, found.width, found.height) == ("jpeg", 20, 10)
    assert found.sha256 == hashlib.sha256(body).hexdigest()
    assert read_image(tmp_path, found.sha256) == body
    assert (downloaded.requests, downloaded.retries, downloaded.num_bytes) == (1, 0, len(body))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
@pytest.mark.parametrize("header", ["image/anything", "application/octet-stream", ""])
def test_the_type_is_what_the_bytes_are(
    server: ImageServer, download: Download, kind: str, header: str
) -> None:
    url = server.serve("/a", lambda handler: handler.send(picture(1, kind), Content_Type=header))
    found = download(url).answers[url].picture
    assert found is not None and found.format == kind.lower()


def test_the_request_says_who_asks_and_carries_nothing_else(
    server: ImageServer, download: Download, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.2:1")
    body = picture(1)
    server.serve("/a", lambda handler: handler.send(body, Set_Cookie="spy=1; Path=/"))
    server.serve("/b", lambda handler: handler.send(body))
    urls = [f"http://localhost:{server.server_port}/{name}" for name in "ab"]
    download(*urls, per_host=1, allowed=lambda address: True)  # one after the other
    assert set(server.headers["/b"]) == {"Host", "Accept", "Accept-Encoding", "User-Agent"}
    assert server.headers["/b"]["User-Agent"].startswith("coldbridge")
    assert server.headers["/b"]["Accept-Encoding"] == "identity"


def _cut(handler: Handler) -> None:
    handler.send(picture(1, "JPEG", (200, 200))[:-300], Content_Type="image/jpeg")


def _says_too_much(handler: Handler) -> None:
    handler.send(b"", Content_Length="60000")
    handler.close_connection = True


def _sends_too_much(handler: Handler) -> None:
    handler.send(b"", Content_Length="", Transfer_Encoding="chunked")
    for _ in range(1000):
        handler.send_chunk(b"x" * 10_000)


def _sends_gzip(handler: Handler) -> None:
    handler.send(gzip.compress(bytes(10_000_000)), Content_Encoding="gzip")


def _redirects_to(location: str) -> Route:
    return lambda handler: handler.send(b"", 302, Location=location)


FINAL: dict[str, tuple[str, Route]] = {
    "not there": ("http-404", lambda handler: handler.send(b"", 404)),
    "gone": ("http-410", lambda handler: handler.send(picture(1), 410)),
    "no content": ("http-204", lambda handler: handler.send(b"", 204, Content_Length="")),
    "not modified": ("http-304", lambda handler: handler.send(b"", 304, Content_Length="")),
    "a page": ("wrong-type", lambda handler: handler.send(picture(1), Content_Type="text/html")),
    "a page that says image": ("wrong-type", lambda handler: handler.send(b"<html>sorry</html>")),
    "a drawing": ("wrong-type", lambda h: h.send(b"<svg/>", Content_Type="image/svg+xml")),
    "a format of its own": ("wrong-type", lambda handler: handler.send(picture(1, "TIFF"))),
    "empty": ("broken", lambda handler: handler.send(b"")),
    "cut": ("broken", _cut),
    "a header that is too large": ("too-large", _says_too_much),
    "a body that is too large": ("too-large", _sends_too_much),
    "a body that would swell": ("encoded", _sends_gzip),
    "a bomb": ("too-many-pixels", lambda handler: handler.send(png_that_claims(50_000, 50_000))),
    "a small bomb": ("too-many-pixels", lambda h: h.send(png_that_claims(8_000, 8_000))),
    "a loop": ("redirects", _redirects_to("/a")),
    "to a file": ("blocked", _redirects_to("file:///etc/passwd")),
    "to nowhere": ("blocked", _redirects_to("http://[")),
    "with a password": ("blocked", _redirects_to("http://me:word@127.0.0.1/a")),
    "without a place": ("http-302", lambda handler: handler.send(b"", 302)),
}


@pytest.mark.parametrize("what", FINAL)
def test_what_no_second_request_would_mend_is_asked_for_once(
    server: ImageServer, download: Download, tmp_path: Path, what: str
) -> None:
    status, route = FINAL[what]
    url = server.serve("/a", route)
    assert status_of(download(url)) == status
    asked = server.hits["/a"]
    again = download(url)
    assert (status_of(again), again.from_cache, again.requests) == (status, 1, 0)
    assert asked == server.hits["/a"] == (6 if what == "a loop" else 1)
    assert [path.name for path in tmp_path.glob("images/*")] == ["answers.jsonl"]


def test_of_a_body_without_end_little_is_read(server: ImageServer, download: Download) -> None:
    url = server.serve("/a", _sends_too_much)
    assert download(url).num_bytes < 1_000_000


# -- what may pass -----------------------------------------------------------------------------


def _drips(handler: Handler) -> None:
    handler.send(picture(1)[:20], Content_Length="1020")
    for _ in range(40):
        if not handler.server.closing.wait(0.05):
            handler.wfile.write(b"x" * 25)


def _says_nothing(handler: Handler) -> None:
    handler.server.closing.wait(2)
    handler.send(picture(1))


def _resets(handler: Handler) -> None:
    linger = struct.pack("ii", 1, 0)  # close without a goodbye
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.close_connection = True
    handler.connection.close()


def _stops_short(handler: Handler) -> None:
    handler.send(picture(1), Content_Length="1000")
    handler.close_connection = True


def _stops_in_a_chunk(handler: Handler) -> None:
    handler.send(b"", Content_Length="", Transfer_Encoding="chunked")
    handler.send_chunk(picture(1)[:30])
    handler.close_connection = True


def _stops_without_having_said_when(handler: Handler) -> None:
    handler.send(picture(1, "JPEG", (200, 200))[:-300], Content_Length="", Connection="close")
    handler.close_connection = True


PASSING: dict[str, tuple[str, Route]] = {
    "drips": ("timeout", _drips),
    "says nothing": ("timeout", _says_nothing),
    "resets": ("connection", _resets),
    "stops short": ("truncated", _stops_short),
    "stops in a chunk": ("truncated", _stops_in_a_chunk),
    "stops without having said when": ("truncated", _stops_without_having_said_when),
    "is down": ("http-503", lambda handler: handler.send(b"", 503)),
    "has failed": ("http-500", lambda handler: handler.send(picture(1), 500)),
    "is tired": ("http-429", lambda handler: handler.send(b"", 429)),
}


@pytest.mark.parametrize("what", PASSING)
def test_what_may_pass_is_tried_again_now_and_by_the_next_run(
    server: ImageServer, download: Download, what: str
) -> None:
    status, route = PASSING[what]
    url = server.serve("/a", route)
    limit = {"timeout_seconds": 0.3} if status == "timeout" else {}
    downloaded = download(url, **limit)
    assert (status_of(downloaded), downloaded.retries) == (status, 1)
    assert server.hits["/a"] >= 2
    server.serve("/a", lambda handler: handler.send(picture(1)))
    assert status_of(download(url)) == "ok"


def test_a_server_that_recovers_is_forgiven(server: ImageServer, download: Download) -> None:
    def recovers(handler: Handler) -> None:
        handler.send(picture(1), 503 if handler.server.hits["/a"] == 1 else 200)

    downloaded = download(server.serve("/a", recovers))
    assert (status_of(downloaded), downloaded.requests, downloaded.retries) == ("ok", 2, 1)


def test_a_host_that_does_not_listen_or_exist_is_a_lost_connection(download: Download) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        deaf = f"http://127.0.0.1:{bound.getsockname()[1]}/a.png"
        answers = download(deaf, "http://nowhere.invalid/a.png").answers
    assert [answer.status for answer in answers.values()] == ["connection"] * 2


@pytest.mark.parametrize("unit", ["seconds", "date"])
def test_a_server_that_asks_to_be_left_alone_for_a_second_is(
    server: ImageServer, download: Download, unit: str
) -> None:
    def tired(handler: Handler) -> None:
        wait = "1" if unit == "seconds" else formatdate(time.time() + 2, usegmt=True)
        if handler.server.hits["/a"] == 1:
            handler.send(b"", 429, Retry_After=wait)
        else:
            handler.send(picture(1))

    assert status_of(download(server.serve("/a", tired))) == "ok"
    first, second = server.starts["/a"]
    assert second - first > 0.9


def test_a_server_that_asks_for_an_hour_is_left_to_the_next_run(
    server: ImageServer, download: Download
) -> None:
    url = server.serve("/a", lambda handler: handler.send(b"", 503, Retry_After="3600"))
    assert status_of(download(url, attempts=5)) == "http-503"
    assert server.hits["/a"] == 1


# -- where it connects -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "LocalHost",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0.0.0.0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
    ],
)
def test_this_machine_is_never_asked_by_whatever_name(
    server: ImageServer, download: Download, host: str
) -> None:
    server.serve_pictures(1)
    url = f"http://{host}:{server.server_port}/0.png"
    assert status_of(download(url, allowed=is_public)) == "blocked"
    assert not server.hits


def test_a_redirect_is_followed_to_what_may_be_asked(
    server: ImageServer, download: Download
) -> None:
    server.serve("/b/c", lambda handler: handler.send(picture(1)))
    server.serve("/b/d", _redirects_to("c?x=1#top"))
    server.routes["/b/c?x=1"] = server.routes["/b/c"]
    assert status_of(download(server.serve("/a", _redirects_to("/b/d")))) == "ok"


def test_a_redirect_to_a_private_address_is_not_followed(
    server: ImageServer, download: Download
) -> None:
    with ImageServer("127.0.0.2") as private:
        (inside,) = private.serve_pictures(1)
        url = server.serve("/a", _redirects_to(inside))
        assert status_of(download(url)) == "blocked"
        assert not private.hits
        assert status_of(download(url, allowed=lambda address: True, allow_private=True)) == "ok"


# -- how hard it asks --------------------------------------------------------------------------


def test_no_host_gets_more_requests_at_a_time_than_its_share(
    server: ImageServer, download: Download
) -> None:
    urls = server.serve_pictures(12, seconds=0.05)
    assert len(download(*urls, per_host=3).answers) == 12
    assert server.busiest["127.0.0.1"] == 3


def test_all_hosts_together_get_no_more_than_the_concurrency(
    server: ImageServer, download: Download
) -> None:
    urls = server.serve_pictures(12, seconds=0.05)
    urls[6:] = [url.replace("127.0.0.1", "localhost") for url in urls[6:]]
    answers = download(*urls, concurrency=2, allowed=lambda address: True).answers
    assert {answer.status for answer in answers.values()} == {"ok"}
    assert server.busiest["all"] == 2


def test_two_starts_to_one_host_are_apart(server: ImageServer, download: Download) -> None:
    urls = server.serve_pictures(4)
    download(*urls, per_host_delay_seconds=0.4)
    starts = sorted(start for some in server.starts.values() for start in some)
    assert all(later - earlier > 0.3 for earlier, later in pairwise(starts))


def test_redirects_from_elsewhere_count_towards_a_hosts_share(download: Download) -> None:
    with ImageServer("0.0.0.0") as server:
        urls = []
        for n in range(8):
            server.serve(f"/{n}", lambda handler: time.sleep(0.05) or handler.send(picture(1)))
            server.serve(f"/from/{n}", _redirects_to(f"http://127.0.0.1:{server.server_port}/{n}"))
            urls.append(f"http://127.0.0.{n + 2}:{server.server_port}/from/{n}")
        answers = download(*urls, per_host=2, allowed=lambda address: True).answers
        assert {answer.status for answer in answers.values()} == {"ok"}
        assert server.busiest["127.0.0.1"] == 2


# -- a second run ------------------------------------------------------------------------------


def _tagged(body: bytes) -> Route:
    """Serves a body by its ETag: 304 to those who have it."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:8]}"'

    def route(handler: Handler) -> None:
        if handler.headers.get("If-None-Match") == tag:
            handler.send(b"", 304, Content_Length="", ETag=tag)
        else:
            handler.send(body, ETag=tag)

    return route


def test_a_refresh_keeps_what_has_not_changed_and_fetches_what_has(
    server: ImageServer, download: Download
) -> None:
    same = server.serve("/same", _tagged(picture(1)))
    other = server.serve("/other", _tagged(picture(2)))
    before = download(same, other).answers
    server.serve("/other", _tagged(picture(3)))
    downloaded = download(same, other, refresh=True)
    assert (downloaded.requests, downloaded.num_bytes) == (2, len(picture(3)))
    assert downloaded.answers[same] == before[same]
    found = downloaded.answers[other].picture
    assert found and found.sha256 == hashlib.sha256(picture(3)).hexdigest()
    assert download(same, other).answers == downloaded.answers


def test_a_refresh_goes_by_the_date_where_there_is_no_tag(
    server: ImageServer, download: Download
) -> None:
    date = "Wed, 21 Oct 2015 07:28:00 GMT"

    def dated(handler: Handler) -> None:
        if handler.headers.get("If-Modified-Since") == date:
            handler.send(b"", 304, Content_Length="")
        else:
            handler.send(picture(1), Last_Modified=date)

    url = server.serve("/a", dated)
    download(url)
    downloaded = download(url, refresh=True)
    assert (status_of(downloaded), downloaded.requests, downloaded.num_bytes) == ("ok", 1, 0)


def test_a_refresh_that_fails_keeps_what_is_there(server: ImageServer, download: Download) -> None:
    url = server.serve("/a", _tagged(picture(1)))
    before = download(url).answers
    server.serve("/a", lambda handler: handler.send(b"", 503))
    assert download(url, refresh=True).answers == before


def test_an_image_that_has_vanished_from_the_cache_is_fetched_again(
    server: ImageServer, download: Download, tmp_path: Path
) -> None:
    url = server.serve("/a", _tagged(picture(1)))
    before = download(url).answers[url]
    assert before.picture
    image_path(tmp_path, before.picture.sha256).unlink()
    assert download(url).answers[url] == before
    assert read_image(tmp_path, before.picture.sha256) == picture(1)


def test_a_wider_limit_asks_again_for_what_it_may_let_through(
    server: ImageServer, download: Download
) -> None:
    noise = picture(1, "BMP", (100, 100))
    large = server.serve("/large", lambda handler: handler.send(noise))
    absent = server.serve("/absent", lambda handler: handler.send(b"", 404))
    assert download(large, absent, max_bytes=1000).answers[large].status == "too-large"
    downloaded = download(large, absent, max_bytes=len(noise))
    assert downloaded.answers[large].status == "ok"
    assert (server.hits["/large"], server.hits["/absent"]) == (2, 1)


def test_a_narrower_limit_holds_for_what_is_cached(server: ImageServer, download: Download) -> None:
    (url,) = server.serve_pictures(1)
    assert status_of(download(url)) == "ok"
    assert status_of(download(url, max_pixels=63)) == "too-many-pixels"


def test_one_url_of_two_items_is_one_request(server: ImageServer, download: Download) -> None:
    (url,) = server.serve_pictures(1)
    assert download(url, url).requests == 1
