import gzip
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.catalog import Catalog
from pipeline.columns import ITEMS, REVIEWS
from pipeline.ingest import rows
from pipeline.ingest.readers import read_items, read_reviews
from pipeline.ingest.rows import Tally

Build = Callable[..., Catalog]
Review = Callable[..., dict[str, Any]]


def _reviews(catalog: Catalog, tally: Tally | None = None) -> list[dict[str, Any]]:
    batches = read_reviews(catalog, catalog.domains["toys"], tally)
    return pa.Table.from_batches(batches, schema=REVIEWS).to_pylist()


def _items(catalog: Catalog) -> list[dict[str, Any]]:
    batches = read_items(catalog, catalog.domains["toys"])
    return pa.Table.from_batches(batches, schema=ITEMS).to_pylist()


def test_a_review_becomes_a_row_without_the_reviewers_name(amazon: Build, review: Review) -> None:
    (row,) = _reviews(amazon([review(reviewerID=" U1 ")]))
    assert row == {
        "user_id": "U1",
        "item_id": "I1",
        "timestamp": 86_400,
        "rating": 4.0,
        "text": "Nice\nWorks well",
        "part": None,
    }


def test_a_review_may_lack_its_texts(amazon: Build, review: Review) -> None:
    rows_ = _reviews(amazon([review(summary=...), review(summary="", reviewText=...)]))
    assert [row["text"] for row in rows_] == ["Works well", None]


def test_a_product_becomes_a_row(amazon: Build) -> None:
    product = {
        "asin": "I1",
        "title": "A &amp; B",
        "brand": "C",
        "price": "$1",
        "category": ["X", "Y"],
    }
    full, bare = _items(amazon(items=[product, {"asin": "I2"}]))
    assert full == {
        "item_id": "I1",
        "title": "A &amp; B",
        "category": "X > Y",
        "brand": "C",
        "image_urls": [],
    }
    assert bare == {
        "item_id": "I2",
        "title": None,
        "category": None,
        "brand": None,
        "image_urls": [],
    }


A, B = "https://images.example/A.jpg", "http://images.example/B.jpg"


@pytest.mark.parametrize(
    ("fields", "urls"),
    [
        ({"imageURLHighRes": [B, A], "imageURL": ["https://images.example/thumb.jpg"]}, [B, A]),
        ({"imageURLHighRes": [], "imageURL": [A]}, [A]),
        ({"imageURLHighRes": None, "imUrl": f" {A} "}, [A]),
        ({"imageURL": A}, [A]),
        ({"imageURL": [A, B, A]}, [A, B]),
        ({"imageURL": [None, 7, "", "ftp://x/a.jpg", "data:image/png;base64,", "a.jpg", B]}, [B]),
        ({"imageURL": ["a.jpg"], "imUrl": "b.jpg"}, []),
    ],
)
def test_image_urls_are_the_largest_ones_each_once(
    amazon: Build, fields: dict[str, Any], urls: list[str]
) -> None:
    (row,) = _items(amazon(items=[{"asin": "I1", **fields}]))
    assert row["image_urls"] == urls


def test_rows_come_in_bounded_batches(
    amazon: Build, review: Review, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "BATCH_ROWS", 2)
    catalog = amazon([review(asin=f"I{i}") for i in range(5)])
    batches = list(read_reviews(catalog, catalog.domains["toys"]))
    assert [batch.num_rows for batch in batches] == [2, 2, 1]


def test_tolerated_malformed_lines_are_counted_and_left_out(amazon: Build, review: Review) -> None:
    tally = Tally()
    lines = [b'{"reviewerID": "U', review(), b"[1, 2]", review(asin="I2"), b""]
    rows_ = _reviews(amazon(lines, max_malformed_lines=3), tally)
    assert [row["item_id"] for row in rows_] == ["I1", "I2"]
    assert (tally.rows, tally.malformed) == (2, 3)


def test_one_malformed_line_too_many_is_an_error_that_shows_it(
    amazon: Build, review: Review
) -> None:
    catalog = amazon([b"{", review(), b'{"reviewerID": oops'], max_malformed_lines=1)
    with pytest.raises(
        ValueError, match=r"reviews\.json\.gz line 3 .*oops.*malformed line 2"
    ) as error:
        _reviews(catalog)
    assert "domain.toys.max_malformed_lines allows 1" in str(error.value)


def test_invalid_utf8_and_half_an_emoji_are_malformed(amazon: Build) -> None:
    for line in (b'{"asin": "\xff"}', b'{"asin": "\\ud83c"}'):
        with pytest.raises(ValueError, match="line 1 is not a JSON object"):
            _items(amazon(items=[line]))


