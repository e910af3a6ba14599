from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.catalog import Catalog
from pipeline.ingest.items import ingest_items
from pipeline.store import Store

Build = Callable[..., Catalog]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_titles_and_brands_are_cleaned_and_gaps_counted(amazon: Build, store: Store) -> None:
    lines = [
        {"asin": "I1", "title": " <b>Mug</b>\n&amp; Cup ", "brand": "A&amp;B", "category": ["X"]},
        {"asin": "I2", "title": "", "brand": " ", "imageURL": ["https://x/I2.jpg"]},
        {"asin": "I3", "title": "var a = (new Date()).getTime()"},
    ]
    outcome = ingest_items(amazon(items=lines), "toys", store)
    rows = store.read_table("items/toys").to_pylist()
    assert [list(row.values()) for row in rows] == [
        ["I1", "Mug & Cup", "X", "A&B", []],
        ["I2", None, None, None, ["https://x/I2.jpg"]],
        ["I3", None, None, None, []],
    ]
    assert outcome.facts == {
        "rows_in": 3,
        "malformed_lines": 0,
        "duplicates_dropped": 0,
        "rows_out": 3,
        "missing_titles": 2,
        "missing_categories": 2,
        "missing_brands": 2,
        "missing_image_urls": 2,
    }


def test_of_an_items_rows_the_first_with_a_title_stays(amazon: Build, store: Store) -> None:
    lines = [
        {"asin": "I1", "title": "<br>", "brand": "none"},
        {"asin": "I2", "brand": "first"},
        {"asin": "I1 ", "title": "One"},
        {"asin": "I2", "brand": "second"},
        {"asin": "I1", "title": "Uno"},
    ]
    outcome = ingest_items(amazon(items=lines), "toys", store)
    rows = store.read_table("items/toys").to_pylist()
    assert [(row["item_id"], row["title"], row["brand"]) for row in rows] == [
        ("I2", None, "first"),
        ("I1", "One", None),
    ]
    assert outcome.facts["duplicates_dropped"] == 3


def test_an_empty_dump_is_an_error(amazon: Build, store: Store) -> None:
    with pytest.raises(ValueError, match="'toys' has no items"):
        ingest_items(amazon(), "toys", store)


def test_real_titles_hold_no_entities_after_ingestion(
    real: Callable[[str], Path], amazon: Build, store: Store
) -> None:
    folder, catalog = real("amazon2018-giftcards-images"), amazon()
    (catalog.folder / "items.json.gz").unlink()
    (catalog.folder / "items.json.gz").symlink_to(folder / "meta_Gift_Cards.json.gz")
    facts = ingest_items(catalog, "toys", store).facts
    titles = store.read_table("items/toys")["title"].to_pylist()
    assert (facts["rows_in"], facts["rows_out"], facts["missing_titles"]) == (1547, 1547, 0)
    assert (facts["missing_brands"], facts["missing_categories"]) == (1020, 5)
    assert not [title for title in titles if "&#" in title or "&amp;" in title]
    assert "Maggiano's Gift Card" in titles
