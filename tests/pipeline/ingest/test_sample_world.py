import gzip
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import orjson
import pytest

from pipeline.catalog import Catalog, Domain
from pipeline.digest import digest_file
from pipeline.ingest.items import ingest_items
from pipeline.ingest.reviews import ingest_reviews
from pipeline.ingest.sample import Dump, write_world
from pipeline.ingest.sample_world import (
    DOMAINS,
    SECONDS_A_DAY,
    World,
    WorldConfig,
    make_world,
    product_weights,
)
from pipeline.store import Store

CONFIG = WorldConfig()
SMALL = WorldConfig(food_users=10, kitchen_users=10, shared_users=20)
NAMES = ("food", "kitchen")


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(CONFIG)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    folder = tmp_path_factory.mktemp("world")
    write_world(_dumps(folder), CONFIG)
    domains = {
        name: Domain(
            name=name,
            title=name,
            format="amazon-2018",
            reviews=f"{name}.json.gz",
            items=f"meta_{name}.json.gz",
            max_rejected_rows=5,
        )
        for name in NAMES
    }
    return Catalog(folder=folder, domains=domains, scenarios={})


def _dumps(folder: Path) -> tuple[Dump, Dump]:
    folder.mkdir(exist_ok=True)
    food, kitchen = (
        Dump(reviews=folder / f"{name}.json.gz", items=folder / f"meta_{name}.json.gz")
        for name in NAMES
    )
    return food, kitchen


def _digests(folder: Path, config: WorldConfig) -> list[str]:
    dumps = _dumps(folder)
    write_world(dumps, config)
    return [digest_file(path) for dump in dumps for path in (dump.reviews, dump.items)]


def _objects(path: Path) -> list[dict[str, object]]:
    found = []
    with gzip.open(path) as file:
        for line in file:
            try:
                found.append(orjson.loads(line))
            except orjson.JSONDecodeError:
                continue
    return found


def test_a_seed_decides_every_byte(tmp_path: Path) -> None:
    first = _digests(tmp_path / "one", SMALL)
    assert _digests(tmp_path / "two", SMALL) == first
    other = WorldConfig(food_users=10, kitchen_users=10, shared_users=20, seed=1)
    assert not set(_digests(tmp_path / "three", other)) & set(first)


def test_users_live_in_the_domains_of_their_group(world: World) -> None:
    domains = defaultdict(set)
    for purchase in world.purchases:
        domains[purchase.user_id].add(purchase.domain)
    groups = Counter(frozenset(of) for of in domains.values())
    assert groups == {frozenset({0}): 1500, frozenset({1}): 1500, frozenset({0, 1}): 700}


def test_a_four_core_keeps_every_user_and_every_item(world: World) -> None:
    of_user = Counter((purchase.user_id, purchase.domain) for purchase in world.purchases)
    of_item = Counter((purchase.domain, purchase.product) for purchase in world.purchases)
    assert (min(of_user.values()), max(of_user.values())) == CONFIG.interactions
    assert len(of_item) == 600
    assert min(of_item.values()) >= 4


def test_nobody_buys_a_product_twice_or_two_on_one_day(world: World) -> None:
    purchases = world.purchases
    bought = {(purchase.user_id, purchase.domain, purchase.product) for purchase in purchases}
    days = {(purchase.user_id, purchase.time) for purchase in purchases}
    assert len(bought) == len(days) == len(purchases)
    times = [purchase.time for purchase in purchases]
    assert min(times) >= CONFIG.start
    assert max(times) < CONFIG.start + CONFIG.days * SECONDS_A_DAY


def test_a_shared_users_domains_interleave(world: World) -> None:
    histories = defaultdict(list)
    for purchase in world.purchases:
        histories[purchase.user_id].append(purchase.domain)
    changes = [
        sum(a != b for a, b in pairwise(history))
        for history in histories.values()
        if len(set(history)) == 2
    ]
    assert np.mean(changes) > 4  # one after the other would change once
    lasts = [history[-1] for history in histories.values() if len(set(history)) == 2]
    assert 0.4 < np.mean(lasts) < 0.6


def test_titles_of_a_theme_share_words_across_the_domains(world: World) -> None:
    words: list[dict[str, set[str]]] = [defaultdict(set) for _ in DOMAINS]
    for domain in DOMAINS:
        for product in world.products[domain]:
            long = {word.strip(",").lower() for word in product.name.split() if len(word) > 3}
            words[domain][product.theme.name] |= long
    bridged = [bool(words[0][theme] & words[1][theme]) for theme in words[0]]
    assert len(bridged) == 75
    assert np.mean(bridged) > 0.8


