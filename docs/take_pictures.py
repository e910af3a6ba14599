"""Takes the pictures of the documentation: of the real UI, on a small world made for it, and of the
demo's report.

    python -m docs.take_pictures [NAME ...]

From the project's root; wants the package `playwright` and a `chromium` on the PATH. Without names
all pictures are taken. Look at each before committing it.
"""

import argparse
import base64
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from assets.resources import PROJECT
from tests.e2e.dagster_server import REPOSITORY, RUN_SECONDS, Server, dg_dev, wait
from tests.e2e.sample_domains import SAMPLE_DOMAINS

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
    known = (*OF_THE_UI, *OF_THE_REPORT)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}")
    names = parser.parse_args().names or known
    if strangers := set(names) - set(known):
        parser.error(f"unknown {', '.join(sorted(strangers))}; there are {', '.join(known)}")
    with _browser() as browser:
        for name in (name for name in names if name in OF_THE_REPORT):
            _take_report(name, browser)
        if of_the_ui := [name for name in names if name in OF_THE_UI]:
            with tempfile.TemporaryDirectory() as folder, _server(Path(folder)) as server:
                for name in of_the_ui:
                    width, height, bring = OF_THE_UI[name]
                    page = _page(browser, width, height)
                    (bring(server, page) or page).screenshot(path=_file(name))
                    page.close()


# -- of the UI: each brings the page to what it is to show, or returns the part to take ----------


def lineage(server: Server, page: Any) -> None:
    """The assets that lead to LGCD's leaderboard."""
    page.goto(f"{server.url}/asset-groups")
    page.get_by_text("Hide navigation").click()
    page.wait_for_timeout(1000)
    page.mouse.click(*PANEL)
    page.locator(".CodeMirror").click()
    page.keyboard.type('+key:"scores/lgcd" or key:"leaderboard"')
    page.keyboard.press("Enter")
    page.locator("svg").get_by_text("retrieve", exact=True).first.wait_for()
    page.mouse.click(*CORNER)
    page.keyboard.press("Alt+E")  # opens all groups
    page.locator("svg").get_by_text("leaderboard", exact=True).first.wait_for()
    page.mouse.dblclick(*CORNER)  # fits the graph into the window
    page.wait_for_timeout(2000)


PANEL, CORNER = (340, 80), (120, 950)
"""Where the button that closes the list of groups lies, and a place with nothing drawn: x and y."""


def review_rules(server: Server, page: Any) -> None:
    """What the rules of cleaning did to a domain's reviews."""
    _ingested(server)
    page.goto(f"{server.url}/assets/reviews?view=partitions&partition=food")
    page.get_by_text("what the files hold").first.wait_for()
    page.wait_for_load_state("networkidle")


def dataset_card(server: Server, page: Any) -> Any:
    """Three of the card's dialogs beside each other."""
    _ingested(server)
    for asset in ("interactions", "dataset_card"):
        server.wait_for(server.launch(asset, "food-kitchen"), "SUCCESS")
    page.goto(f"{server.url}/assets/dataset_card?view=overview")
    images = "".join(
        f"<img style='grid-area: {area}' src='data:image/png;base64,{_dialog(page, title)}'>"
        for area, title in CARD.items()
    )
    page.set_content(f"<main style='{GRID}'>{images}</main>")
    page.wait_for_function("[...document.images].every(image => image.complete)")
    return page.locator("main")


CARD = {"all": "Statistics", "users": "Interactions of users", "time": "Interactions over time"}
GRID = (
    "display: grid; gap: 12px; padding: 12px; background: #e2e2e8; width: max-content;"
    ' align-items: start; grid-template: "all users" "all time";'
)


def _dialog(page: Any, title: str) -> str:
    """The picture of what a row of an asset's metadata shows, as base64."""
    page.get_by_role("row").filter(has_text=title).get_by_text("[Show Markdown]").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text(title).first.wait_for()
    page.wait_for_timeout(1000)  # the dialog's fading in
    picture = base64.b64encode(dialog.screenshot()).decode()
    page.get_by_role("button", name="Close").click()
    dialog.wait_for(state="detached")
    return picture


def backfill_dialog(server: Server, page: Any) -> None:
    """Two partitions of an asset, about to be launched."""
    _ingested(server)  # else the UI warns first that nothing is there to make reviews from
    page.goto(f"{server.url}/assets/reviews?view=overview")
    page.get_by_role("button", name="Materialize").first.click()
    page.get_by_text("Select a partition").click()
    for partition in ("food", "kitchen"):
        page.get_by_role("menuitem").filter(has_text=partition).click()
    page.get_by_text("Launch runs to materialize").click()  # closes the list of partitions
    page.get_by_role("menuitem").first.wait_for(state="detached")
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


OF_THE_UI: dict[str, tuple[int, int, Callable[[Server, Any], Any]]] = {
    "lineage": (1500, 1150, lineage),
    "review-rules": (1280, 1080, review_rules),
    "dataset-card": (1600, 1400, dataset_card),
    "backfill-dialog": (1280, 720, backfill_dialog),
    "backfill-runs": (1280, 720, backfill_runs),
    "automation": (1280, 720, automation),
}
"""By the name of the file: width and height of the window, and what brings the page there."""

OF_THE_REPORT: dict[str, tuple[int, int, int]] = {
    "report": (1100, 1450, 1),
    "report-phone": (360, 1160, 2),
}
"""Of the demo's page, which `make demo` writes: width, height, and pixels for each of theirs."""


def _take_report(name: str, browser: Any) -> None:
    page_file = PROJECT / "data" / "store" / "report" / "demo.html"
    if not page_file.exists():
        raise ValueError(f"{page_file} is missing: `make demo` first")
    page = _page(browser, *OF_THE_REPORT[name])
    page.goto(page_file.as_uri())
    page.screenshot(path=_file(name))
    page.close()


def _file(name: str) -> Path:
    return PROJECT / "docs" / "images" / f"{name}.png"


@contextmanager
def _server(folder: Path) -> Iterator[Server]:
    (folder / "data").mkdir()
    (folder / "data" / "catalog.toml").write_text(CATALOG)
    with dg_dev(folder) as server:
        yield server


@contextmanager
def _browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    browser_path = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser_path is None:
        raise ValueError("there is no chromium on the PATH: install one")
    with sync_playwright() as playwright:
        # Chromium's sandbox does not start for root, as whom containers often run.
        browser = playwright.chromium.launch(
            executable_path=browser_path, args=["--no-sandbox"], timeout=TIMEOUT_MS
        )
        yield browser
        browser.close()


def _page(browser: Any, width: int, height: int, scale: int = 1) -> Any:
    window = {"width": width, "height": height}
    page = browser.new_page(viewport=window, device_scale_factor=scale)
    page.set_default_timeout(TIMEOUT_MS)
    return page


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
