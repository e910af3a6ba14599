"""Takes the pictures of the documentation from the real UI, on a small world made for it.

    python -m docs.take_pictures [NAME ...]

From the project's root; wants the package `playwright` and a `chromium` on the PATH. Without names
all pictures are taken. Look at each before committing it.
"""

import argparse
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from assets.resources import PROJECT
from tests.e2e.dagster_server import REPOSITORY, RUN_SECONDS, Server, dg_dev, wait
from tests.e2e.sample_domains import SAMPLE_DOMAINS

IMAGES = PROJECT / "docs" / "images"
TIMEOUT_MS = 180_000

CATALOG = (
    SAMPLE_DOMAINS
    + """
[scenario.food-kitchen]
domains = ["food", "kitchen"]
"""
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m docs.take_pictures")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PICTURES)}")
    names = parser.parse_args().names or list(PICTURES)
    if strangers := set(names) - set(PICTURES):
        parser.error(f"unknown {', '.join(sorted(strangers))}; there are {', '.join(PICTURES)}")
    with tempfile.TemporaryDirectory() as folder, _server(Path(folder)) as server:
        for name in names:
            with _page() as page:
                PICTURES[name](server, page)
                page.screenshot(path=IMAGES / f"{name}.png")


def backfill_dialog(server: Server, page: Any) -> None:
    """Two partitions of an asset, about to be launched."""
    _ingested(server)  # else the UI warns first that nothing is there to make reviews from
    page.goto(f"{server.url}/assets/reviews?view=overview")
    page.get_by_role("button", name="Materialize").first.click()
    page.get_by_text("Select a partition").click()
    for partition in ("food", "kitchen"):
        page.get_by_role("menuitem").filter(has_text=partition).click()
    page.get_by_text("Launch runs to materialize").click()  # closes the list of partitions
    page.get_by_text("2 partitions").wait_for()


def backfill_runs(server: Server, page: Any) -> None:
    """A backfill that has ended, and its runs."""
    backfill = _ingested(server)
    page.goto(f"{server.url}/runs/b/{backfill}?tab=runs")
    page.get_by_text("Success").first.wait_for()
    page.get_by_text("kitchen").first.wait_for()


def automation(server: Server, page: Any) -> None:
    """Schedules and sensors, with the switch of each."""
    page.goto(f"{server.url}/automation")
    page.get_by_text("on day 1 of the month").wait_for()
    page.get_by_text("Standard sensor").nth(1).wait_for()
    page.wait_for_load_state("networkidle")  # then the switches are there, too


PICTURES: dict[str, Callable[[Server, Any], None]] = {
    "backfill-dialog": backfill_dialog,
    "backfill-runs": backfill_runs,
    "automation": automation,
}
"""By the name of the file; each brings the page to what it is to show."""


@contextmanager
def _server(folder: Path) -> Iterator[Server]:
    (folder / "data").mkdir()
    (folder / "data" / "catalog.toml").write_text(CATALOG)
    with dg_dev(folder) as server:
        yield server


@contextmanager
def _page() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    browser_path = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser_path is None:
        raise ValueError("there is no chromium on the PATH: install one")
    with sync_playwright() as playwright:
        # Chromium's sandbox does not start for root, as whom containers often run.
        browser = playwright.chromium.launch(
            executable_path=browser_path, args=["--no-sandbox"], timeout=TIMEOUT_MS
        )
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.set_default_timeout(TIMEOUT_MS)
        yield page
        browser.close()


def _ingested(server: Server) -> str:
    """The id of the backfill that ingested both domains."""
    for run in server.runs():
        for tag in run["tags"]:
            if tag["key"] == "dagster/backfill":
                return str(tag["value"])
    launched = server.query(
        f"""mutation {{ launchPartitionBackfill(backfillParams: {{
            selector: {{ partitionSetName: "ingest_partition_set",
                         repositorySelector: {{ {REPOSITORY} }} }},
            partitionNames: ["food", "kitchen"] }}) {{
            ... on LaunchBackfillSuccess {{ backfillId }} ... on PythonError {{ message }} }} }}"""
    )["launchPartitionBackfill"]
    backfill = str(launched["backfillId"])
    wait(
        lambda: (
            [run["status"] for run in server.runs("dagster/backfill", backfill)]
            == ["SUCCESS", "SUCCESS"]
        ),
        RUN_SECONDS,
        "both domains to be ingested",
    )
    return backfill


if __name__ == "__main__":
    main()
