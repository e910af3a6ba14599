"""The released food-kitchen set comes out with the numbers counted from its files."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.catalog import Catalog, load_catalog
from pipeline.ingest.items import ingest_items
from pipeline.ingest.reviews import ingest_reviews
from pipeline.prepare.interactions import build_interactions
from pipeline.prepare.sequences import build_sequences
from pipeline.prepare.vocabulary import build_vocabulary
from pipeline.store import Store

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "food-kitchen"

CATALOG = """
[domain.food]
title = "food"
format = "llmcdsr"
folder = "{folder}"
half = "A"

[domain.kitchen]
title = "kitchen"
format = "llmcdsr"
folder = "{folder}"
half = "B"

[scenario.food-kitchen]
domains = ["food", "kitchen"]
split = {{ kind = "published" }}
"""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Catalog, Store]]:
    if not DATA.is_dir():
        pytest.skip("the real dataset food-kitchen is not on this machine")
    folder = tmp_path_factory.mktemp("food-kitchen")
    (folder / "catalog.toml").write_text(CATALOG.format(folder=DATA))
    catalog, store = load_catalog(folder / "catalog.toml"), Store(folder / "store")
    scenario = catalog.scenarios["food-kitchen"]
    for domain in scenario.domains:
        ingest_reviews(catalog, domain, store)
        ingest_items(catalog, domain, store)
    build_interactions(scenario, catalog, store)
    build_vocabulary(scenario, store)
    build_sequences(scenario, store)
    yield catalog, store


def test_the_real_parts_have_their_published_sizes(prepared: tuple[Catalog, Store]) -> None:
    _, store = prepared
    parts = store.read_table("sequences/food-kitchen", ["part"])["part"].to_pylist()
    assert {part: parts.count(part) for part in set(parts)} == {
        "single": 5472 + 38191,
        "overlap": 7501,
        "valid": 960,
        "test": 937,
    }


def test_the_real_cold_users_show_what_the_release_lets_them(
    prepared: tuple[Catalog, Store],
) -> None:
    _, store = prepared
    lengths = defaultdict(list)
    for row in store.read_table("sequences/food-kitchen").to_pylist():
        if row["label"] is not None:
            lengths[row["part"], row["target_domain"]].append(len(row["items"]))
    found = {
        key: (len(own), round(sum(own) / len(own), 2), min(own), max(own))
        for key, own in lengths.items()
    }
    assert found == {
        ("valid", "food"): (363, 8.42, 3, 65),
        ("valid", "kitchen"): (597, 8.13, 2, 74),
        ("test", "food"): (300, 7.97, 3, 42),
        ("test", "kitchen"): (637, 6.25, 2, 49),
    }


def test_a_few_real_labels_never_occur_in_training(prepared: tuple[Catalog, Store]) -> None:
    _, store = prepared
    rows = store.read_table("sequences/food-kitchen").to_pylist()
    trained = {item for row in rows if row["label"] is None for item in row["items"]}
    unseen = defaultdict(int)
    for row in rows:
        if row["label"] is not None and row["label"] not in trained:
            unseen[row["part"], row["target_domain"]] += 1
    assert unseen == {("valid", "kitchen"): 4, ("test", "food"): 4, ("test", "kitchen"): 7}
