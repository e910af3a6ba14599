"""Dumps from a server that hangs up, lies, changes its mind or serves something else."""

import asyncio
import gzip
import hashlib
import json
import logging
import random
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from pipeline.catalog import Catalog, Domain, Download
from pipeline.ingest.dumps.dump_download import DumpFile, download_dumps
from pipeline.ingest.dumps.dump_fetch import DumpFetch, Patience, redirect_target
from pipeline.ingest.dumps.dump_partial import Partial
from pipeline.ingest.dumps.dump_sources import dump_sources
from pipeline.ingest.images.image_fetch import open_session
from tests.pipeline.ingest.dumps.dump_server import (
    DumpServer,
    Fault,
    Served,
    answer,
    cut,
    hang,
    overstate,
    slowly,
)

ROOT = Path(__file__).resolve().parents[4]
BODY = gzip.compress(random.Random(7).randbytes(3_000_000), mtime=0)
REVIEWS, ITEMS = "/categoryFiles/Gift_Cards.json.gz", "/metaFiles2/meta_Gift_Cards.json.gz"
QUICK = Patience(attempts=3, stall_seconds=0.5, first_wait_seconds=0.01, report_seconds=0.0)

SCRIPT = """
import sys
from pathlib import Path
from pipeline.catalog import Catalog, Domain, Download
from pipeline.ingest.dumps.dump_download import download_dumps

folder, url = sys.argv[1:]
download = Download(category="Gift_Cards", base_url=url, allow_private=True)
domain = Domain(
    name="cards", title="cards", format="amazon-2018", reviews="raw/r.json.gz", download=download
)
download_dumps(Catalog(folder=Path(folder), domains={"cards": domain}, scenarios={}), "cards")
"""


@pytest.fixture
def server() -> Iterator[DumpServer]:
    with DumpServer() as server:
        server.files[REVIEWS] = Served(body=BODY)
        yield server


@pytest.fixture
def catalog(server: DumpServer, tmp_path: Path) -> Callable[..., Catalog]:
    """A catalog of one domain whose reviews the server has; keys are those of its download."""

    def build(items: str | None = None, **keys: Any) -> Catalog:
        known: dict[str, Any] = {
            "category": "Gift_Cards",
            "base_url": server.url(),
            "allow_private": True,
        }
        domain = Domain(
            name="cards",
            title="gift cards",
            format="amazon-2018",
            reviews="raw/r.json.gz",
            items=items,
            download=Download(**(known | keys)),
        )
        return Catalog(folder=tmp_path, domains={"cards": domain}, scenarios={})

    return build


def fetch(catalog: Catalog, patience: Patience = QUICK) -> DumpFile:
    return download_dumps(catalog, "cards", patience).files[0]


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def names(folder: Path) -> set[str]:
    """What lies beside the dump, without the lock."""
    return {path.name for path in (folder / "raw").iterdir() if not path.name.startswith(".")}


WHOLE = {"r.json.gz", "r.json.gz.source.json"}


def test_both_files_are_fetched_with_size_sum_and_terms(
    server: DumpServer, catalog: Callable[..., Catalog], tmp_path: Path
) -> None:
    server.files[ITEMS] = Served(body=gzip.compress(b"{}\n"))
    done = download_dumps(catalog("raw/items.json.gz", reviews_sha256=sha256(BODY)), "cards", QUICK)
    reviews, items = done.files
    assert (reviews.role, reviews.status, reviews.num_bytes) == ("reviews", "fetched", len(BODY))
    assert (reviews.url, reviews.sha256) == (server.url(REVIEWS), sha256(BODY))
    assert (items.role, items.path) == ("items", tmp_path / "raw/items.json.gz")
    assert reviews.path.read_bytes() == BODY
    assert "EMNLP 2019" in done.terms
    assert names(tmp_path) == WHOLE | {"items.json.gz", "items.json.gz.source.json"}


