"""From raw metadata to the stored table of items: one row an item, cleaned."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.catalog import Catalog, Columns, Domain, ItemColumns
from pipeline.columns import ITEMS
from pipeline.ingest.items import ingest_items
from pipeline.store import Store

Build = Callable[..., Catalog]


def test_titles_and_brands_are_cleaned_and_gaps_counted(amazon: Build, store: Store) -> None:
    lines = [
        {
            "asin": " I1",
            "title": " <b>Mug</b>\n&amp; Cup ",
            "brand": "A&amp;B",
            "category": ["X", "Y &amp; Z"],
            "price": "$1,299.00",
            "description": ["One<br>", "two"],
        },
        {"asin": "I2", "title": "", "brand": " ", "imageURL": ["https://x/I2.jpg"], "price": "?"},
        {"asin": "I3", "title": "var a = (new Date()).getTime()", "price": 0},
    ]
    outcome = ingest_items(amazon(items=lines), "toys", store)
    table = store.read_table("items/toys")
    assert table.schema.equals(ITEMS)
    assert [list(row.values()) for row in table.to_pylist()] == [
        ["I1", "Mug & Cup", "X > Y & Z", ["X > Y & Z"], "A&B", "One\ntwo", 1299.0, []],
        ["I2", None, None, [], None, None, None, ["https://x/I2.jpg"]],
        ["I3", None, None, [], None, None, None, []],
    ]
    assert outcome.facts == {
        "rows_in": 3,
        "rejected_rows": 0,
        "changed_ids_trimmed": 1,
        "changed_titles_cleaned": 3,
        "changed_prices_read": 1,
        "changed_unreadable_prices": 2,
        "rows_out": 3,
        "missing_title": 2,
        "missing_category": 2,
        "missing_brand": 2,
        "missing_description": 2,
        "missing_price": 2,
        "missing_image_urls": 2,
    }
    assert outcome.preview is not None and outcome.preview.num_rows == 3


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
    assert outcome.facts["dropped_duplicates"] == 3


def test_metadata_without_a_row_is_an_empty_table(amazon: Build, store: Store) -> None:
    outcome = ingest_items(amazon(), "toys", store)
    assert store.read_table("items/toys").num_rows == 0
    assert outcome.facts["rows_out"] == 0
    assert outcome.preview is None


def test_a_domain_that_names_no_metadata_has_an_empty_table(amazon: Build, store: Store) -> None:
    catalog = amazon()
    domain = dataclasses.replace(catalog.domains["toys"], items=None)
    catalog = dataclasses.replace(catalog, domains={"toys": domain})
    assert ingest_items(catalog, "toys", store).facts["rows_in"] == 0
    assert store.read_table("items/toys").num_rows == 0


def test_too_many_products_without_an_id_are_an_error(amazon: Build, store: Store) -> None:
    lines = [{"asin": "I1"}, {"asin": " "}]
    with pytest.raises(ValueError, match=r"of 2 rows 1 cannot be used: no item id: 1 \(item_id"):
        ingest_items(amazon(items=lines), "toys", store)
    assert not list(store.root.rglob("*.*"))
    facts = ingest_items(amazon(items=lines, max_dropped_share=0.5), "toys", store).facts
    assert (facts["dropped_without_item"], facts["rows_out"]) == (1, 1)


def test_rejected_products_are_stored_with_their_places(amazon: Build, store: Store) -> None:
    lines = [{"asin": "I1"}, b"{'asin': __import__('os')}", {"title": "no id"}]
    outcome = ingest_items(amazon(items=lines, max_rejected_rows=2), "toys", store)
    rejected = store.read_table("rejected_rows/toys/items").to_pylist()
    assert [(row["file"], row["row"]) for row in rejected] == [
        ("items.json.gz", 2),
        ("items.json.gz", 3),
    ]
    assert outcome.facts["rejected_rows"] == 2
    assert "| items.json.gz | 2 | neither JSON" in outcome.tables["rejected rows"]


def test_equal_metadata_give_equal_digests(amazon: Build, store: Store) -> None:
    lines = [{"asin": "I1", "category": ["A"], "price": "$5"}]
    first = ingest_items(amazon(items=lines), "toys", store).artifact.digest
    assert ingest_items(amazon(items=lines), "toys", store).artifact.digest == first
    lines[0]["price"] = "$6"
    assert ingest_items(amazon(items=lines), "toys", store).artifact.digest != first


def test_real_titles_hold_no_entities_after_ingestion(
    real: Callable[[str], Path], amazon: Build, store: Store
) -> None:
    folder, catalog = real("amazon2018-giftcards-images"), amazon()
    (catalog.folder / "items.json.gz").unlink()
    (catalog.folder / "items.json.gz").symlink_to(folder / "meta_Gift_Cards.json.gz")
    facts = ingest_items(catalog, "toys", store).facts
    titles = store.read_table("items/toys")["title"].to_pylist()
    assert (facts["rows_in"], facts["rows_out"], facts["missing_title"]) == (1547, 1547, 0)
    assert (facts["missing_brand"], facts["missing_category"]) == (1020, 5)
    assert facts["missing_description"] == 1547 - 805
    assert not [title for title in titles if "&#" in title or "&amp;" in title]
    assert "Maggiano's Gift Card" in titles


def test_real_metadata_of_2014_has_paths_and_prices(
    real: Callable[[str], Path], amazon: Build, store: Store
) -> None:
    folder, catalog = real("amazon2014-music-movies"), amazon(format="amazon-2014")
    (catalog.folder / "items.json.gz").unlink()
    (catalog.folder / "items.json.gz").symlink_to(folder / "meta_Digital_Music.first7419.json.gz")
    facts = ingest_items(catalog, "toys", store).facts
    assert (facts["rows_in"], facts["rejected_rows"]) == (7419, 0)
    table = store.read_table("items/toys")
    assert facts["rows_out"] == table.num_rows
    assert all(price > 0 for price in table["price"].drop_null().to_pylist())
    rows = zip(table["category"].to_pylist(), table["categories"].to_pylist(), strict=True)
    assert all(category == (paths[0] if paths else None) for category, paths in rows)


def test_every_category_path_is_cleaned_whatever_the_format(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("u,i,t\nu1,i1,5\n")
    (tmp_path / "i.csv").write_text("i,c\ni1,Music > R&amp;B\ni2,\n")
    domain = Domain(
        name="own",
        title="own",
        format="table",
        reviews="r.csv",
        columns=Columns(user="u", item="i", timestamp="t"),
        items="i.csv",
        item_columns=ItemColumns(item="i", category="c"),
    )
    store = Store(tmp_path / "store")
    ingest_items(Catalog(folder=tmp_path, domains={"own": domain}, scenarios={}), "own", store)
    rows = store.read_table("items/own", ["item_id", "category", "categories"]).to_pylist()
    assert [row["categories"] for row in rows] == [["Music > R&B"], []]
    assert [row["category"] for row in rows] == ["Music > R&B", None]
