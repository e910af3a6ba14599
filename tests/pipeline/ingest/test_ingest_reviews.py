"""From a raw dump to the stored table of reviews: what stays, what goes."""

import dataclasses
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.catalog import BehaviourFile, Catalog, Domain
from pipeline.columns import REJECTED_ROWS, REVIEWS
from pipeline.ingest.formats import blocks, rows
from pipeline.ingest.reviews import ingest_reviews
from pipeline.store import Store
from tests.pipeline.ingest.raw_lines import put_reviews

Build = Callable[..., Catalog]
Review = Callable[..., dict[str, Any]]


def test_of_reviews_of_one_item_by_one_user_the_earliest_stays(
    amazon: Build, review: Review, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "BATCH_ROWS", 2)
    monkeypatch.setattr(
        blocks.read_blocks, "__defaults__", (400, None)
    )  # duplicates in many blocks
    lines = [
        review(unixReviewTime=30, summary="third"),
        review(unixReviewTime=10, summary="first"),
        review(asin="I2", unixReviewTime=10),
        review(reviewerID=" U1", unixReviewTime=10, summary="as early, further down"),
        review(reviewerID="U2", unixReviewTime=40),
    ]
    outcome = ingest_reviews(amazon(lines), "toys", store)
    table = store.read_table("reviews/toys")
    assert table.schema.equals(REVIEWS)
    kept = list(zip(*(table[name].to_pylist() for name in REVIEWS.names[:3]), strict=True))
    assert kept == [("U1", "I1", 10), ("U1", "I2", 10), ("U2", "I1", 40)]
    assert table["text"][0].as_py() == "first\nWorks well"
    assert outcome.facts == {
        "rows_in": 5,
        "rejected_rows": 0,
        "dropped_duplicates": 2,
        "changed_ids_trimmed": 1,
        "rows_out": 3,
    }
    assert store.read_table("rejected_rows/toys/reviews").num_rows == 0


def test_it_tells_how_many_rows_it_has_read_and_how_fast(
    amazon: Build, review: Review, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks.read_blocks, "__defaults__", (400, None))  # many blocks
    told: list[dict[str, Any]] = []
    lines = [review(reviewerID=f"U{number}") for number in range(20)]
    ingest_reviews(amazon(lines), "toys", store, lambda _, figures: told.append(dict(figures)))
    assert len(told) > 5 and told[-1]["rows_read"] == 20
    assert all(figures["rows_per_second"] > 0 for figures in told)
    shares = [figures["percent_read"] for figures in told]
    assert shares == sorted(shares) and shares[-1] == 100.0
    assert told[-1]["seconds_to_go"] == 0.0 and told[-1]["file"] == "reviews.json.gz"


def test_texts_are_cleaned_and_the_preview_has_none(
    amazon: Build, review: Review, store: Store
) -> None:
    catalog = amazon([review(summary="A &amp; B", reviewText="so<br/>good\x00"), b"{"], (), 1)
    outcome = ingest_reviews(catalog, "toys", store)
    assert store.read_table("reviews/toys")["text"].to_pylist() == ["A & B\nso good"]
    assert outcome.facts["rejected_rows"] == 1
    assert outcome.facts["changed_texts_cleaned"] == 1
    assert outcome.preview is not None
    assert "text" not in outcome.preview.column_names
    assert outcome.preview.num_rows == 1


def test_ids_with_commas_tabs_and_line_breaks_stay_what_they_are(
    amazon: Build, review: Review, store: Store
) -> None:
    ids = ["a,b", "a\tb", "a\nb", "a b", 'a"b', "é\U0001f600", "a'b", "a\\b"]
    lines = [review(asin=f" {name}\n", reviewerID=f"\t{name}") for name in ids]
    ingest_reviews(amazon(lines), "toys", store)
    table = store.read_table("reviews/toys")
    assert table["item_id"].to_pylist() == table["user_id"].to_pylist() == ids


def test_names_of_people_are_stored_nowhere(amazon: Build, review: Review, store: Store) -> None:
    name = "Zaphod Beeblebrox"
    extra = {"reviewerName": name, "vote": name, "style": {"by": name}, "image": [name], name: 1}
    lines: list[Any] = [review(reviewerID=f"U{i}", **extra) for i in range(50)]
    lines += [
        json.dumps(review(**extra))[:-1].encode(),
        review(**extra, asin=...),
        review(**extra, overall="five"),
        review(**extra, reviewerID="U9", unixReviewTime=-5),
        repr(review(**extra, asin="I9")).encode(),
        b"{'reviewerName': '" + name.encode() + b"', 'asin': }",
        name.encode(),
    ]
    outcome = ingest_reviews(amazon(lines, max_rejected_rows=9), "toys", store)
    assert outcome.facts["rejected_rows"] == 5
    for key in ("reviews/toys", "rejected_rows/toys/reviews"):
        for column in store.read_table(key).columns:
            assert "Zaphod" not in str(column.to_pylist())
    assert all(b"Zaphod" not in path.read_bytes() for path in store.root.rglob("*.*"))
    assert "Zaphod" not in str(outcome.facts) + str(outcome.tables)
    assert outcome.preview is not None and "Zaphod" not in str(outcome.preview.to_pylist())


