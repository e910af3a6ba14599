"""Every user gets one part."""

from dataclasses import replace

import polars as pl
import pytest

from pipeline.catalog import Scenario, Split
from pipeline.prepare.splits import assign_parts

SCENARIO = Scenario(name="little", domains=("food", "tools"), split=Split(valid=0.1, test=0.25))


def users(num_single: int, num_overlap: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "user_id": [f"user-{i:03}" for i in range(num_single + num_overlap)],
            "num_domains": [1] * num_single + [2] * num_overlap,
            "part": pl.Series([None] * (num_single + num_overlap), dtype=pl.String),
        }
    )


def parts(sequences: pl.DataFrame, scenario: Scenario = SCENARIO) -> dict[str, str]:
    return dict(assign_parts(sequences, scenario).select("user_id", "part").iter_rows())


def test_shares_are_of_overlap_users_and_single_domain_users_train() -> None:
    found = parts(users(7, 40))
    counts = {part: list(found.values()).count(part) for part in set(found.values())}
    assert counts == {"single": 7, "valid": 4, "test": 10, "overlap": 26}
    assert {found[f"user-{i:03}"] for i in range(7)} == {"single"}


def test_the_seed_decides_and_the_order_of_rows_does_not() -> None:
    sequences = users(3, 40)
    assert parts(sequences) == parts(sequences[::-1])
    other = replace(SCENARIO, split=replace(SCENARIO.split, seed=1))
    assert parts(sequences) != parts(sequences, other)


@pytest.mark.parametrize("num_overlap", [1, 4])
def test_too_few_shared_users_for_the_shares_are_refused(num_overlap: int) -> None:
    with pytest.raises(
        ValueError, match=f"of {num_overlap} users of several domains 0 would valid"
    ):
        parts(users(7, num_overlap))


def test_published_parts_are_kept() -> None:
    sequences = users(1, 3).with_columns(part=pl.Series(["single", "valid", "test", "overlap"]))
    published = replace(SCENARIO, split=Split(kind="published"))
    assert list(parts(sequences, published).values()) == ["single", "valid", "test", "overlap"]


@pytest.mark.parametrize("part", [None, "train"])
def test_a_user_without_a_published_part_is_named(part: str | None) -> None:
    sequences = users(0, 2).with_columns(part=pl.Series(["valid", part]))
    published = replace(SCENARIO, split=Split(kind="published"))
    with pytest.raises(ValueError, match=r"'user-001' has part .*allowed: single, overlap") as said:
        parts(sequences, published)
    assert "scenario.little.split.kind = 'random'" in str(said.value)
