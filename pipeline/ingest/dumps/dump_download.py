"""Official dumps, fetched into the places where a domain's raw files are expected.

A file that is there is kept. What a killed or broken download left is gone on from. Nothing takes
its place before its size, its kind and, where the catalog has one, its SHA-256 are right.

Beside each file stays `<name>.source.json`, which says what it is: a catalog that names another
dump later, but the same place, is an error and not a silent mix-up.
"""

import hashlib
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from anyio.from_thread import start_blocking_portal
from filelock import FileLock, Timeout

from pipeline.catalog import Catalog
from pipeline.ingest.dumps.dump_fetch import DumpFetch, Patience, failure
from pipeline.ingest.dumps.dump_partial import Partial, read_facts, write_facts
from pipeline.ingest.dumps.dump_sources import DumpSource, dump_sources, release_of
from pipeline.ingest.images.image_address import AddressRule, is_public
from pipeline.ingest.images.image_fetch import open_session

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class DumpFile:
    role: str  # "reviews" or "items"
    url: str
    path: Path
    num_bytes: int
    sha256: str
    status: Literal["fetched", "resumed", "kept"]  # "resumed": after a break, in part
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Dumps:
    files: tuple[DumpFile, ...]
    terms: str  # Markdown: where the data is from, on what terms, and whom to cite


@dataclass(frozen=True, kw_only=True)
class _Origin:
    """What `<name>.source.json` says of a file that was fetched."""

    dump: str
    url: str
    num_bytes: int
    sha256: str
    last_modified: str | None = None


def download_dumps(catalog: Catalog, name: str, patience: Patience | None = None) -> Dumps:
    """Fetch what a domain's `download` asks for, one file after the other.

    Returns each file with its size, SHA-256 and whether it was fetched or there already. Two
    processes may do this at once: the second waits and keeps what the first has fetched.

    Raises ValueError that names the URL, the path, what the server answered and the remedy; where
    the catalog asks for what no release has; and where a file that is there is another one than
    the catalog names. OSError where the disk fails; what has come by then is kept.
    """
    if name not in catalog.domains:
        raise ValueError(f"unknown domain {name!r}; known domains: {', '.join(catalog.domains)}")
    domain = catalog.domains[name]
    sources, terms = dump_sources(domain), release_of(domain).terms
    assert domain.download is not None  # dump_sources checks it
    log.info("%s: %s", name, terms)
    allowed = _anywhere if domain.download.allow_private else is_public
    files = [
        _ensured(source, catalog.folder / source.path, allowed, patience or Patience())
        for source in sources
    ]
    return Dumps(files=tuple(files), terms=terms)


def _ensured(source: DumpSource, path: Path, allowed: AddressRule, patience: Patience) -> DumpFile:
    """The file, in place, whoever fetches it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info("%s: another process fetches it; waiting", path)
        lock.acquire()
    try:
        started = time.monotonic()
        if path.exists():
            return _kept(source, path, started)
        with Partial(path, source.url) as partial, start_blocking_portal() as portal:
            # In a thread of its own, so that whoever waits can be interrupted at any moment.
            portal.call(_fetch, source, partial, allowed, patience)
            return _placed(source, partial, started)
    finally:
        lock.release()


async def _fetch(
    source: DumpSource, partial: Partial, allowed: AddressRule, patience: Patience
) -> None:
    log.info("%s: fetching %s", partial.destination, source.url)
    async with open_session(allowed) as session:
        await DumpFetch(source, partial, session, patience).fetch()


def _placed(source: DumpSource, partial: Partial, started: float) -> DumpFile:
    """Put a whole file in its place, if it is the right one."""
    sha256 = partial.sha256
    if source.sha256 is not None and source.sha256 != sha256:
        partial.remove()
        reason = (
            f"the file that came ({partial.size:,} bytes) has SHA-256 {sha256}, the catalog asks "
            f"for download.{source.role}_sha256 = {source.sha256}; it was removed"
        )
        raise failure(source, partial, reason)
    path = partial.destination
    partial.put_in_place()
    origin = _Origin(
        dump=source.dump,
        url=source.url,
        num_bytes=partial.size,
        sha256=sha256,
        last_modified=partial.version.last_modified,
    )
    write_facts(_origin_path(path), origin)
    seconds = time.monotonic() - started
    log.info("%s: %d bytes in %.1f s, SHA-256 %s", path, partial.size, seconds, sha256)
    return DumpFile(
        role=source.role,
        url=source.url,
        path=path,
        num_bytes=partial.size,
        sha256=sha256,
        status="resumed" if partial.is_resumed else "fetched",
        seconds=seconds,
    )


def _kept(source: DumpSource, path: Path, started: float) -> DumpFile:
    """A file that is there already. ValueError where it is another one than is asked for."""
    if not path.is_file():
        raise ValueError(f"{path} is a folder; {source.url} is to be fetched there: remove it")
    origin = _origin(path)
    if origin is not None and origin.dump != source.dump:
        raise ValueError(
            f"{path} was fetched as {origin.dump} and the catalog now asks for {source.dump}: "
            "remove the file, or name another place for the new one"
        )
    size = path.stat().st_size
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    wanted = source.sha256 or (origin.sha256 if origin else sha256)
    if sha256 != wanted:
        raise ValueError(
            f"{path} ({size:,} bytes) has SHA-256 {sha256} and not {wanted}: it is damaged, or "
            f"another file than {source.url}. Remove it to have it fetched again; if it is the "
            f"right one, correct download.{source.role}_sha256 or remove {_origin_path(path).name}"
        )
    return DumpFile(
        role=source.role,
        url=source.url,
        path=path,
        num_bytes=size,
        sha256=sha256,
        status="kept",
        seconds=time.monotonic() - started,
    )


def _origin(path: Path) -> _Origin | None:
    """What is known of a file that was fetched; None of one that people have put there."""
    origin_path = _origin_path(path)
    if not origin_path.is_file():
        return None
    origin = read_facts(_Origin, origin_path)
    if origin is None:
        log.warning("%s is damaged and is not believed", origin_path)
    return origin


def _origin_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.source.json")


def _anywhere(address: object) -> bool:
    return True