def test_a_broken_connection_is_gone_on_from_where_it_broke(
    server: DumpServer, catalog: Callable[..., Catalog], tmp_path: Path
) -> None:
    server.files[REVIEWS].faults.extend([cut(1_000_000), cut(500_000)])
    done = fetch(catalog())
    assert (done.status, done.sha256) == ("resumed", sha256(BODY))
    assert done.path.read_bytes() == BODY
    assert server.ranges() == [None, "bytes=1000000-", "bytes=1500000-"]
    assert [headers.get("If-Range") for _, headers in server.requests] == [None, '"one"', '"one"']
    assert names(tmp_path) == WHOLE


def test_the_time_of_change_stands_in_for_an_etag_that_is_weak(
    server: DumpServer, catalog: Callable[..., Catalog]
) -> None:
    served = server.files[REVIEWS]
    served.etag, served.last_modified = 'W/"one"', "Thu, 18 Feb 2016 10:00:00 GMT"
    served.faults.append(cut(1_000_000))
    assert fetch(catalog()).status == "resumed"
    assert server.requests[1][1]["If-Range"] == served.last_modified


def test_where_nothing_tells_versions_apart_all_is_fetched_again(
    server: DumpServer, catalog: Callable[..., Catalog]
) -> None:
    server.files[REVIEWS].etag = None
    server.files[REVIEWS].faults.append(cut(1_000_000))
    done = fetch(catalog())
    assert (done.status, done.sha256) == ("fetched", sha256(BODY))
    assert server.ranges() == [None, None]


def test_a_server_that_knows_no_ranges_sends_all_again(
    server: DumpServer, catalog: Callable[..., Catalog]
) -> None:
    server.files[REVIEWS].knows_ranges = False
    server.files[REVIEWS].faults.append(cut(1_000_000))
    done = fetch(catalog())
    assert (done.status, done.path.read_bytes() == BODY) == ("fetched", True)
    assert server.ranges() == [None, "bytes=1000000-"]


def test_a_server_that_always_breaks_at_one_point_is_given_up(
    server: DumpServer, catalog: Callable[..., Catalog]
) -> None:
    server.files[REVIEWS].knows_ranges = False
    server.files[REVIEWS].faults.extend([cut(2_000_000)] * 20)
    with pytest.raises(ValueError, match=f"at byte 2000000 of {len(BODY)} .*the last of 3"):
        fetch(catalog())
    assert len(server.requests) == 3


def test_attempts_are_counted_from_the_last_that_got_further(
    server: DumpServer, catalog: Callable[..., Catalog]
) -> None:
    server.files[REVIEWS].faults.extend([cut(1_100_000), cut(1_100_000)])
    patience = replace(QUICK, attempts=2)
    assert fetch(catalog(), patience).sha256 == sha256(BODY)
    assert len(server.requests) == 3


def test_two_versions_of_a_file_are_never_joined(
    server: DumpServer, catalog: Callable[..., Catalog], tmp_path: Path
) -> None:
    server.files[REVIEWS].faults.extend([cut(1_000_000), cut(0), cut(0)])
    with pytest.raises(ValueError, match="1,000,000 bytes are kept, another run goes on"):
        fetch(catalog())
    other = gzip.compress(random.Random(8).randbytes(3_000_000))
    server.files[REVIEWS] = Served(body=other, etag='"two"')
    done = fetch(catalog())
    assert (done.status, done.sha256) == ("fetched", sha256(other))
    assert server.ranges()[-1] == "bytes=1000000-"  # which the server rightly ignored


def wrong_part(handler: Any) -> None:
    """A server that ignores If-Range: the rest of another version."""
    handler.answer(206, b"?" * 10, Content_Range="bytes 1000000-1000009/1000010", ETag='"two"')


def shifted_part(handler: Any) -> None:
    handler.answer(206, BODY[5:], Content_Range=f"bytes 5-{len(BODY) - 1}/{len(BODY)}")


@pytest.mark.parametrize("fault", [wrong_part, shifted_part, answer(416)])
def test_a_part_that_does_not_follow_is_dropped_and_all_fetched_again(
    server: DumpServer, catalog: Callable[..., Catalog], fault: Fault
) -> None:
    server.files[REVIEWS].faults.extend([cut(1_000_000), fault])
    assert fetch(catalog()).sha256 == sha256(BODY)
    assert server.ranges() == [None, "bytes=1000000-", None]


