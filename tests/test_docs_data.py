"""What docs/data.md and README.md say of data holds: examples load, tables match the code."""

import csv
import gzip
import re
from pathlib import Path
from typing import get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.catalog import Catalog, Filters, Format, load_catalog
from pipeline.catalog.domains import NEEDED_KEYS, READ_KEYS
from pipeline.catalog.scenarios import SPLITS, CoreRule
from pipeline.ingest import rules
from pipeline.ingest.dumps.dump_sources import dump_sources
from pipeline.ingest.formats.readers import paths_of
from pipeline.ingest.items import ingest_items
from pipeline.ingest.reviews import ingest_reviews
from pipeline.prepare import published_statistics
from pipeline.prepare.dataset_card import build_dataset_card
from pipeline.prepare.interactions import build_interactions
from pipeline.prepare.kcore import k_core_mask
from pipeline.store import Store

ROOT = Path(__file__).resolve().parents[1]
DATA = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def examples(text: str) -> list[str]:
    return re.findall(r"^```toml\n(.*?)^```$", text, re.M | re.S)


def rows_of(first_cell: str) -> list[list[str]]:
    """The table of docs/data.md whose header begins with a cell: header, then rows."""
    start = DATA.index(f"\n| {first_cell} |") + 1
    lines = DATA[start:].split("\n\n")[0].split("\n")
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [cells[0], *cells[2:]]


def named(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def catalog_of(example: str, folder: Path) -> Catalog:
    path = folder / "catalog.toml"
    path.write_text(example, encoding="utf-8")
    return load_catalog(path)


@pytest.mark.parametrize("example", examples(DATA) + examples(README))
def test_every_example_of_a_catalog_loads(example: str, tmp_path: Path) -> None:
    catalog = catalog_of(example, tmp_path)
    assert catalog.domains
    for domain in catalog.domains.values():
        assert paths_of(catalog, domain)
        assert domain.download is None or dump_sources(domain)
    for scenario in catalog.scenarios.values():
        if scenario.statistics:
            published = published_statistics.published_statistics(scenario.statistics)
            assert set(published.domains) <= set(scenario.domains)


def test_every_format_has_an_example(tmp_path: Path) -> None:
    catalogs = [catalog_of(example, tmp_path) for example in examples(DATA)]
    shown = {domain.format for catalog in catalogs for domain in catalog.domains.values()}
    assert shown == set(get_args(Format))


def test_the_table_of_formats_names_each_format_with_its_keys() -> None:
    header, *rows = rows_of("format")
    places = [header.index(name) for name in ("format", "keys it needs", "keys it may have")]
    keys = {row[places[0]].strip("`"): [named(row[at]) for at in places[1:]] for row in rows}
    assert set(keys) == set(get_args(Format))
    for name, (needed, optional) in keys.items():
        assert tuple(needed) == NEEDED_KEYS[name], name
        assert set(optional) == set(READ_KEYS.get(name, ())), name


def test_the_table_of_rules_names_each_rule_of_cleaning() -> None:
    found = {row[0].strip("`") for row in rows_of("rule | effect")[1:]}
    assert found == set(rules._MEANINGS)


def test_the_worked_lines_of_the_k_core_are_what_it_does() -> None:
    header, *rows = rows_of("rule | a user needs")
    before = [counts(cell.split()[1]) for cell in header[2:]]
    assert {row[0].strip("`") for row in rows} == set(get_args(CoreRule))
    for row in rows:
        filters = Filters(k_core=3, k_core_rule=row[0].strip("`"))  # type: ignore[arg-type]
        assert [counts(cell) for cell in row[2:]] == cored(before, filters), row[0]


def counts(cell: str) -> tuple[int, int]:
    books, films = cell.split("+")
    return int(books), int(films)


def cored(before: list[tuple[int, int]], filters: Filters) -> list[tuple[int, int]]:
    """Books and films that each user keeps, beside five users who make all items popular."""
    everyone = [*before, *[(3, 3)] * 5]
    events = [
        (user, 3 * domain + item, domain)
        for user, own in enumerate(everyone)
        for domain, count in enumerate(own)
        for item in range(count)
    ]
    users, items, domains = np.array(events).T
    mask = k_core_mask(users, items, domains, filters, 2)
    return [
        (
            int((mask & (users == user) & (domains == 0)).sum()),
            int((mask & (users == user) & (domains == 1)).sum()),
        )
        for user in range(len(before))
    ]


def test_the_table_of_tasks_names_each_task_with_its_splits() -> None:
    header, *rows = rows_of("task")
    at = header.index("splits")
    assert {row[0].strip("`"): tuple(named(row[at])) for row in rows} == SPLITS


def test_the_page_names_all_published_statistics() -> None:
    sentence = re.split(r"\.\s", DATA[DATA.index("Known are") :])[0]
    assert set(named(sentence)) == {entry.name for entry in published_statistics._KNOWN}


def test_links_within_the_page_lead_to_its_headings() -> None:
    headings = re.findall(r"^#+ (.*)$", DATA, re.M)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    links = set(re.findall(r"\]\(#([^)]+)\)", DATA))
    assert links and links <= anchors


def test_the_first_example_leads_from_two_files_to_a_dataset_card(tmp_path: Path) -> None:
    catalog = catalog_of(examples(DATA)[0], tmp_path)
    for domain, users in (("my-books", range(8)), ("my-films", range(4, 12))):
        path = paths_of(catalog, catalog.domains[domain])["reviews"]
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(["customer", "sku", "sold_at", "stars"])
            table.writerows(
                [f"c{user}", f"{domain}-{item}", f"2024-05-{1 + item:02d} 12:30:00", 1 + item % 5]
                for user in users
                for item in range(6)
            )
    store = Store(tmp_path / "store")
    for domain in catalog.domains:
        ingest_items(catalog, domain, store)
        ingest_reviews(catalog, domain, store)
    scenario = catalog.scenarios["my-shop"]
    build_interactions(scenario, catalog, store)
    facts = build_dataset_card(scenario, catalog, store).facts
    assert (facts["users"], facts["overlap_users"], facts["interactions"]) == (12, 4, 96)
    assert "my-films" in store.read_text("dataset_card/my-shop", ".md")


def test_the_example_of_an_own_table_reads_parquet_and_packed_csv(tmp_path: Path) -> None:
    example = next(text for text in examples(DATA) if "item_columns" in text)
    catalog = catalog_of(example, tmp_path)
    paths = paths_of(catalog, catalog.domains["shop-books"])
    paths["reviews"].parent.mkdir(parents=True)
    sales = {"customer": [7, 8], "sku": ["a", "b"], "sold_at": [1.7e9, 1.7e9], "event": ["buy"] * 2}
    pq.write_table(pa.table(sales), paths["reviews"])
    products = 'sku;name;shelf;price\na;"Emma; a novel";Books > Classics;"$1,299.00"\n'
    paths["items"].write_bytes(gzip.compress(products.encode()))
    store = Store(tmp_path / "store")
    ingest_items(catalog, "shop-books", store)
    ingest_reviews(catalog, "shop-books", store)
    item = store.read_table("items/shop-books").to_pylist()[0]
    assert (item["title"], item["categories"]) == ("Emma; a novel", ["Books > Classics"])
    assert item["price"] == 1299
    reviews = store.read_table("reviews/shop-books", ["user_id", "timestamp", "behaviour"])
    assert reviews.to_pylist()[0] == {
        "user_id": "7",
        "timestamp": 1_700_000_000,
        "behaviour": "buy",
    }
