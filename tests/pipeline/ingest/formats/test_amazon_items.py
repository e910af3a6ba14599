"""Metadata dumps of three releases: paths, images, prices, and lines that are no products."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.catalog import Catalog, Domain
from pipeline.columns import RAW_ITEMS
from pipeline.ingest.formats import amazon as reader
from pipeline.ingest.formats.amazon_items import read_amazon_items
from pipeline.ingest.formats.readers import existing_paths
from pipeline.ingest.formats.rows import ReadLog

Build = Callable[..., Catalog]

A, B = "https://images.example/A.jpg", "http://images.example/B.jpg"


def _read(catalog: Catalog, log: ReadLog | None = None) -> list[dict[str, Any]]:
    domain = catalog.domains["toys"]
    batches = reader.read_items(existing_paths(catalog, domain), log or ReadLog(domain=domain))
    return pa.Table.from_batches(batches, schema=RAW_ITEMS).to_pylist()


def _one(amazon: Build, format: str = "amazon-2018", **fields: Any) -> dict[str, Any]:
    (row,) = _read(amazon(items=[{"asin": "I1", "parent_asin": "I1"} | fields], format=format))
    return row


def test_a_product_becomes_a_row(amazon: Build) -> None:
    product = {
        "asin": "I1",
        "title": "A &amp; B",
        "brand": "C",
        "price": "$1",
        "category": ["X", "Y"],
        "description": ["One.", "", "Two."],
        "feature": ["not read"],
    }
    full, bare = _read(amazon(items=[product, {"asin": "I2"}]))
    assert full == {
        "item_id": "I1",
        "title": "A &amp; B",
        "category": "X > Y",
        "categories": ["X > Y"],
        "brand": "C",
        "description": "One.\n\nTwo.",
        "image_urls": [],
        "price": "$1",
    }
    assert bare == {
        "item_id": "I2",
        "title": None,
        "category": None,
        "categories": [],
        "brand": None,
        "description": None,
        "image_urls": [],
        "price": None,
    }


def test_a_line_of_the_python_dialect_reads_as_json_does(amazon: Build) -> None:
    product = {
        "asin": "0001048791",
        "salesRank": {"Books": 6334800},
        "imUrl": A,
        "categories": [["Books"], ["Music", "Rock 'n' Roll"]],
        "title": 'The "Crucible": \u00e9',
        "description": "It's \\ here",
        "price": 12.99,
        "related": {"also_bought": ["B1", "B2"]},
    }
    as_json, as_python = _read(
        amazon(items=[product, repr(product).encode()], format="amazon-2014")
    )
    assert as_python == as_json
    assert as_json["categories"] == ["Books", "Music > Rock 'n' Roll"]
    assert (as_json["category"], as_json["price"]) == ("Books", "12.99")


@pytest.mark.parametrize(
    ("format", "fields", "paths"),
    [
        ("amazon-2014", {"categories": [["A", "B"], ["C"]]}, ["A > B", "C"]),
        ("amazon-2014", {"categories": [["A", "B"], ["A", "B"], []]}, ["A > B"]),
        ("amazon-2014", {"categories": [[""], ["</span>"]]}, []),
        ("amazon-2014", {"categories": [[]]}, []),
        ("amazon-2018", {"category": ["A", "B &amp; C"]}, ["A > B & C"]),
        ("amazon-2018", {"category": ["A", " ", "<b>B</b>"]}, ["A > B"]),
        ("amazon-2018", {"category": [], "categories": None}, []),
        ("amazon-2018", {"category": ["A"], "categories": [["B"]]}, ["B"]),
        ("amazon-2023", {"categories": ["A", "B"]}, ["A > B"]),
        ("amazon-2023", {"categories": [], "category": ["A"], "main_category": "M"}, []),
    ],
)
def test_category_paths_of_every_release(
    amazon: Build, format: str, fields: dict[str, Any], paths: list[str]
) -> None:
    row = _one(amazon, format, **fields)
    assert row["categories"] == paths
    assert row["category"] == (paths[0] if paths else None)


@pytest.mark.parametrize(
    ("format", "fields", "urls"),
    [
        ("amazon-2018", {"imageURLHighRes": [B, A], "imageURL": [A]}, [B, A]),
        ("amazon-2018", {"imageURLHighRes": [], "imageURL": [A]}, [A]),
        ("amazon-2018", {"imageURLHighRes": None, "imUrl": f" {A} "}, [A]),
        ("amazon-2018", {"imageURL": A}, [A]),
        ("amazon-2018", {"imageURL": [A, B, A]}, [A, B]),
        (
            "amazon-2018",
            {"imageURL": [None, 7, "", "ftp://x/a.jpg", "data:image/png;base64,", "a.jpg", B]},
            [B],
        ),
        ("amazon-2018", {"imageURL": ["a.jpg"], "imUrl": "b.jpg"}, []),
        ("amazon-2018", {"imageURL": ["HTTPS://x/A.JPG"]}, ["HTTPS://x/A.JPG"]),
        ("amazon-2014", {"imUrl": A}, [A]),
        ("amazon-2023", {"images": [{"thumb": B, "large": A, "hi_res": None}]}, [A]),
        ("amazon-2023", {"images": [{"thumb": B, "large": A, "hi_res": B}, {}]}, [B]),
        ("amazon-2023", {"images": [{"thumb": A, "variant": "MAIN"}, {"large": A}]}, [A]),
        ("amazon-2023", {"images": [{"large": 7}, [A], {"hi_res": {"a": A}}]}, []),
        ("amazon-2023", {"images": [], "imageURL": [A]}, []),
        ("amazon-2023", {"images": None}, []),
    ],
)
def test_image_urls_are_the_largest_ones_each_once(
    amazon: Build, format: str, fields: dict[str, Any], urls: list[str]
) -> None:
    assert _one(amazon, format, **fields)["image_urls"] == urls


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("$9.99 - $19.99", "$9.99 - $19.99"),
        (5, "5"),
        (9.99, "9.99"),
        (None, None),
        ("", ""),
        (0, "0"),
        (1e300, "1e+300"),
        (".a-box-inner{background-color:#fff}", ".a-box-inner{background-color:#fff}"),
    ],
)
def test_prices_come_as_texts(amazon: Build, value: Any, text: str | None) -> None:
    assert _one(amazon, price=value)["price"] == text


@pytest.mark.parametrize(
    ("value", "text"),
    [("one", "one"), (["a", "b"], "a\nb"), ([], None), ("", None), (None, None), ([""], None)],
)
def test_a_description_is_a_text_or_a_list_of_paragraphs(
    amazon: Build, value: Any, text: str | None
) -> None:
    assert _one(amazon, description=value)["description"] == text


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("asin", None),
        ("asin", ["I1"]),
        ("asin", 1.5),
        ("title", ["T"]),
        ("title", 7),
        ("brand", {"name": "B"}),
        ("description", {"a": "b"}),
        ("description", ["a", None]),
        ("description", 7),
        ("price", ["$1"]),
        ("price", True),
        ("category", "Toys"),
        ("category", ["Toys", 3]),
        ("category", ["Toys", ["Cars"]]),
        ("category", [["Toys"], "Cars"]),
        ("category", {"Toys": "Cars"}),
        ("category", 3),
        ("imageURL", 7),
        ("imageURL", {"a": A}),
    ],
)
def test_a_field_of_the_wrong_kind_is_named(amazon: Build, field: str, value: Any) -> None:
    catalog = amazon(items=[{"asin": "I0"}, {"asin": "I1", field: value}])
    with pytest.raises(ValueError, match=rf"items\.json\.gz row 2: .*field '{field}' is"):
        _read(catalog)


def test_tolerated_rows_are_noted_with_their_places(amazon: Build) -> None:
    lines = [b"{", {"asin": "I1"}, {"title": "no id"}, {"asin": "I2", "title": 7}]
    catalog = amazon(items=lines, max_rejected_rows=3)
    log = ReadLog(domain=catalog.domains["toys"])
    assert [row["item_id"] for row in _read(catalog, log)] == ["I1"]
    assert [row.row for row in log.rejected] == [1, 3, 4]
    assert log.rows == 1


HUGE = b"f" * 9000


@pytest.mark.parametrize(
    "line",
    [
        b"{'asin': __import__('os').system('touch hacked')}",
        b"{'asin': 'I1', 'title': 'a' + 'b'}",
        b"{'asin': 'I1', 'title': f'{1}'}",
        b"{'asin': 'I1', 'title': b'bytes'}",
        b"{'asin': 'I1', 'title': {'a', 'set'}}",
        b"{'asin': 'I1', 'price': 1+2j}",
        b"{'asin': 'I1', 'price': 0x%s}" % HUGE,
        b"{'asin': 0x%s}" % HUGE,
        b"{'asin': 'I1', 'title': 0x%s}" % HUGE,
        b"{'asin': 'I1', 'categories': [['a', 0x%s]]}" % HUGE,
        b"{'asin': 'I1', 'title': '\\ud83d'}",
        b"{'asin': 'I1', 'title': " + b"[" * 150 + b"]" * 150 + b"}",
        b"{'asin': 'I1', 'title': " + b"[" * 100_000 + b"}",
        b"{'asin': 'I1', 'title': " + b"-" * 100_000 + b"1}",
        b"{'asin': 'I1', 'title': '" + b"x" * (10 << 20) + b"'}",
        b"{'asin': 'I1', 'title': f'" + b"{1}" * 200_000 + b"'}",
        b"{'asin': 'I1', {}: 1}",
        b"{0x%s: 1}" % HUGE,
        b"{'asin': 'I1', 'title': 'T\x00'}",
        b"{'asin': 'I1', 'title': '\xff'}",
        b"{'asin': 'I1'} # \xff",
    ],
    ids=lambda line: line[:32].decode(errors="replace"),
)
def test_hostile_lines_are_rejected_and_run_nothing(
    amazon: Build, line: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    catalog = amazon(items=[line, {"asin": "I2"}], max_rejected_rows=1)
    log = ReadLog(domain=catalog.domains["toys"])
    assert [row["item_id"] for row in _read(catalog, log)] == ["I2"]
    assert len(log.rejected[0].reason) < 300
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize("line", [b"{'asin': 'I1', 'price': 1e999}", b"{'asin': 'I1', 1: {2: ()}}"])
def test_odd_values_of_the_dialect_are_no_fault_of_other_fields(amazon: Build, line: bytes) -> None:
    assert _read(amazon(items=[line]))[0]["item_id"] == "I1"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(A),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["hi_res", "large", "x"]), inner, max_size=2)
    ),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    ["asin", "title", "brand", "price", "category", "categories", "description", "imageURL"]
)


@given(entries=st.lists(st.dictionaries(FIELDS, JSON), max_size=5))
@settings(max_examples=100, deadline=None)
def test_any_object_is_a_row_or_a_rejected_one(
    tmp_path_factory: pytest.TempPathFactory, entries: list[dict[str, Any]]
) -> None:
    path = tmp_path_factory.mktemp("items") / "items"
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    domain = Domain(
        name="toys", title="toys", format="amazon-2018", reviews="r", max_rejected_rows=9
    )
    log = ReadLog(domain=domain)
    found = pa.Table.from_batches(read_amazon_items(path, log), schema=RAW_ITEMS)
    assert found.num_rows + len(log.rejected) == len(entries)


def test_without_metadata_there_are_no_items(amazon: Build) -> None:
    catalog = amazon()
    paths = {"reviews": catalog.folder / "reviews.json.gz"}
    assert list(reader.read_items(paths, ReadLog(domain=catalog.domains["toys"]))) == []


def test_a_missing_file_names_path_key_and_remedy(amazon: Build, tmp_path: Path) -> None:
    catalog = amazon()
    (tmp_path / "items.json.gz").unlink()
    with pytest.raises(ValueError, match=r"items\.json\.gz is missing: .*domain\.toys\.items; put"):
        _read(catalog)


def test_real_metadata_is_read_whole(real: Callable[[str], Path], amazon: Build) -> None:
    folder, catalog = real("amazon2018-giftcards-images"), amazon()
    with gzip.open(folder / "meta_Gift_Cards.json.gz") as source:
        (catalog.folder / "items.json.gz").write_bytes(gzip.compress(source.read()))
    rows = _read(catalog)
    assert len(rows) == 1547
    assert sum(bool(row["title"]) for row in rows) == 1547
    assert sum(bool(row["brand"]) for row in rows) == 527
    assert sum(bool(row["description"]) for row in rows) == 805
    assert sum(bool(row["image_urls"]) for row in rows) == 660
    assert sum(len(row["image_urls"]) for row in rows) == 2706  # two are repeated
    assert not any("span" in (row["category"] or "") for row in rows)


def test_real_metadata_of_2014_reads_the_same_in_its_own_dialect(
    real: Callable[[str], Path], amazon: Build
) -> None:
    source = real("amazon2014-music-movies") / "meta_Digital_Music.first7419.json.gz"
    with gzip.open(source) as file:
        products = [json.loads(line) for line in file]
    assert len(products) == 7419
    rows = _read(amazon(items=products, format="amazon-2014"))
    some = [repr(product).encode() for product in products[::20]]
    assert _read(amazon(items=some, format="amazon-2014")) == rows[::20]
    assert all(row["categories"] for row in rows if row["category"])