def test_repeats_stay_where_the_domain_keeps_them(
    amazon: Build, review: Review, store: Store
) -> None:
    catalog = amazon([review(unixReviewTime=time) for time in (3, 1, 3)])
    domain = dataclasses.replace(catalog.domains["toys"], keep_repeats=True)
    catalog = dataclasses.replace(catalog, domains={"toys": domain})
    assert ingest_reviews(catalog, "toys", store).facts["dropped_duplicates"] == 1
    assert store.read_table("reviews/toys")["timestamp"].to_pylist() == [3, 1]


def test_behaviours_of_one_user_and_item_are_told_apart(tmp_path: Path, store: Store) -> None:
    files = tuple(
        BehaviourFile(behaviour=name, file=f"{name}.txt") for name in ("view", "cart", "buy")
    )
    for entry in files:
        (tmp_path / entry.file).write_text("U I1 I2 I1\n")
    domain = Domain(
        name="tmall", title="t", format="behaviour-files", folder=".", behaviour_files=files
    )
    catalog = Catalog(folder=tmp_path, domains={"tmall": domain}, scenarios={})
    assert ingest_reviews(catalog, "tmall", store).facts["dropped_duplicates"] == 3
    table = store.read_table("reviews/tmall")
    assert table["behaviour"].to_pylist() == ["view", "view", "cart", "cart", "buy", "buy"]
    assert table["timestamp"].to_pylist() == [0, 1] * 3


def test_parts_of_a_published_split_are_kept(sequences: Build, store: Store) -> None:
    outcome = ingest_reviews(sequences(), "a", store)
    parts = store.read_table("reviews/a")["part"].to_pylist()
    assert parts == ["single"] * 4 + ["overlap"] * 2 + ["valid", "test"]
    assert outcome.facts["rows_out"] == 8


def test_equal_files_give_equal_digests_however_they_are_packed(
    amazon: Build, review: Review, store: Store
) -> None:
    catalog = amazon([review(), review(asin="I2")])
    first = ingest_reviews(catalog, "toys", store).artifact.digest
    data = gzip.decompress((catalog.folder / "reviews.json.gz").read_bytes())
    for packed in (data, gzip.compress(data, 1), pa.compress(data, codec="zstd", asbytes=True)):
        put_reviews(catalog, packed)
        assert ingest_reviews(catalog, "toys", store).artifact.digest == first
    assert ingest_reviews(amazon([review(asin="I9")]), "toys", store).artifact.digest != first


def test_rejected_rows_are_stored_with_file_line_and_reason(
    amazon: Build, review: Review, store: Store
) -> None:
    lines = [review(), b'{"reviewerID": "U', b"\xff", review(asin="I2"), review(overall="five")]
    outcome = ingest_reviews(amazon(lines, max_rejected_rows=3), "toys", store)
    table = store.read_table("rejected_rows/toys/reviews")
    assert table.schema.equals(REJECTED_ROWS)
    assert [(row["file"], row["row"]) for row in table.to_pylist()] == [
        ("reviews.json.gz", 2),
        ("reviews.json.gz", 3),
        ("reviews.json.gz", 5),
    ]
    assert table["reason"][2].as_py() == "field 'overall' is 'five'; it must be a number"
    assert (outcome.facts["rows_in"], outcome.facts["rows_out"]) == (5, 2)
    assert "| reviews.json.gz | 5 |" in outcome.tables["rejected rows"]
    assert "| rejected | 3 |" in outcome.tables["rules"]


def test_a_user_may_have_very_many_reviews(amazon: Build, store: Store) -> None:
    count = 1_000_000
    line = '{"reviewerID":"U","asin":"I%d","overall":5,"unixReviewTime":%d}\n'
    catalog = amazon()
    put_reviews(catalog, "".join(line % (i, i) for i in range(count)).encode())
    facts = ingest_reviews(catalog, "toys", store).facts
    assert (facts["rows_in"], facts["rows_out"]) == (count, count)


def test_real_duplicates_are_dropped(
    real: Callable[[str], Path], amazon: Build, store: Store
) -> None:
    folder, catalog = real("amazon2018-small-5core"), amazon()
    put_reviews(catalog, (folder / "All_Beauty_5.json.gz").read_bytes())
    facts = ingest_reviews(catalog, "toys", store).facts
    table = store.read_table("reviews/toys")
    assert (facts["rows_in"], facts["rejected_rows"]) == (5269, 0)
    assert (facts["dropped_duplicates"], facts["rows_out"]) == (1177, 4092)
    assert len(table["user_id"].unique()) == 991
    assert len(table["item_id"].unique()) == 85


def test_names_in_a_real_dump_are_stored_nowhere(
    real: Callable[[str], Path], amazon: Build, store: Store
) -> None:
    path = real("amazon2018-small-5core") / "Appliances_5.json.gz"
    with gzip.open(path) as file:
        entries = [json.loads(line) for line in file]
    names = {entry["reviewerName"] for entry in entries if " " in entry.get("reviewerName", "")}
    catalog = amazon()
    put_reviews(catalog, path.read_bytes())
    ingest_reviews(catalog, "toys", store)
    table = store.read_table("reviews/toys")
    stored = {value for name in REVIEWS.names for value in table[name].to_pylist()}
    assert len(names) > 20 and not names & stored
