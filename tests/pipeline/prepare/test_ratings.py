"""Cold-start ratings: who trains and who is cold, judged by a checker of its own."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.catalog import Scenario, Split
from pipeline.columns import INTERACTIONS, RATINGS, VOCABULARY
from pipeline.prepare.rating_leaks import check_rating_leaks, check_stored_ratings, checked_ratings
from pipeline.prepare.ratings import build_ratings
from pipeline.store import Store

Rated = list[dict[str, Any]]
SCENARIO = Scenario(
    name="movie-to-music",
    domains=("movie", "music"),
    task="cold-start-rating",
    split=Split(kind="random", cold_ratios=(0.2, 0.5, 0.8)),
)


def write(store: Store, rated: Rated) -> None:
    table = pa.Table.from_pylist(rated, schema=INTERACTIONS)
    store.write_table("interactions/movie-to-music", INTERACTIONS, table)
    names = sorted({(row["domain"], row["item_id"]) for row in rated})
    rows = [
        {"item": i, "domain": domain, "item_id": item, "title": "", "text": "", "has_title": True}
        for i, (domain, item) in enumerate(names, start=1)
    ]
    table = pa.Table.from_pylist(rows, schema=VOCABULARY)
    store.write_table("vocabulary/movie-to-music", VOCABULARY, table)


def world(seed: int = 0, overlap: int = 70, single: int = 6) -> Rated:
    generator = np.random.default_rng(seed)
    groups = [("both", overlap, ("movie", "music"))]
    groups += [("side", single, ("music",)), ("aux", single, ("movie",))]
    rows: Rated = []
    for group, count, domains in groups:
        for user in range(count):
            for domain in domains:
                for item in generator.permutation(9)[: generator.integers(1, 5)]:
                    rows.append(
                        {
                            "user_id": f"{group}-{user:02}",
                            "domain": domain,
                            "item_id": f"i{item}",
                            "timestamp": int(generator.integers(50)),
                            "rating": float(generator.integers(1, 6)),
                        }
                    )
    return [rows[i] for i in generator.permutation(len(rows))]


def build(store: Store, rated: Rated, scenario: Scenario = SCENARIO) -> pl.DataFrame:
    write(store, rated)
    build_ratings(scenario, store)
    return pl.DataFrame(pl.from_arrow(store.read_table("ratings/movie-to-music")))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 99),
    overlap=st.integers(60, 90),
    single=st.integers(0, 4),
    valid=st.floats(0.1, 0.15),
)
def test_the_table_holds_to_the_protocol(
    seed: int, overlap: int, single: int, valid: float
) -> None:
    rated = world(seed, overlap, single)
    scenario = replace(SCENARIO, split=replace(SCENARIO.split, seed=seed, valid=valid))
    with TemporaryDirectory() as folder:
        table = build(Store(Path(folder)), rated, scenario)
    domains: dict[str, set[str]] = {}
    for row in rated:
        domains.setdefault(row["user_id"], set()).add(row["domain"])
    tested: list[set[str]] = []
    for ratio in (0.2, 0.5, 0.8):
        rows = table.filter(pl.col("cold_ratio") == pl.lit(ratio, pl.Float32)).to_dicts()
        found = sorted((r["user_id"], r["domain"], r["timestamp"], r["rating"]) for r in rows)
        assert found == sorted(
            (r["user_id"], r["domain"], r["timestamp"], r["rating"]) for r in rated
        )
        test = {row["user_id"] for row in rows if row["part"] == "test"}
        validation = {row["user_id"] for row in rows if row["part"] == "valid"}
        assert len(test) == round(ratio * overlap)
        assert len(validation) == round(valid * (overlap - len(test))) and not test & validation
        for row in rows:
            own = domains[row["user_id"]]
            if len(own) == 1:
                expected = ("side" if "music" in own else "auxiliary", "train")
            elif row["user_id"] in test | validation:
                part = "test" if row["user_id"] in test else "valid"
                expected = ("cold", part if row["domain"] == "music" else "train")
            else:
                expected = ("overlap", "train")
            assert (row["role"], row["part"]) == expected
        assert all(test >= smaller for smaller in tested)
        tested.append(test)
    assert {row["user"] for row in rows} == set(range(len(domains)))


def test_the_order_of_interactions_changes_nothing(store: Store) -> None:
    rated = world()
    first = build(store, rated)
    assert build(store, rated[::-1]).equals(first)


def test_another_seed_tests_other_users(store: Store) -> None:
    other = replace(SCENARIO, split=replace(SCENARIO.split, seed=1))
    test = [
        set(build(store, world(), scenario).filter(part="test")["user_id"])
        for scenario in (SCENARIO, other)
    ]
    assert test[0] != test[1]


def test_what_is_written_can_be_checked_again(store: Store) -> None:
    table = build(store, world())
    check_stored_ratings(SCENARIO, store)
    leaking = table.with_columns(pl.lit("train").alias("part"))
    store.write_table("ratings/movie-to-music", RATINGS, leaking.to_arrow())
    with pytest.raises(ValueError, match="a cold user's target rating trains"):
        check_stored_ratings(SCENARIO, store)


def test_people_read_how_many_users_each_ratio_has(store: Store) -> None:
    write(store, world(overlap=100, single=3))
    outcome = build_ratings(SCENARIO, store)
    assert outcome.facts["overlap_users"] == 100
    assert outcome.facts["side_users"] == outcome.facts["auxiliary_users"] == 3
    lines = outcome.tables["cold ratios"].splitlines()
    assert lines[2].startswith("| 0.2 | 72 | 8 | 20 |") and len(lines) == 5
    assert outcome.preview is not None and "user_id" not in outcome.preview.column_names


def test_missing_ratings_are_counted_by_domain(store: Store) -> None:
    rated = world()
    for row in [row for row in rated if row["domain"] == "music"][:3]:
        row["rating"] = None
    with pytest.raises(ValueError, match="3 interactions of domain 'music' have no rating"):
        build(store, rated)


def test_too_few_training_users_are_named_with_their_ratio(store: Store) -> None:
    with pytest.raises(ValueError, match=r"at cold ratio 0.8 of 50 overlap users 9 train, 1 valid"):
        build(store, world(overlap=50))


def test_an_empty_validation_part_is_an_error(store: Store) -> None:
    scenario = replace(SCENARIO, split=replace(SCENARIO.split, valid=0.01))
    with pytest.raises(ValueError, match="0 validate"):
        build(store, world(), scenario)


def test_a_vocabulary_that_lacks_an_item_is_named(store: Store) -> None:
    write(store, world())
    known = store.read_table("vocabulary/movie-to-music").slice(1)
    store.write_table("vocabulary/movie-to-music", VOCABULARY, known)
    with pytest.raises(ValueError, match="item 'i0' of domain 'movie' is not in the vocabulary"):
        build_ratings(SCENARIO, store)


COLD = (pl.col("role") == "cold") & (pl.col("domain") == "music")
LEAKS: dict[str, tuple[pl.Expr, str, Any]] = {
    "a cold user's target rating trains": (COLD, "part", "train"),
    "held out, yet no target rating": (pl.col("domain") == "movie", "part", "test"),
    "one user has several roles": (
        (pl.col("role") == "cold") & (pl.col("domain") == "movie"),
        "role",
        "overlap",
    ),
    "an overlap user lacks a domain": (pl.col("role") == "side", "role", "overlap"),
    "a side user has both domains": (pl.col("role") == "overlap", "role", "side"),
    "an auxiliary user rates": (pl.col("role") == "overlap", "role", "auxiliary"),
    "one user has several numbers": (pl.col("rating") > 3, "user", 0),
}


@pytest.mark.parametrize("what", LEAKS)
def test_each_planted_leak_is_found(store: Store, what: str) -> None:
    rows, column, value = LEAKS[what]
    table = build(store, world())
    check_rating_leaks(table, SCENARIO)
    dtype = table.schema[column]
    planted = pl.when(rows).then(pl.lit(value, dtype)).otherwise(column).alias(column)
    with pytest.raises(ValueError, match=what):
        check_rating_leaks(table.with_columns(planted), SCENARIO)


def test_a_cold_user_without_auxiliary_ratings_is_found(store: Store) -> None:
    table = build(store, world())
    without = table.filter((pl.col("role") != "cold") | (pl.col("domain") == "music"))
    with pytest.raises(ValueError, match="a cold user has no auxiliary ratings"):
        check_rating_leaks(without, SCENARIO)


def test_a_user_who_validates_and_tests_at_one_ratio_is_found(store: Store) -> None:
    table = build(store, world())
    nth = pl.int_range(pl.len()).over("cold_ratio", "user", "domain")
    part = pl.when(COLD & (nth == 0)).then(pl.lit("valid")).otherwise("part").alias("part")
    with pytest.raises(ValueError, match="target ratings lie in several parts"):
        check_rating_leaks(table.with_columns(part), SCENARIO)


def test_test_users_that_are_not_nested_are_found(store: Store) -> None:
    table = build(store, world())
    gone = table.filter(part="test")["user_id"][0]
    at_half = (pl.col("cold_ratio") == 0.5) & (pl.col("user_id") == gone)
    with pytest.raises(ValueError, match=f"{gone!r} tests at 0.2 and not at 0.5"):
        check_rating_leaks(table.filter(~at_half), SCENARIO)


def test_a_cold_ratio_in_two_places_is_found(store: Store) -> None:
    table = build(store, world()).filter(pl.col("cold_ratio") < 0.3)
    with pytest.raises(ValueError, match=r"cold ratio 0.2: its rows must stand together"):
        list(checked_ratings([table, table], SCENARIO))
