"""Many images from the URLs of metadata: politely, safely, and each one once.

The download runs in an event loop in a thread of its own: whoever waits for it can be interrupted
at any moment, which cancels what is in flight and keeps the rest.
"""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from anyio.from_thread import start_blocking_portal

from pipeline.catalog import Images
from pipeline.ingest.images.image_address import AddressRule, parsed_url
from pipeline.ingest.images.image_fetch import UNCHANGED, Fetcher, Reply, open_session
from pipeline.ingest.images.image_log import AnswerLog, Logged
from pipeline.ingest.images.stored_images import Answer, image_path, keep_image

log = logging.getLogger(__name__)

_DECIDED_BY_LIMITS = {"blocked", "too-large", "too-many-pixels"}
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 60.0  # seconds before another attempt
_SECONDS_BETWEEN_REPORTS = 5.0


@dataclass(frozen=True, kw_only=True)
class Downloaded:
    answers: dict[str, Answer]  # by URL
    from_cache: int  # URLs that no server was asked for
    requests: int
    retries: int
    num_bytes: int  # of image data that came over the network


def download_images(
    urls: Iterable[str],
    cache: Path,
    settings: Images,
    allowed: AddressRule,
    refresh: bool = False,
) -> Downloaded:
    """Fetch images into the cache; a URL that was answered for good before is not asked again.

    With `refresh` it is, on the condition that something has changed. A failure that may pass
    (a timeout, a lost connection, HTTP 429 and 5xx) is tried `settings.attempts` times now, and
    again by the next run. Raises OSError where the disk fails; what is done is kept.
    """
    answers = AnswerLog(cache / "images" / "answers.jsonl")
    wanted = list(dict.fromkeys(urls))
    known = answers.read(set(wanted))
    held = {url: entry.answer for url, entry in known.items() if _holds(entry, cache, settings)}
    todo = [url for url in wanted if refresh or url not in held]
    download = _Download(cache, settings, allowed, answers, known, held)
    if todo:
        with start_blocking_portal() as portal:
            portal.call(download.all, todo)
    return Downloaded(
        answers=held | download.done,
        from_cache=len(wanted) - len(todo),
        requests=download.requests,
        retries=download.retries,
        num_bytes=download.num_bytes,
    )


def _holds(entry: Logged, cache: Path, settings: Images) -> bool:
    """Whether an answer of an earlier run is still one under today's limits."""
    picture = entry.answer.picture
    if picture is None:
        return entry.answer.status not in _DECIDED_BY_LIMITS or entry.limits == _limits(settings)
    path = image_path(cache, picture.sha256)
    return path.is_file() and path.stat().st_size == picture.num_bytes and picture.fits(settings)


def _limits(settings: Images) -> str:
    where = "any address" if settings.allow_private else "public addresses"
    return f"{settings.max_bytes} bytes, {settings.max_pixels} pixels, {where}"


class _Download:
    """The state of one download: what is known, what is done, and how it goes."""

    def __init__(
        self,
        cache: Path,
        settings: Images,
        allowed: AddressRule,
        answers: AnswerLog,
        known: dict[str, Logged],
        held: dict[str, Answer],
    ):
        self._cache, self._settings, self._allowed = cache, settings, allowed
        self._log, self._known, self._held = answers, known, held
        self._total = 0
        self._started = self._last_report = time.monotonic()
        self.done: dict[str, Answer] = {}
        self.requests = self.retries = self.num_bytes = 0

    async def all(self, urls: list[str]) -> None:
        """Fetch all, each host's in order and with workers of its own: a slow host delays none."""
        hosts: dict[str, deque[str]] = {}
        for url in urls:
            parsed = parsed_url(url)
            hosts.setdefault(str(parsed.host) if parsed else "", deque()).append(url)
        self._total = len(urls)
        log.info("images: %d to fetch from %d hosts", len(urls), len(hosts))
        async with open_session(self._allowed) as session:
            fetcher = Fetcher(session, self._settings)
            try:
                async with asyncio.TaskGroup() as group:
                    for queue in hosts.values():
                        for _ in range(min(self._settings.per_host, len(queue))):
                            group.create_task(self._work(queue, fetcher))
            except BaseExceptionGroup as failures:
                raise failures.exceptions[0] from None  # the others were cancelled for it
            finally:
                self._log.write()
                self.requests, self.num_bytes = fetcher.requests, fetcher.num_bytes

    async def _work(self, queue: deque[str], fetcher: Fetcher) -> None:
        while queue:
            url = queue.popleft()
            self.done[url] = await self._fetched(url, fetcher)
            self._report()

    async def _fetched(self, url: str, fetcher: Fetcher) -> Answer:
        """The answer after as many attempts as it takes, or as are allowed."""
        attempt = 1
        while True:
            reply = await fetcher.fetch(url, self._validators(url))
            if reply.status == UNCHANGED:
                return self._known[url].answer
            answer = await self._judged(reply)
            if reply.is_final and answer.status != "truncated":
                self._keep(url, answer, reply)
                return answer
            wait = _wait(attempt, reply)
            if attempt == self._settings.attempts or wait > _LONGEST_WAIT:
                return self._held.get(url, answer)  # what a refresh could not renew stays
            await asyncio.sleep(wait)
            self.retries += 1
            attempt += 1

    async def _judged(self, reply: Reply) -> Answer:
        if reply.status != "ok":
            return Answer(status=reply.status)
        answer = await asyncio.to_thread(keep_image, self._cache, reply.body, self._settings)
        if answer.status == "broken" and not reply.is_measured:
            return Answer(status="truncated")  # it may have been cut on the way
        return answer

    def _keep(self, url: str, answer: Answer, reply: Reply) -> None:
        self._log.add(
            Logged(
                url=url,
                answer=answer,
                limits=_limits(self._settings),
                etag=reply.etag,
                last_modified=reply.last_modified,
            )
        )

    def _validators(self, url: str) -> dict[str, str]:
        """Headers that ask for the image only where it is not the one that is held."""
        answer = self._held.get(url)
        if answer is None or answer.picture is None:
            return {}
        known = self._known[url]
        headers = {"If-None-Match": known.etag, "If-Modified-Since": known.last_modified}
        return {name: value for name, value in headers.items() if value}

    def _report(self) -> None:
        now = time.monotonic()
        if now - self._last_report < _SECONDS_BETWEEN_REPORTS:
            return
        self._last_report = now
        rate = len(self.done) / (now - self._started)
        to_go = (self._total - len(self.done)) / rate
        log.info(
            "images: %d of %d, %.1f a second, %.0f s to go",
            len(self.done),
            self._total,
            rate,
            to_go,
        )


def _wait(attempt: int, reply: Reply) -> float:
    """Seconds before the next attempt: doubling, with jitter, and as long as the server asks."""
    own = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** (attempt - 1)) * random.uniform(0.5, 1.0)
    return max(own, reply.retry_after or 0.0)
