"""Every public set at hand becomes a scenario by the project's own catalog, from its raw files to
its task's table, and its card says what the set's description says."""

import json
import tomllib
from pathlib import Path

import pytest

from pipeline.catalog import Catalog, load_catalog
from pipeline.ingest.items import ingest_items
from pipeline.ingest.reviews import ingest_reviews
from pipeline.prepare.behaviours import build_behaviours
from pipeline.prepare.candidates import build_candidates
from pipeline.prepare.clicks import build_clicks
from pipeline.prepare.dataset_card import build_dataset_card
from pipeline.prepare.interactions import build_interactions
from pipeline.prepare.ratings import build_ratings
from pipeline.prepare.sequences import build_sequences
from pipeline.prepare.vocabulary import build_vocabulary
from pipeline.store import Store

ROOT = Path(__file__).resolve().parents[2]
SETS = ROOT.parent / "shared" / "data"
TASKS = {
    "inter-domain": (build_sequences, build_candidates),
    "cross-domain-sequential": (build_sequences,),
    "cold-start-rating": (build_ratings,),
    "click": (build_clicks,),
    "multi-behaviour": (build_behaviours,),
}
FOLDERS = {
    "food-kitchen": "food-kitchen",
    "amazon2014-music-movies": "amazon2014-music-movies",
    "abxi-food-kitchen": "abxi-food-kitchen",
    "amazon2018-small-5core": "amazon2018-small-5core",
    "gift-cards": "amazon2018-giftcards-images",
    "idgenrec-beauty-sports-toys": "idgenrec-beauty-sports-toys",
    "movielens-small": "movielens-small",
    "tmall-view-cart-buy": "tmall-view-cart-buy",
    "tmall-buy-collect-mbgcn": "tmall-buy-collect-mbgcn",
    "amazon2023-multicat": "amazon2023-multicat",
}
"""Below data/raw, as the catalog names them: the folder of the set."""

Counts = dict[tuple[str, str], float]


EXPECTED: dict[str, Counts] = {
    "food-kitchen": {
        ("food", "items"): 8661,
        ("kitchen", "items"): 27637,
        ("all", "interactions"): 37281 + 265817 + 99170 + 18133 + 15726,
    },
    "food-kitchen-tuning": {("food", "items"): 8661, ("kitchen", "items"): 27637},
    "food-kitchen-titles-tuning": {("food", "items"): 8661, ("kitchen", "items"): 27637},
    "food-kitchen-llmcdsr": {("food", "items"): 8661, ("kitchen", "items"): 27637},
    "food-kitchen-sweeps": {("food", "items"): 8661, ("kitchen", "items"): 27637},
    "food-kitchen-five-seeds": {("food", "items"): 8661, ("kitchen", "items"): 27637},
    "rock-rnb": {
        ("rock", "items"): 166,
        ("rock", "users"): 1474,
        ("rnb", "items"): 118,
        ("rnb", "users"): 915,
        ("all", "overlap_users"): 246,
    },
    "rock-rnb-ratings": {("all", "overlap_users"): 246},
    "rnb-rock-ratings": {("all", "overlap_users"): 246},
    "rock-rnb-ratings-dual": {("all", "overlap_users"): 246},
    "movies-music-ratings": {
        ("digital-music", "interactions"): 6908,
        ("digital-music", "users"): 2490,
        ("digital-music", "items"): 382,
        ("movies", "interactions"): 999,
        ("movies", "users"): 934,
        ("movies", "items"): 11,
        ("all", "overlap_users"): 64,
    },
    "abxi-food-kitchen": {
        ("all", "users"): 7144,
        ("all", "interactions"): 173548,
        ("abxi-food", "interactions"): 83663,
        ("abxi-kitchen", "interactions"): 89885,
        ("abxi-food", "items"): 11837,
        ("abxi-kitchen", "items"): 16258,
    },
    "amazon2018-small": {
        ("magazines", "users"): 348,
        ("magazines", "items"): 157,
        ("appliances", "users"): 47,
        ("appliances", "items"): 48,
        ("all-beauty", "users"): 991,
        ("all-beauty", "items"): 85,
        ("fashion", "users"): 406,
        ("fashion", "items"): 31,
    },
    "gift-card-clicks": {("gift-cards", "users"): 458, ("gift-cards", "items"): 148},
    "beauty-sports-toys": {
        ("beauty", "interactions"): 198502,
        ("sports", "interactions"): 296337,
        ("toys", "interactions"): 167597,
        ("beauty", "shared_users:sports"): 1625,
        ("beauty", "shared_users:toys"): 2073,
        ("sports", "shared_users:toys"): 1734,
    },
    "movielens-clicks": {
        ("movielens", "interactions"): 100004,
        ("movielens", "users"): 671,
        ("movielens", "items"): 9066,
    },
    "tmall-view-cart-buy": {
        ("tmall-mbcgcn", "users"): 15449,
        ("tmall-mbcgcn", "items"): 11953,
        ("tmall-mbcgcn", "interactions_of_behaviour:view"): 858505 + 15449,
        ("tmall-mbcgcn", "interactions_of_behaviour:cart"): 180027 + 15449,
        ("tmall-mbcgcn", "interactions_of_behaviour:buy"): 92180 + 15449,
    },
    "tmall-buy-collect": {
        ("tmall-mbgcn", "interactions_of_behaviour:buy"): 181428 + 31572 + 74158,
        ("tmall-mbgcn", "interactions_of_behaviour:collect"): 221514,
        ("tmall-mbgcn", "interactions_of_behaviour:cart"): 1996,
        ("tmall-mbgcn", "items"): 11953,
    },
}
ROWS_IN = {
    "digital-music": 6908,
    "movies": 999,
    "magazines": 2375,
    "appliances": 2277,
    "all-beauty": 5269,
    "fashion": 3176,
    "gift-cards": 2972,
}
"""Of these, descriptions count raw rows; repeated reviews are dropped after."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the project's catalog, a scenario of 24 categories, and the raw sets."""
    if not SETS.is_dir():
        pytest.skip("the public sets are not on this machine")
    folder = tmp_path_factory.mktemp("data")
    (folder / "raw").mkdir()
    for name, original in FOLDERS.items():
        (folder / "raw" / name).symlink_to(SETS / original)
    text = (ROOT / "data" / "catalog.toml").read_text()
    (folder / "catalog.toml").write_text(text + _of_24_categories())
    return folder


