"""A little world: two domains of twelve items, twenty users, prepared by the real stage."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.catalog import Candidates, Catalog, Domain, Scenario, Split, Titles, Training
from pipeline.columns import ITEMS, REVIEWS
from pipeline.prepare.candidates import build_candidates
from pipeline.prepare.interactions import build_interactions
from pipeline.prepare.sequences import build_sequences
from pipeline.prepare.vocabulary import build_vocabulary
from pipeline.store import Store
from tests.pipeline.stored import Stored
from tests.s3_server import BUCKET, S3Server, s3_server

DOMAINS = ("food", "tools")
NUM_ITEMS = 12


@dataclass(frozen=True, kw_only=True)
class World:
    """A store below a folder of its own, and the scenario that its tables answer to."""

    store: Store
    scenario: Scenario
    catalog: Catalog = field(repr=False)

    def prepare(self) -> None:
        build_interactions(self.scenario, self.catalog, self.store)
        build_vocabulary(self.scenario, self.store)
        build_sequences(self.scenario, self.store)
        build_candidates(self.scenario, self.store)

    def with_scenario(self, **changes: object) -> "World":
        scenario = replace(self.scenario, **changes)  # type: ignore[arg-type]
        return replace(self, scenario=scenario)


def write_reviews(store: Store, domain: str, reviews: list[tuple[str, str, int]]) -> None:
    """Reviews as (user, item, timestamp)."""
    columns = ("user_id", "item_id", "timestamp")
    rows = [dict(zip(columns, review, strict=True)) for review in reviews]
    store.write_table(f"reviews/{domain}", REVIEWS, pa.Table.from_pylist(rows, schema=REVIEWS))


def write_items(store: Store, domain: str, titles: dict[str, str]) -> None:
    rows = [
        {"item_id": item, "title": title, "categories": [], "image_urls": []}
        for item, title in titles.items()
    ]
    store.write_table(f"items/{domain}", ITEMS, pa.Table.from_pylist(rows, schema=ITEMS))


def make_empty_world(folder: Path) -> World:
    """Domains and a scenario of theirs, but nothing in the store yet."""
    scenario = Scenario(
        name="little",
        domains=DOMAINS,
        split=Split(valid=0.2, test=0.2),
        candidates=Candidates(num_negatives=5, seeds=(0, 1)),
        titles=Titles(max_users=6, probe_users=2),
        training=Training(seeds=(0, 1), max_length=6, max_epochs=2, patience=2),
    )
    domains = {
        name: Domain(name=name, title=f"fine {name}", format="llmcdsr", folder="raw", half=half)
        for name, half in (("food", "A"), ("tools", "B"))
    }
    catalog = Catalog(folder=folder, domains=domains, scenarios={"little": scenario})
    return World(store=Store(folder / "store"), scenario=scenario, catalog=catalog)


def fill_world(empty_world: World) -> World:
    """Users 0..13 shop in both domains, 14..16 in the first alone, 17..19 in the second."""
    generator = np.random.default_rng(7)
    reviews: dict[str, list[tuple[str, str, int]]] = {domain: [] for domain in DOMAINS}
    for user in range(20):
        domains = DOMAINS if user < 14 else DOMAINS[:1] if user < 17 else DOMAINS[1:]
        for domain in domains:
            items = generator.permutation(NUM_ITEMS)[: generator.integers(3, 6)]
            times = generator.permutation(1000)[: len(items)]
            for item, time in zip(items, times, strict=True):
                # Even times in one domain, odd ones in the other: no two reviews tie.
                when = 2 * int(time) + DOMAINS.index(domain)
                reviews[domain].append((f"user-{user:02}", f"{domain}-{item:02}", when))
    for domain in DOMAINS:
        write_reviews(empty_world.store, domain, reviews[domain])
        titles = {f"{domain}-{i:02}": f"Fine {domain} number {i}" for i in range(NUM_ITEMS)}
        write_items(empty_world.store, domain, titles)
    empty_world.prepare()
    return empty_world


@pytest.fixture
def in_folder(tmp_path: Path) -> Stored:
    return Stored(Store(tmp_path))


@pytest.fixture(scope="session")
def bucket_server() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture(scope="session")
def bucket_store(
    bucket_server: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """One for all tests: making a client takes longer than most of them."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in bucket_server.variables.items():
            monkeypatch.setenv(name, value)
        store = Store(f"s3://{BUCKET}/a/store", temporary=tmp_path_factory.mktemp("unfinished"))
        assert not store.exists("client/made", ".now")
    yield store


@pytest.fixture
def in_bucket(
    bucket_server: S3Server, bucket_store: Store, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stored]:
    """An empty store in a bucket."""
    for name, value in bucket_server.variables.items():
        monkeypatch.setenv(name, value)
    yield Stored(bucket_store, bucket_server)
    bucket_server.empty()


@pytest.fixture
def empty_world(tmp_path: Path) -> World:
    return make_empty_world(tmp_path)


@pytest.fixture
def world(empty_world: World) -> World:
    return fill_world(empty_world)