def test_what_is_not_there_is_not_asked_for_again(
    server: DumpServer, catalog: Callable[..., Catalog], tmp_path: Path
) -> None:
    del server.files[REVIEWS]
    with pytest.raises(ValueError, match="HTTP 404") as caught:
        fetch(catalog())
    for told in (server.url(REVIEWS), str(tmp_path / "raw/r.json.gz"), "by hand", "base_url"):
        assert told in str(caught.value)
    assert len(server.requests) == 1 and names(tmp_path) == set()


def test_a_server_that_is_busy_is_asked_again(
    server: DumpServer, catalog: Callable[..., Catalog]
) -> None:
    server.files[REVIEWS].faults.extend([answer(503, Retry_After="0"), answer(429)])
    assert fetch(catalog()).status == "fetched"
    assert len(server.requests) == 3


def test_a_server_that_stays_busy_is_given_up(
    server: DumpServer, catalog: Callable[..., Catalog]
) -> None:
    server.files[REVIEWS].faults.extend([answer(503)] * 9)
    with pytest.raises(ValueError, match="HTTP 503, in the last of 3 attempts"):
        fetch(catalog())
    assert len(server.requests) == 3


def test_a_server_that_falls_silent_is_asked_again(
    server: DumpServer, catalog: Callable[..., Catalog]
) -> None:
    server.files[REVIEWS].faults.append(hang(1_000_000))
    assert fetch(catalog()).sha256 == sha256(BODY)
    assert server.ranges() == [None, "bytes=1000000-"]


def test_an_error_page_never_becomes_a_dump(
    server: DumpServer, catalog: Callable[..., Catalog], tmp_path: Path
) -> None:
    page = b"<!DOCTYPE html><html>Not here</html>" * 100_000
    server.files[REVIEWS].faults.append(answer(200, page))
    with pytest.raises(ValueError, match=r"no gzip file, it begins b'<!DOCTYPE html>"):
        fetch(catalog())
    assert names(tmp_path) == set() and len(server.requests) == 1


@pytest.mark.parametrize(
    ("body", "is_good"),
    [(b"B0001,A1,5.0,1400000000\n", True), (b"\n <html>", False), (BODY, False), (b"", False)],
)
def test_ratings_are_plain_text_and_no_page(
    server: DumpServer, tmp_path: Path, body: bytes, is_good: bool
) -> None:
    server.files["/categoryFilesSmall/Gift_Cards.csv"] = Served(body=body)
    download = Download(
        category="Gift_Cards", kind="ratings", base_url=server.url(), allow_private=True
    )
    domain = Domain(
        name="cards",
        title="cards",
        format="ratings-csv",
        order="item-user",
        reviews="raw/r.csv",
        download=download,
    )
    catalog = Catalog(folder=tmp_path, domains={"cards": domain}, scenarios={})
    if is_good:
        assert fetch(catalog).path.read_bytes() == body
        return
    with pytest.raises(ValueError, match="is no CSV file, it begins"):
        fetch(catalog)
    assert names(tmp_path) == set()


def test_a_file_shorter_than_announced_is_no_dump(
    server: DumpServer, catalog: Callable[..., Catalog], tmp_path: Path
) -> None:
    server.files[REVIEWS].faults.extend([overstate(100)] * 9)
    with pytest.raises(ValueError, match=f"at byte {len(BODY)} of {len(BODY) + 100}"):
        fetch(catalog())
    assert "r.json.gz" not in names(tmp_path)