def _of_24_categories() -> str:
    """A domain for each category of the Amazon 2023 sample, and one scenario of them all."""
    files = (SETS / "amazon2023-multicat").glob("*.jsonl")
    lines = [line for file in files for line in file.read_text().splitlines()]
    categories = sorted({json.loads(line)["category"] for line in lines})
    domains = "".join(
        f'\n[domain.{name.lower()}]\ntitle = "{name}"\nformat = "amazon-2023-histories"\n'
        f'folder = "raw/amazon2023-multicat"\ncategory = "{name}"\n'
        for name in categories
    )
    names = ", ".join(f'"{name.lower()}"' for name in categories)
    return f"{domains}\n[scenario.categories]\ndomains = [{names}]\n"


@pytest.fixture(scope="module")
def catalog(data: Path) -> Catalog:
    return load_catalog(data / "catalog.toml")


@pytest.fixture(scope="module")
def store(data: Path) -> Store:
    return Store(data / "store")


def ingested(catalog: Catalog, store: Store, domain: str) -> None:
    if store.exists(f"reviews/{domain}", ".parquet"):
        return
    ingest_items(catalog, domain, store)
    facts = ingest_reviews(catalog, domain, store).facts
    if domain in ROWS_IN:
        assert facts["rows_in"] == ROWS_IN[domain]


def card_of(catalog: Catalog, store: Store, name: str) -> Counts:
    """Everything up to the dataset card, as (domain, statistic): value."""
    scenario = catalog.scenarios[name]
    for domain in scenario.domains:
        ingested(catalog, store, domain)
    build_interactions(scenario, catalog, store)
    build_vocabulary(scenario, store)
    build_dataset_card(scenario, catalog, store)
    rows = store.read_table(f"dataset_card/{name}").to_pylist()
    return {(row["domain"], row["statistic"]): row["value"] for row in rows}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_public_set_becomes_a_scenario_that_its_description_describes(
    catalog: Catalog, store: Store, name: str
) -> None:
    found = card_of(catalog, store, name)
    expected = EXPECTED[name]
    assert {key: found[key] for key in expected} == expected
    for build in TASKS[catalog.scenarios[name].task]:
        outcome = build(catalog.scenarios[name], store)
        assert outcome.artifact.num_rows


def test_the_24_categories_of_amazon_2023_are_one_scenario(catalog: Catalog, store: Store) -> None:
    found = card_of(catalog, store, "categories")
    assert len(catalog.scenarios["categories"].domains) == 24
    assert found["all", "users"] == 354
    assert found["all", "overlap_users"] == 123
    assert found["all", "interactions"] <= 2764  # a review that a user repeated is dropped
    build_sequences(catalog.scenarios["categories"], store)


def test_every_scenario_of_the_catalog_is_covered() -> None:
    tables = tomllib.loads((ROOT / "data" / "catalog.toml").read_text())
    assert set(tables["scenario"]) == {*EXPECTED, "demo", "demo-ratings"}
