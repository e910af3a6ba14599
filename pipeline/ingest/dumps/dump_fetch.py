"""One dump from one URL, however often the connection breaks, into the file it goes on from."""

import asyncio
import logging
import random
import re
import shutil
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from yarl import URL

from pipeline.ingest.dumps.dump_partial import Partial, Version
from pipeline.ingest.dumps.dump_sources import DumpSource
from pipeline.ingest.images.image_address import BlockedAddress, parsed_url

log = logging.getLogger(__name__)

GZIP = b"\x1f\x8b"
_CHUNK = 1 << 20
_MORE = 1 << 20  # bytes beyond the furthest so far that make an attempt a success
_MAX_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_MAY_PASS = (408, 425, 429)
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


@dataclass(frozen=True, kw_only=True)
class Patience:
    """When a download gives up, in seconds and in attempts that brought nothing new."""

    attempts: int = 6
    connect_seconds: float = 30.0
    stall_seconds: float = 60.0  # without a byte
    first_wait_seconds: float = 2.0  # before another attempt; it doubles
    longest_wait_seconds: float = 120.0
    report_seconds: float = 10.0  # between two lines of the log


class _Broken(Exception):
    """An attempt failed in a way that may pass."""

    def __init__(self, reason: str, retry_after: float = 0.0):
        super().__init__(reason)
        self.retry_after = retry_after