def test_a_brand_belongs_to_one_taste_and_sells_in_both_domains(world: World) -> None:
    sold = {(p.brand, p.taste.name, domain) for domain in DOMAINS for p in world.products[domain]}
    brands = {brand for brand, _, _ in sold}
    assert len(brands) == 30
    assert len(sold) == 2 * len(brands)


def test_popularity_is_weak_and_tastes_tell_a_lot(world: World) -> None:
    """HR@10 over all items of the last purchase's domain, for 60 % of the shared users."""
    histories = defaultdict(list)
    for purchase in world.purchases:
        histories[purchase.user_id].append((purchase.domain, purchase.product))
    shared = [user for user, history in histories.items() if len({d for d, _ in history}) == 2]
    train, test = shared[:140], shared[-420:]
    popularity, together = np.zeros((2, 300)), np.zeros((300, 300))
    for user in set(histories) - set(shared) | set(train):
        for domain, product in histories[user]:
            popularity[domain, product] += 1
    for user in train:
        items = [[p for d, p in histories[user] if d == domain] for domain in DOMAINS]
        together[np.ix_(*items)] += 1
    hits: dict[str, list[float]] = defaultdict(list)
    for user in test:
        target, label = histories[user][-1]
        history = [p for d, p in histories[user] if d != target]
        counts = (together if target == 1 else together.T)[history].sum(0)
        tastes = product_weights(world.products[target], world.affinities[user])
        for name, scores in (
            ("popularity", popularity[target]),
            ("together", counts),
            ("tastes", tastes),
        ):
            hits[name].append(_hit(scores, label))
    rates = {name: np.mean(values) for name, values in hits.items()}
    assert 0.03 < rates["popularity"] < 0.13
    assert 0.18 < rates["together"] < 0.32
    assert rates["tastes"] > 0.5


def _hit(scores: np.ndarray, label: int) -> bool:
    ties = (scores == scores[label]).sum() - 1
    return 1 + (scores > scores[label]).sum() + ties / 2 <= 10


def test_ingestion_finds_every_planted_fault_and_restores_the_reviews(
    world: World, catalog: Catalog, tmp_path: Path
) -> None:
    store = Store(tmp_path)
    for domain, name in enumerate(NAMES):
        own = [purchase for purchase in world.purchases if purchase.domain == domain]
        facts = ingest_reviews(catalog, name, store).facts
        assert facts["rows_in"] == len(own) + 40 + 1
        assert facts["rejected_rows"] == 1
        assert facts["dropped_duplicates"] == 40
        table = store.read_table(f"reviews/{name}").select(["user_id", "item_id", "timestamp"])
        products = world.products[domain]
        expected = {(p.user_id, products[p.product].asin, p.time) for p in own}
        assert {tuple(row.values()) for row in table.to_pylist()} == expected


def test_ingestion_finds_every_fault_of_the_metadata_and_restores_the_titles(
    world: World, catalog: Catalog, tmp_path: Path
) -> None:
    store = Store(tmp_path)
    for domain, name in enumerate(NAMES):
        facts = ingest_items(catalog, name, store).facts
        assert facts == {
            "rows_in": 301,  # 3 unknown, 3 listed twice
            "rejected_rows": 1,
            "dropped_duplicates": 3,
            "changed_titles_cleaned": facts["changed_titles_cleaned"],
            "changed_prices_read": 300,
            "rows_out": 297,
            "missing_title": 3,
            "missing_category": 0,
            "missing_brand": 0,
            "missing_description": facts["missing_description"],
            "missing_price": 0,
            "missing_image_urls": 297,
        }
        titles = {product.asin: product.title for product in world.products[domain]}
        for row in store.read_table(f"items/{name}").to_pylist():
            assert row["title"] in (None, titles[row["item_id"]])


def test_the_dumps_look_like_real_ones(catalog: Catalog) -> None:
    folder = catalog.folder
    items = [entry for name in NAMES for entry in _objects(folder / f"meta_{name}.json.gz")]
    titles = " ".join(str(entry["title"]) for entry in items)
    assert "&amp;" in titles and "<b>" in titles and "Cr\u00e8me Br\u00fbl\u00e9e" in titles
    assert all(str(entry["price"]).startswith("$") for entry in items)
    reviews = _objects(folder / "food.json.gz")
    known = {entry["asin"] for entry in items}
    assert len({entry["asin"] for entry in reviews} - known) == 3
    assert {entry["overall"] for entry in reviews} == {1.0, 2.0, 3.0, 4.0, 5.0}
    assert all(entry["reviewerName"] and entry["summary"] for entry in reviews)