def test_a_file_of_unknown_length_is_refused(
    server: DumpServer, catalog: Callable[..., Catalog]
) -> None:
    def until_closed(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(BODY)
        handler.close_connection = True

    server.files[REVIEWS].faults.append(until_closed)
    with pytest.raises(ValueError, match="does not say where the file ends"):
        fetch(catalog())


def test_a_disk_without_room_is_told_of_before_anything_comes(
    server: DumpServer, catalog: Callable[..., Catalog], tmp_path: Path
) -> None:
    server.files[REVIEWS].faults.append(overstate(10**18))
    with pytest.raises(ValueError, match=r"the disk is too full: 1,000,000,.* are free"):
        fetch(catalog())
    assert names(tmp_path) == set()


def test_a_disk_that_fails_is_named_and_what_came_is_gone_on_from(
    server: DumpServer, catalog: Callable[..., Catalog], tmp_path: Path
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        with pytest.raises(OSError, match=re.escape(str(tmp_path / "raw/r.json.gz.part"))):
            fetch(catalog())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert fetch(catalog()).sha256 == sha256(BODY)
    assert server.ranges() == [None, "bytes=1000000-"]


def test_a_wrong_sum_puts_nothing_in_place(catalog: Callable[..., Catalog], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"has SHA-256 {sha256(BODY)}.*{'0' * 64}; it was rem"):
        fetch(catalog(reviews_sha256="0" * 64))
    assert names(tmp_path) == set()


# -- files that are there ----------------------------------------------------------------------


def test_a_file_that_is_there_is_kept(
    server: DumpServer, catalog: Callable[..., Catalog], tmp_path: Path
) -> None:
    fetch(catalog())
    again = fetch(catalog(reviews_sha256=sha256(BODY).upper()))
    assert (again.status, again.sha256, again.num_bytes) == ("kept", sha256(BODY), len(BODY))
    assert len(server.requests) == 1


def test_a_file_that_people_put_there_is_kept_whatever_it_is(
    server: DumpServer, catalog: Callable[..., Catalog], tmp_path: Path
) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/r.json.gz").write_bytes(b"mine")
    assert (fetch(catalog()).status, server.requests) == ("kept", [])
    with pytest.raises(ValueError, match=r"has SHA-256 .* and not 0000.*Remove it"):
        fetch(catalog(reviews_sha256="0" * 64))
    assert (tmp_path / "raw/r.json.gz").read_bytes() == b"mine"


def test_a_fetched_file_that_has_changed_since_is_found(
    catalog: Callable[..., Catalog], tmp_path: Path
) -> None:
    path = fetch(catalog()).path
    path.write_bytes(BODY[:-1])
    with pytest.raises(ValueError, match=r"is damaged.*remove r\.json\.gz\.source\.json"):
        fetch(catalog())


def test_another_category_is_not_mistaken_for_the_one_that_is_there(
    catalog: Callable[..., Catalog],
) -> None:
    fetch(catalog())
    with pytest.raises(ValueError, match=r"was fetched as .*/Gift_Cards.*asks for .*/Software"):
        fetch(catalog(category="Software"))


def test_a_damaged_note_of_origin_is_told_of_and_not_believed(
    catalog: Callable[..., Catalog], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fetch(catalog())
    (tmp_path / "raw/r.json.gz.source.json").write_text('{"dump": 7}')
    assert fetch(catalog()).status == "kept"
    assert "r.json.gz.source.json is damaged" in caplog.text


def test_two_downloads_at_once_fetch_once(
    server: DumpServer, catalog: Callable[..., Catalog]
) -> None:
    server.files[REVIEWS].faults.append(slowly(0.3))
    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(fetch, catalog()) for _ in range(2)]
    assert sorted(each.result().status for each in done) == ["fetched", "kept"]
    assert len(server.requests) == 1


# -- what an earlier process left --------------------------------------------------------------


def test_a_killed_download_is_gone_on_from(
    server: DumpServer, catalog: Callable[..., Catalog], tmp_path: Path
) -> None:
    server.files[REVIEWS].faults.append(hang(2_000_000))
    part = tmp_path / "raw/r.json.gz.part"
    arguments = [sys.executable, "-c", SCRIPT, str(tmp_path), server.url()]
    with subprocess.Popen(arguments, cwd=ROOT) as process:
        for _ in range(600):
            if part.exists() and part.stat().st_size == 2_000_000:
                break
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    done = fetch(catalog())
    assert (done.status, done.sha256) == ("resumed", sha256(BODY))
    assert server.ranges() == [None, "bytes=2000000-"]
    assert names(tmp_path) == WHOLE


def leave(folder: Path, body: bytes, about: dict[str, Any] | str | None) -> None:
    (folder / "raw").mkdir()
    (folder / "raw/r.json.gz.part").write_bytes(body)
    if about is not None:
        text = about if isinstance(about, str) else json.dumps(about)
        (folder / "raw/r.json.gz.part.json").write_text(text)


def test_a_part_that_lacks_nothing_is_put_in_place_without_asking(
    server: DumpServer, catalog: Callable[..., Catalog], tmp_path: Path
) -> None:
    leave(tmp_path, BODY, {"url": server.url(REVIEWS), "etag": '"one"', "total": len(BODY)})
    assert (fetch(catalog()).sha256, server.requests) == (sha256(BODY), [])


@pytest.mark.parametrize(
    ("about", "reason"),
    [
        (None, "nothing says what it is of"),
        ("{", "is damaged"),
        ('{"url": 3}', "is damaged"),
        ({"url": "http://other/file", "etag": "x"}, "it is of http://other/file"),
        ({"url": "URL"}, "nothing to tell versions of the file apart"),
        ({"url": "URL", "etag": "x", "total": 5}, "longer than the file, which has 5"),
    ],
)
def test_a_part_that_may_be_of_something_else_is_dropped(
    server: DumpServer,
    catalog: Callable[..., Catalog],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    about: dict[str, Any] | str | None,
    reason: str,
) -> None:
    if isinstance(about, dict) and about["url"] == "URL":
        about |= {"url": server.url(REVIEWS)}
    leave(tmp_path, b"\x1f\x8bleft", about)
    assert fetch(catalog()).sha256 == sha256(BODY)
    assert server.ranges() == [None] and reason in caplog.text


# -- where a download may go -------------------------------------------------------------------


def test_this_machine_is_not_asked_unless_that_is_allowed(
    server: DumpServer, catalog: Callable[..., Catalog]
) -> None:
    with pytest.raises(ValueError, match=r"no host on the internet.*allow_private = true"):
        fetch(catalog(allow_private=False))
    assert server.requests == []


@pytest.fixture
def elsewhere() -> Iterator[DumpServer]:
    """Another address of this machine."""
    with DumpServer("127.0.0.2") as server:
        yield server


def test_a_redirect_is_followed_and_its_address_checked_like_the_first(
    server: DumpServer,
    elsewhere: DumpServer,
    catalog: Callable[..., Catalog],
    tmp_path: Path,
) -> None:
    elsewhere.files["/there"] = Served(body=BODY)
    to_another_address = answer(302, Location=elsewhere.url("/there"))
    server.files[REVIEWS].faults.extend([to_another_address] * 2)
    (source,) = dump_sources(catalog().domains["cards"])

    async def run() -> None:
        async with open_session(lambda address: str(address) == "127.0.0.1") as session:
            with Partial(tmp_path / "r.json.gz", source.url) as partial:
                await DumpFetch(source, partial, session, QUICK).fetch()

    with pytest.raises(ValueError, match=r"127\.0\.0\.2 is no host on the internet"):
        asyncio.run(run())
    assert [path for path, _ in server.requests] == [REVIEWS] and elsewhere.requests == []
    assert fetch(catalog()).sha256 == sha256(BODY)  # where every address is allowed


def test_a_circle_of_redirects_ends(server: DumpServer, catalog: Callable[..., Catalog]) -> None:
    server.files[REVIEWS].faults.extend([answer(302, Location=REVIEWS)] * 9)
    with pytest.raises(ValueError, match="more than 5 redirects"):
        fetch(catalog())


def test_redirects_lead_to_http_hosts_alone_and_never_from_https_to_http() -> None:
    base = URL("https://host/a/b")
    assert redirect_target(base, "../c") == URL("https://host/c")
    for location in ("http://host/a", "ftp://host/a", "file:///etc/passwd", "https://u:p@h/"):
        assert redirect_target(base, location) is None
    assert redirect_target(URL("http://host/"), "https://host/") == URL("https://host/")


def test_progress_is_logged_with_rate_and_time_to_go(
    catalog: Callable[..., Catalog], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "pipeline"):
        fetch(catalog())
    line = r"r\.json\.gz: [\d.]+ of 3\.0 MB, [\d.]+ MB/s, \d+ s to go"
    assert any(re.fullmatch(line, record.getMessage()) for record in caplog.records)
