"""The report as people read it, in a real browser: on a phone, on a wide screen, in the dark, on
paper, by keyboard and by screen reader.

Slow and opt-in: `pytest -m slow`. It wants the package `playwright` and a `chromium` on the PATH.
"""

import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pipeline.columns import EXPERIMENT
from pipeline.evaluate.ratings.leaderboard import compare_rating_systems
from pipeline.evaluate.ratings.predictions import predict_ratings
from pipeline.evaluate.report.page import write_report
from pipeline.evaluate.report.steps import Step
from pipeline.evaluate.scores import compare_systems, recommend_with
from pipeline.prepare.dataset_card import build_dataset_card
from pipeline.train.ratings.systems import train_rating_system
from tests.pipeline.conftest import fill_world, make_empty_world
from tests.pipeline.evaluate.experiment_tables import table
from tests.pipeline.evaluate.ranked_world import ranked
from tests.pipeline.rating_world import make_rating_world

pytestmark = pytest.mark.slow

SCREENS = {"phone": (360, 740), "wide": (1280, 900)}
TASKS = ("ranking", "rating", "tables")
STEP = Step(
    name="sequences",
    partition="little",
    digest="0" * 16,
    version="9 little:12345678",
    made="2026-01-02 03:04:05",
    seconds=1.5,
)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A page of a ranking scenario, one of ratings, and one of a scenario without systems."""
    ranking = ranked(fill_world(make_empty_world(tmp_path_factory.mktemp("ranking"))), RANKED)
    ranking = ranking.with_scenario(
        top_n=5, experiments=("lgcd_ablations",), published="lgcd-food-kitchen"
    )
    variants = table("lgcd_ablations", {"LGCD": 0.4, "w/o Overlap Diffusion": 0.3}, "LGCD")
    ranking.store.write_table("experiments/little/lgcd_ablations", EXPERIMENT, variants)
    compare_systems(ranking.scenario, ranking.store)
    for system in RANKED:
        recommend_with(system, ranking.scenario, ranking.store)
    rating = make_rating_world(tmp_path_factory.mktemp("rating"))
    rating = rating.with_scenario(systems=RATED).with_training(seeds=(0,), max_epochs=2)
    for system in RATED:
        train_rating_system(system, rating.scenario, rating.store)
        predict_ratings(system, rating.scenario, rating.store, (1.0, 5.0))
    compare_rating_systems(rating.scenario, rating.store)
    tables = fill_world(make_empty_world(tmp_path_factory.mktemp("tables")))
    tables = tables.with_scenario(task="cross-domain-sequential")
    worlds = dict(zip(TASKS, (ranking, rating, tables), strict=True))
    for world in worlds.values():
        build_dataset_card(world.scenario, world.catalog, world.store)
    return {
        task: write_report(world.scenario, world.catalog, world.store, [STEP]).artifact.path
        for task, world in worlds.items()
    }


RANKED, RATED = ("popularity", "sasrec", "lgcd"), ("item_mean", "cmf", "music")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    browser_path = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser_path is None:
        pytest.skip("no chromium on the PATH")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        # Chromium's sandbox does not start for root, as whom containers often run.
        browser = playwright.chromium.launch(
            executable_path=browser_path, args=["--no-sandbox"], timeout=180_000
        )
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: Any, pages: dict[str, Path]) -> Iterator[Any]:
    """Opens a page of a task; fails in the end where the console said anything or where
    something beside the page itself was asked for."""
    contexts, said, asked = [], [], []

    def open_page(task: str, screen: str = "wide", scheme: str = "light") -> Any:
        width, height = SCREENS[screen]
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(pages[task].as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    own = {path.as_uri() for path in pages.values()}
    assert said == []
    assert {url for url in asked if not url.startswith("data:")} <= own


UNFOLD = "document.querySelectorAll('details').forEach(one => one.open = true)"

# Texts whose colour has less than 4.5 times the contrast of what lies behind them (WCAG 1.4.3),
# and marks of charts with less than 3 times (1.4.11). No ground here is transparent but whole.
CONTRASTS = """() => {
  const parse = color => (color.match(/[\\d.]+/g) || []).map(Number);
  const light = color => {
    const [r, g, b] = parse(color).map(v => v / 255).map(
      v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = node => {
    for (; node; node = node.parentElement) {
      const color = getComputedStyle(node).backgroundColor;
      if (color !== 'rgba(0, 0, 0, 0)') return color;
    }
    return 'rgb(255, 255, 255)';
  };
  const ratio = (one, other) => {
    const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const failed = [];
  let measured = 0;
  const hold = (node, color, least) => {
    measured += 1;
    const reached = ratio(color, ground(node));
    if (reached < least) failed.push(`${node.tagName}.${node.className.baseVal ??
      node.className} ${(node.textContent || '').slice(0, 30)} ${reached.toFixed(2)}`);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || node.tagName === 'desc') continue;
    const style = getComputedStyle(node);
    if (Number(style.opacity) !== 1) failed.push('opacity ' + node.textContent);
    hold(node, node.closest('svg') ? style.fill : style.color, 4.5);
  }
  for (const node of document.querySelectorAll('.dot, .whisker, .curve, .axis, .reference'))
    hold(node, getComputedStyle(node).stroke, 3);
  return {failed, measured};
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("task", TASKS)
def test_texts_and_marks_stand_out_from_their_ground(opened: Any, task: str, scheme: str) -> None:
    page = opened(task, scheme=scheme)
    page.evaluate(UNFOLD)
    found = page.evaluate(CONTRASTS)
    assert found["failed"] == [] and found["measured"] > 50
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 29)"}[scheme]


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("task", TASKS)
def test_nothing_is_wider_than_the_screen(opened: Any, task: str, screen: str) -> None:
    page = opened(task, screen)
    for _ in range(2):
        assert page.evaluate("document.documentElement.scrollWidth") == SCREENS[screen][0]
        page.evaluate(UNFOLD)
    outside = page.evaluate(
        """() => [...document.querySelectorAll('main *')].filter(node => !node.closest('.wide > *')
        && !node.closest('svg') && node.getBoundingClientRect().right > innerWidth + 1)
        .map(node => node.outerHTML.slice(0, 80))"""
    )
    assert outside == []


def test_letters_of_charts_can_be_read_on_a_phone(opened: Any) -> None:
    page = opened("ranking", "phone")
    heights = page.evaluate(
        """() => [...document.querySelectorAll('svg')].filter(svg => svg.clientWidth).map(
        svg => 12 * svg.clientWidth / svg.viewBox.baseVal.width)"""
    )
    assert len(heights) > 8 and min(heights) >= 8.5


@pytest.mark.parametrize("task", TASKS)
def test_a_screen_reader_finds_landmarks_headings_and_names(opened: Any, task: str) -> None:
    page = opened(task)
    page.evaluate(UNFOLD)
    assert page.evaluate("document.documentElement.lang") == "en"
    for landmark in ("header", "nav[aria-label]", "main"):
        assert page.locator(f"body > {landmark}").count() == 1
    levels = page.evaluate(
        "[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(h => Number(h.tagName[1]))"
    )
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('svg, img, .wide, section, table, details')].filter(
        node => !(node.getAttribute('aria-label') || node.getAttribute('alt') ||
          document.getElementById(node.getAttribute('aria-labelledby')) ||
          node.querySelector(':scope > caption, :scope > summary')?.textContent))
        .map(node => node.outerHTML.slice(0, 80))"""
    )
    assert nameless == []
    assert page.locator("th:not([scope])").count() == 0
    tree = page.locator("body").aria_snapshot()
    for words in ("- banner:", '- navigation "Contents":', "- main:", 'heading "Report: '):
        assert words in tree
    assert tree.count('img "') == page.locator("svg, img").count()
    names = page.evaluate("[...document.querySelectorAll('caption')].map(one => one.textContent)")
    assert {name for name in names if names.count(name) > 1} == set()  # a list tells them apart


def test_the_keyboard_skips_to_the_content_and_scrolls_tables(opened: Any) -> None:
    page = opened("ranking", "phone")
    page.keyboard.press("Tab")
    skip = page.locator(":focus")
    assert skip.inner_text() == "Skip to the content"
    assert skip.bounding_box()["x"] >= 0
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "wide"
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(1000)  # it glides
    assert page.evaluate("document.activeElement.scrollLeft") > 0
    summary = page.locator("summary").first
    summary.focus()
    page.keyboard.press("Enter")
    assert page.locator("details").first.get_attribute("open") is not None


@pytest.mark.parametrize("task", TASKS)
def test_paper_shows_what_the_screen_folds_on_a_white_ground(opened: Any, task: str) -> None:
    page = opened(task, scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    hidden = page.evaluate(
        """() => [...document.querySelectorAll('details')].filter(
        one => one.lastElementChild.getBoundingClientRect().height === 0)
        .map(one => one.firstElementChild.textContent)"""
    )
    assert hidden == []
    assert page.evaluate(CONTRASTS)["failed"] == []
    assert page.locator("nav").is_hidden()
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_every_link_of_the_contents_leads_somewhere(opened: Any) -> None:
    page = opened("rating")
    links = page.locator("nav a")
    assert links.count() >= 9
    for number in range(links.count()):
        target = links.nth(number).get_attribute("href")
        assert page.locator(target).count() == 1
    links.last.click()
    assert page.url.endswith("#provenance")
