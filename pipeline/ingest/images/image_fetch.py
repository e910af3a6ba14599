"""One image from one URL: redirects followed by hand, every limit enforced while it arrives."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

import aiohttp
from yarl import URL

from pipeline.catalog import Images
from pipeline.ingest.images.image_address import (
    AddressRule,
    BlockedAddress,
    checked_socket,
    parsed_url,
)

UNCHANGED = "unchanged"  # what was fetched before is what the server has
_REDIRECT = "redirect"
_MAX_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_WORTH_A_RETRY = {"timeout", "connection", "truncated", "http-408", "http-425", "http-429"}
_BINARY = {"application/octet-stream", "binary/octet-stream"}  # "I do not know", "nor do I"

# Nothing encoded is asked for or accepted, so that no body can swell; images are compressed.
_HEADERS = {
    "Accept": "image/*",
    "Accept-Encoding": "identity",
    "User-Agent": "coldbridge (research on recommendation)",
}


@dataclass(frozen=True, kw_only=True)
class Reply:
    status: str  # "ok": the body is whole, but not yet known to be an image
    body: bytes = b""
    is_measured: bool = True  # the server said where the body ends, and it did end there
    location: str = ""
    etag: str | None = None
    last_modified: str | None = None
    retry_after: float | None = None  # seconds that the server asks to be left alone

    @property
    def is_final(self) -> bool:
        """Whether asking again would be of no use."""
        return self.status not in _WORTH_A_RETRY and not self.status.startswith("http-5")


@dataclass
class _Gate:
    """One host's share: how many at a time, and when the next may start."""

    slots: asyncio.Semaphore
    pace: asyncio.Lock = field(default_factory=asyncio.Lock)
    next_start: float = 0.0


class Fetcher:
    """Asks servers; counts its requests and the bytes it was sent."""

    def __init__(self, session: aiohttp.ClientSession, settings: Images):
        self._session = session
        self._settings = settings
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._gates: dict[str, _Gate] = {}
        self.requests = 0
        self.num_bytes = 0

    async def fetch(self, url: str, validators: Mapping[str, str]) -> Reply:
        """Ask once, along at most five redirects. Failures are statuses, not exceptions.

        `validators` are the headers of a conditional request; the status may be UNCHANGED then.
        """
        location = url
        for _ in range(1 + _MAX_REDIRECTS):
            parsed = parsed_url(location)
            if parsed is None:
                return Reply(status="blocked")
            async with self._turn(str(parsed.host)):
                reply = await self._ask(parsed, validators)
            if reply.status != _REDIRECT:
                return reply
            location = reply.location
        return Reply(status="redirects")

    @asynccontextmanager
    async def _turn(self, host: str) -> AsyncIterator[None]:
        """Wait until a request to the host may start; the time limit does not run meanwhile."""
        gate = self._gates.setdefault(host, _Gate(slots=asyncio.Semaphore(self._settings.per_host)))
        async with gate.slots:
            async with gate.pace:
                await asyncio.sleep(gate.next_start - time.monotonic())
                await self._slots.acquire()
                gate.next_start = time.monotonic() + self._settings.per_host_delay_seconds
            try:
                yield
            finally:
                self._slots.release()

    async def _ask(self, url: URL, validators: Mapping[str, str]) -> Reply:
        self.requests += 1
        try:
            async with (
                asyncio.timeout(self._settings.timeout_seconds),
                self._session.get(url, headers=validators, allow_redirects=False) as response,
            ):
                return await self._read(response, bool(validators))
        except TimeoutError:
            return Reply(status="timeout")
        except aiohttp.ClientPayloadError:
            return Reply(status="truncated")
        except ValueError:  # a host that no resolver takes, a number that is no address
            return Reply(status="blocked")
        except aiohttp.ClientConnectorError as error:
            is_blocked = isinstance(error.os_error, BlockedAddress)
            return Reply(status="blocked" if is_blocked else "connection")
        except (aiohttp.ClientError, OSError):
            return Reply(status="connection")

    async def _read(self, response: aiohttp.ClientResponse, is_conditional: bool) -> Reply:
        headers = response.headers
        if response.status in _REDIRECTS and "Location" in headers:
            return Reply(status=_REDIRECT, location=_joined(response.url, headers["Location"]))
        if response.status == 304 and is_conditional:
            return Reply(status=UNCHANGED)
        if response.status != 200:
            wait = _seconds(headers.get("Retry-After"))
            return Reply(status=f"http-{response.status}", retry_after=wait)
        kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind and kind not in _BINARY and not kind.startswith("image/"):
            return Reply(status="wrong-type")
        if headers.get("Content-Encoding", "identity").lower() != "identity":
            return Reply(status="encoded")
        if (response.content_length or 0) > self._settings.max_bytes:
            return Reply(status="too-large")
        body = bytearray()
        async for chunk in response.content.iter_any():
            self.num_bytes += len(chunk)
            body += chunk
            if len(body) > self._settings.max_bytes:
                return Reply(status="too-large")
        return Reply(
            status="ok",
            body=bytes(body),
            is_measured="Content-Length" in headers or "Transfer-Encoding" in headers,
            etag=headers.get("ETag"),
            last_modified=headers.get("Last-Modified"),
        )


def open_session(allowed: AddressRule) -> aiohttp.ClientSession:
    """A session that keeps nothing of what servers say, and reads no proxies or passwords from
    the environment."""
    # No limit here: whoever waited for a connection would do so within the request's own time.
    connector = aiohttp.TCPConnector(limit=0, socket_factory=checked_socket(allowed))
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=_HEADERS,
        timeout=aiohttp.ClientTimeout(total=None),  # each request has a limit of its own
        auto_decompress=False,
        trust_env=False,
    )


def _joined(base: URL, location: str) -> str:
    try:
        return str(base.join(URL(location)))
    except ValueError:
        return ""  # which is no URL, and blocked


def _seconds(retry_after: str | None) -> float | None:
    """Of a Retry-After header, in seconds or as a date; None where it says neither."""
    if retry_after is None:
        return None
    try:
        if retry_after.strip().isdecimal():
            return float(retry_after)
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