@pytest.mark.parametrize("field", ["reviewerID", "asin", "overall", "unixReviewTime"])
def test_a_missing_required_field_is_named(amazon: Build, review: Review, field: str) -> None:
    catalog = amazon([review(), review(**{field: ...})])
    with pytest.raises(ValueError, match=f"line 2: required field '{field}' is missing"):
        _reviews(catalog)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("asin", 7),
        ("asin", "  "),
        ("overall", "five"),
        ("overall", 0),
        ("overall", 5.5),
        ("overall", True),
        ("unixReviewTime", "1"),
        ("unixReviewTime", 1.5),
        ("reviewText", 3),
    ],
)
def test_a_field_of_the_wrong_kind_is_named(
    amazon: Build, review: Review, field: str, value: Any
) -> None:
    with pytest.raises(ValueError, match=f"line 1: field '{field}' is "):
        _reviews(amazon([review(**{field: value})]))


@pytest.mark.parametrize("category", ["Toys", ["Toys", 3]])
def test_a_category_that_is_no_list_of_names_is_named(amazon: Build, category: Any) -> None:
    with pytest.raises(ValueError, match="line 1: field 'category'"):
        _items(amazon(items=[{"asin": "I1", "category": category}]))


def test_an_image_field_that_is_neither_text_nor_list_is_named(amazon: Build) -> None:
    with pytest.raises(ValueError, match=r"line 1: field 'imageURL' is 7; .* list or str"):
        _items(amazon(items=[{"asin": "I1", "imageURL": 7}]))


def test_reading_reviews_from_a_metadata_dump_names_the_missing_field(amazon: Build) -> None:
    with pytest.raises(ValueError, match="'overall' is missing; the line holds asin, title"):
        _reviews(amazon([{"asin": "I1", "title": "T"}]))


def test_a_cut_off_gzip_names_its_last_whole_line(
    amazon: Build, review: Review, tmp_path: Path
) -> None:
    catalog = amazon([review(asin=f"I{i}", reviewText=f"{i * i * 7919}") for i in range(2000)])
    path = tmp_path / "reviews.json.gz"
    path.write_bytes(path.read_bytes()[:4000])
    whole = zlib.decompressobj(31).decompress(path.read_bytes()).count(b"\n")
    assert whole > 10
    with pytest.raises(ValueError, match=rf"reviews\.json\.gz is cut off: .* after line {whole},"):
        _reviews(catalog)


def test_a_damaged_gzip_is_an_error(amazon: Build, review: Review, tmp_path: Path) -> None:
    catalog = amazon([review()])
    path = tmp_path / "reviews.json.gz"
    checksum_broken = bytearray(path.read_bytes())
    checksum_broken[-6] ^= 1
    for content in (bytes(checksum_broken), b"{}\n"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"reviews\.json\.gz is not a sound gzip file"):
            _reviews(catalog)


def test_a_missing_file_names_path_key_and_remedy(amazon: Build, tmp_path: Path) -> None:
    catalog = amazon()
    (tmp_path / "items.json.gz").unlink()
    with pytest.raises(ValueError, match=r"items\.json\.gz is missing: .*domain\.toys\.items; put"):
        _items(catalog)


@pytest.mark.parametrize(
    ("name", "count", "users", "items"),
    [
        ("Magazine_Subscriptions", 2375, 348, 157),
        ("Appliances", 2277, 47, 48),
        ("All_Beauty", 5269, 991, 85),
        ("AMAZON_FASHION", 3176, 406, 31),
    ],
)
def test_real_review_dumps_have_their_published_counts(
    real: Callable[[str], Path], amazon: Build, name: str, count: int, users: int, items: int
) -> None:
    folder, catalog = real("amazon2018-small-5core"), amazon()
    (catalog.folder / "reviews.json.gz").unlink()
    (catalog.folder / "reviews.json.gz").symlink_to(folder / f"{name}_5.json.gz")
    rows_ = _reviews(catalog)
    assert len(rows_) == count
    assert len({row["user_id"] for row in rows_}) == users
    assert len({row["item_id"] for row in rows_}) == items


def test_real_metadata_is_read_whole(real: Callable[[str], Path], amazon: Build) -> None:
    folder, catalog = real("amazon2018-giftcards-images"), amazon()
    with gzip.open(folder / "meta_Gift_Cards.json.gz") as source:
        (catalog.folder / "items.json.gz").write_bytes(gzip.compress(source.read()))
    rows_ = _items(catalog)
    assert len(rows_) == 1547
    assert sum(bool(row["title"]) for row in rows_) == 1547
    assert sum(bool(row["brand"]) for row in rows_) == 527
    assert sum(bool(row["image_urls"]) for row in rows_) == 660
    assert sum(len(row["image_urls"]) for row in rows_) == 2706  # two are repeated
    assert not any("span" in (row["category"] or "") for row in rows_)
