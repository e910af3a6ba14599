"""A little world of ratings: two domains, sixty users, half of whom rate in both.

A user's taste is one vector in both domains, and so is an item's kind; ratings, review features
and item features all follow from them. Prepared by the real stages; the feature tables are
written directly, as no frozen model runs here.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from shutil import copytree

import numpy as np
import pyarrow as pa

from pipeline.catalog import Catalog, Domain, Scenario, Split, Training
from pipeline.catalog.rating_systems import RATING_SYSTEMS
from pipeline.columns import ITEMS, REVIEWS, item_feature_schema, review_feature_schema
from pipeline.prepare.interactions import build_interactions
from pipeline.prepare.ratings import build_ratings
from pipeline.prepare.vocabulary import build_vocabulary
from pipeline.store import Store

DOMAINS = ("rock", "soul")
NUM_ITEMS = 15  # of each domain
NUM_OVERLAP, NUM_AUXILIARY, NUM_SIDE = 30, 14, 16  # users 0..29, 30..43, 44..59
ITEM_WIDTH, USER_WIDTH = 12, 10
SILENT_USERS = (3, 17, 40, 50)  # wrote no text anywhere, so have no row of features
ITEMS_WITHOUT_ROW, ITEMS_WITHOUT_ANYTHING = (4,), (9,)  # numbers within each domain
_TASTES = 3


@dataclass(frozen=True, kw_only=True)
class RatingWorld:
    """A store below a folder of its own, and the scenario that its tables answer to."""

    store: Store
    scenario: Scenario
    catalog: Catalog = field(repr=False)

    def with_scenario(self, **changes: object) -> "RatingWorld":
        return replace(self, scenario=replace(self.scenario, **changes))

    def with_training(self, **changes: object) -> "RatingWorld":
        training = replace(self.scenario.training, **changes)
        return self.with_scenario(training=training)

    def copied(self, folder: Path) -> "RatingWorld":
        """The same store below another folder, to be changed there: faster than a new one."""
        copytree(self.store.root, folder / "store")
        return replace(self, store=Store(folder / "store"))


def make_rating_world(folder: Path) -> RatingWorld:
    """Reviews and items, their interactions, vocabulary, ratings, and features of both domains.

    Cold ratios 0.2 (19 overlap users train, 5 validate, 6 test) and 0.5 (12, 3, 15).
    """
    scenario = Scenario(
        name="songs",
        domains=DOMAINS,
        task="cold-start-rating",
        split=Split(valid=0.2, cold_ratios=(0.2, 0.5)),
        training=Training(seeds=(0, 1), max_length=6, max_epochs=2, patience=2),
        systems=tuple(RATING_SYSTEMS),
    )
    domains = {
        name: Domain(name=name, title=f"{name} music", format="llmcdsr", folder="raw", half=half)
        for name, half in zip(DOMAINS, "AB", strict=True)
    }
    world = RatingWorld(
        store=Store(folder / "store"),
        scenario=scenario,
        catalog=Catalog(folder=folder, domains=domains, scenarios={"songs": scenario}),
    )
    generator = np.random.default_rng(11)
    tastes_UK = generator.choice([-1.0, 1.0], (NUM_OVERLAP + NUM_AUXILIARY + NUM_SIDE, _TASTES))
    for place, domain in enumerate(DOMAINS):
        kinds_IK = generator.choice([-1.0, 1.0], (NUM_ITEMS, _TASTES))
        users = _users_of(place)
        _write_reviews(world.store, place, users, tastes_UK, kinds_IK, generator)
        _write_items(world.store, domain)
        write_item_features(world.store, domain, _seen(kinds_IK, ITEM_WIDTH, generator))
        write_user_features(
            world.store, domain, users, _seen(tastes_UK[users], USER_WIDTH, generator)
        )
    build_interactions(world.scenario, world.catalog, world.store)
    build_vocabulary(world.scenario, world.store)
    build_ratings(world.scenario, world.store)
    return world


def user_name(user: int) -> str:
    return f"user-{user:02}"


def item_name(domain: str, item: int) -> str:
    return f"{domain}-{item:02}"


def write_item_features(store: Store, domain: str, vectors_IE: np.ndarray) -> None:
    """One row an item, but for ITEMS_WITHOUT_ROW; rows of zeros for ITEMS_WITHOUT_ANYTHING."""
    rows = [
        {
            "item_id": item_name(domain, item),
            "vector": vector if item not in ITEMS_WITHOUT_ANYTHING else np.zeros_like(vector),
            "has_text": item not in ITEMS_WITHOUT_ANYTHING,
            "images": 0 if item in ITEMS_WITHOUT_ANYTHING else item % 2,
            "lost_images": 0,
        }
        for item, vector in enumerate(vectors_IE)
        if item not in ITEMS_WITHOUT_ROW
    ]
    schema = item_feature_schema(pa.list_(pa.float32(), vectors_IE.shape[1]))
    store.write_table(
        f"item_multimodal/{domain}", schema, pa.Table.from_pylist(rows, schema=schema)
    )


def write_user_features(
    store: Store, domain: str, users: np.ndarray, vectors_UF: np.ndarray
) -> None:
    """One row a user, but for SILENT_USERS."""
    rows = [
        {"user_id": user_name(user), "vector": vector, "reviews": 3, "cut_reviews": 0}
        for user, vector in zip(users, vectors_UF, strict=True)
        if user not in SILENT_USERS
    ]
    schema = review_feature_schema(pa.list_(pa.float32(), vectors_UF.shape[1]))
    store.write_table(
        f"review_features/{domain}", schema, pa.Table.from_pylist(rows, schema=schema)
    )


def _users_of(place: int) -> np.ndarray:
    overlap = np.arange(NUM_OVERLAP)
    first = NUM_OVERLAP + NUM_AUXILIARY * place
    return np.concatenate([overlap, first + np.arange((NUM_AUXILIARY, NUM_SIDE)[place])])


def _seen(latent_NK: np.ndarray, width: int, generator: np.random.Generator) -> np.ndarray:
    """A noisy linear picture of what lies behind, away from the origin."""
    picture_KE = generator.normal(size=(latent_NK.shape[1], width))
    noise_NE = generator.normal(scale=0.3, size=(len(latent_NK), width))
    return (2.0 + latent_NK @ picture_KE + noise_NE).astype(np.float32)


def _write_reviews(
    store: Store,
    place: int,
    users: np.ndarray,
    tastes_UK: np.ndarray,
    kinds_IK: np.ndarray,
    generator: np.random.Generator,
) -> None:
    rows = []
    for user in users:
        items = generator.permutation(NUM_ITEMS)[: generator.integers(4, 8)]
        times = generator.permutation(1000)[: len(items)]
        for item, time in zip(items, times, strict=True):
            liking = tastes_UK[user] @ kinds_IK[item] + 0.3 * generator.normal()
            rows.append(
                {
                    "user_id": user_name(user),
                    "item_id": item_name(DOMAINS[place], item),
                    # Even times in one domain, odd ones in the other: no two reviews tie.
                    "timestamp": 2 * int(time) + place,
                    "rating": float(np.clip(round(3.6 + liking), 1, 5)),
                    "text": None if user in SILENT_USERS else f"{DOMAINS[place]} {item}: {liking}",
                }
            )
    table = pa.Table.from_pylist(rows, schema=REVIEWS)
    store.write_table(f"reviews/{DOMAINS[place]}", REVIEWS, table)


def _write_items(store: Store, domain: str) -> None:
    rows = [
        {
            "item_id": item_name(domain, item),
            "title": f"A {domain} song, number {item}",
            "categories": [],
            "image_urls": [],
        }
        for item in range(NUM_ITEMS)
    ]
    store.write_table(f"items/{domain}", ITEMS, pa.Table.from_pylist(rows, schema=ITEMS))