class DumpFetch:
    """One download: a source, the file that its bytes go to, and how long to keep trying."""

    def __init__(
        self,
        source: DumpSource,
        partial: Partial,
        session: aiohttp.ClientSession,
        patience: Patience,
    ):
        self._source, self._partial = source, partial
        self._session, self._patience = session, patience
        self._timeout = aiohttp.ClientTimeout(
            total=None, connect=patience.connect_seconds, sock_read=patience.stall_seconds
        )

    async def fetch(self) -> None:
        """Bring the partial file to its end. ValueError that says why it could not be done.

        What may pass is tried again: lost connections, stalls, HTTP 408, 425, 429 and 5xx. An
        attempt that got further than all before it begins the count anew.
        """
        attempt, furthest = 1, self._partial.size
        while not self._partial.is_complete:
            try:
                await self._attempt()
                break
            except _Broken as error:
                if self._partial.size >= furthest + _MORE:
                    attempt, furthest = 1, self._partial.size
                if attempt >= self._patience.attempts:
                    reason = f"{error}, in the last of {attempt} attempts"
                    raise failure(self._source, self._partial, reason) from error
                wait = self._wait(attempt, error.retry_after)
                log.warning("%s: %s; again in %.1f s", self._source.url, error, wait)
                await asyncio.sleep(wait)
                attempt += 1
        check_head(self._source, self._partial)

    async def _attempt(self) -> None:
        headers = {"Accept": "*/*"}
        version = self._partial.version
        if self._partial.size and version.validator:
            headers["Range"] = f"bytes={self._partial.size}-"
            headers["If-Range"] = version.validator
        try:
            async with self._answer(headers) as response:
                await self._receive(response)
        except aiohttp.ClientConnectorCertificateError as error:
            reason = f"the server's certificate is not valid ({error.certificate_error})"
            raise failure(self._source, self._partial, reason) from error
        except aiohttp.ClientConnectorError as error:
            if not isinstance(error.os_error, BlockedAddress):
                raise _Broken(f"no connection to {error.host} ({error.os_error})") from error
            reason = (
                f"{error.host} is no host on the internet, and only download.allow_private = true "
                "lets the project connect to this machine and its network"
            )
            raise failure(self._source, self._partial, reason) from error
        except TimeoutError as error:
            seconds = self._patience.stall_seconds
            raise _Broken(f"nothing came for {seconds:g} s{self._so_far()}") from error
        except aiohttp.ClientError as error:
            raise _Broken(f"the connection broke{self._so_far()} ({error!r})") from error

    @asynccontextmanager
    async def _answer(self, headers: Mapping[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        """The first answer that is no redirect. Sockets are checked by the session itself."""
        url = URL(self._source.url)
        for _ in range(1 + _MAX_REDIRECTS):
            async with self._session.get(
                url, headers=headers, allow_redirects=False, timeout=self._timeout
            ) as response:
                location = response.headers.get("Location")
                if response.status not in _REDIRECTS or location is None:
                    yield response
                    return
                target = redirect_target(response.url, location)
            if target is None:
                reason = f"the server redirects to {location!r}, where it is not safe to follow"
                raise failure(self._source, self._partial, reason)
            url = target
        raise failure(self._source, self._partial, f"more than {_MAX_REDIRECTS} redirects")

    async def _receive(self, response: aiohttp.ClientResponse) -> None:
        if response.status in _MAY_PASS or response.status >= 500:
            retry_after = response.headers.get("Retry-After", "")
            wait = float(retry_after) if retry_after.isdecimal() else 0.0
            raise _Broken(f"HTTP {response.status}", wait)
        if response.status == 206:
            self._partial.go_on(self._total_of_range(response))
        elif response.status == 200:
            if self._partial.size:
                log.warning("%s: the server sends the whole file again", self._source.url)
            self._partial.begin(self._version(response))
        elif response.status == 416:
            raise self._dropped("the server has no such range")
        else:
            raise failure(self._source, self._partial, f"HTTP {response.status}")
        self._check_space()
        await self._stream(response)
        total = self._partial.version.total
        if total is not None and self._partial.size != total:
            raise self._dropped(f"the server said {total} bytes and sent {self._partial.size}")

    def _version(self, response: aiohttp.ClientResponse) -> Version:
        """Of an answer that holds the whole file."""
        headers = response.headers
        if response.content_length is None and "Transfer-Encoding" not in headers:
            reason = "the server does not say where the file ends, so that one cut off looks whole"
            raise failure(self._source, self._partial, reason)
        return Version(
            url=self._source.url,
            etag=headers.get("ETag"),
            last_modified=headers.get("Last-Modified"),
            total=response.content_length,
        )

    def _total_of_range(self, response: aiohttp.ClientResponse) -> int | None:
        """Of an answer that holds the rest of the file; it must follow what is there."""
        partial, known = self._partial, self._partial.version
        field = response.headers.get("Content-Range", "")
        match = _CONTENT_RANGE.fullmatch(field)
        if match is None or int(match[1]) != partial.size:
            raise self._dropped(f"asked from byte {partial.size} on, the server sent {field!r}")
        total = None if match[2] == "*" else int(match[2])
        etag = response.headers.get("ETag")
        if (etag and known.etag and etag != known.etag) or (
            total is not None and known.total is not None and total != known.total
        ):
            raise self._dropped("the file has changed on the server")
        return total

    def _dropped(self, reason: str) -> _Broken:
        """What is there cannot be gone on from; the next attempt begins at the beginning."""
        self._partial.begin(Version(url=self._source.url))
        return _Broken(f"{reason}; starting over")

    def _check_space(self) -> None:
        total, free = self._partial.version.total, shutil.disk_usage(self._partial.path.parent).free
        if total is not None and total - self._partial.size > free:
            reason = (
                f"the disk is too full: {total - self._partial.size:,} bytes are to come and "
                f"{free:,} are free"
            )
            raise failure(self._source, self._partial, reason)

    async def _stream(self, response: aiohttp.ClientResponse) -> None:
        partial, is_checked = self._partial, False
        started = reported = time.monotonic()
        first = partial.size
        async for chunk in response.content.iter_chunked(_CHUNK):
            partial.write(chunk)
            if not is_checked and partial.size >= len(GZIP):
                check_head(self._source, partial)  # an error page is not fetched to its end
                is_checked = True
            now = time.monotonic()
            if now - reported >= self._patience.report_seconds:
                reported = now
                self._report((partial.size - first) / (now - started))

    def _report(self, rate: float) -> None:
        size, total = self._partial.size, self._partial.version.total
        name = self._partial.destination.name
        if total is None:
            log.info("%s: %.1f MB, %.1f MB/s", name, size / 1e6, rate / 1e6)
            return
        log.info(
            "%s: %.1f of %.1f MB, %.1f MB/s, %.0f s to go",
            name,
            size / 1e6,
            total / 1e6,
            rate / 1e6,
            (total - size) / max(rate, 1.0),
        )

    def _so_far(self) -> str:
        total = self._partial.version.total
        return f" at byte {self._partial.size}" + (f" of {total}" if total is not None else "")

    def _wait(self, attempt: int, retry_after: float) -> float:
        """Seconds before the next attempt: doubling, with jitter, as long as the server asks."""
        own = self._patience.first_wait_seconds * 2 ** (attempt - 1) * random.uniform(0.5, 1.0)
        return min(self._patience.longest_wait_seconds, max(own, retry_after))


def redirect_target(url: URL, location: str) -> URL | None:
    """Where a redirect leads; None if it may not be followed, as from https to http."""
    try:
        target = parsed_url(str(url.join(URL(location))))
    except ValueError:
        return None
    return None if target and (url.scheme, target.scheme) == ("https", "http") else target


def check_head(source: DumpSource, partial: Partial) -> None:
    """A dump begins as one; what does not is removed, and the ValueError shows how it begins."""
    head = partial.head()
    is_gzip = head.startswith(GZIP)
    if is_gzip == source.is_gzip and head and not head.lstrip().startswith(b"<"):
        return
    partial.remove()
    wanted = "gzip" if source.is_gzip else "CSV"
    raise failure(source, partial, f"what the server sent is no {wanted} file, it begins {head!r}")


def failure(source: DumpSource, partial: Partial, reason: str) -> ValueError:
    """What went wrong with which file, and what to do about it."""
    kept = ""
    if partial.path.exists() and partial.size and partial.version.validator:
        kept = f"{partial.size:,} bytes are kept, another run goes on from there. "
    return ValueError(
        f"{source.url} was not fetched: {reason}. {kept}You can also download the file by hand "
        f"(links are on {source.page}) to {partial.destination}, or name a mirror in "
        "download.base_url"
    )
