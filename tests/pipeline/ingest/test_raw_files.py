import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.catalog import Catalog, Domain
from pipeline.digest import digest_file
from pipeline.ingest import sample
from pipeline.ingest.formats.readers import existing_paths
from pipeline.ingest.raw import prepare_raw

Build = Callable[..., Catalog]

SMALL = sample.WorldConfig(food_users=10, kitchen_users=10, shared_users=20)


def _world_domain(name: str) -> Domain:
    return Domain(
        name=name,
        title=name,
        format="amazon-2018",
        source="sample",
        reviews=f"raw/{name}.json.gz",
        items=f"raw/meta_{name}.json.gz",
        max_rejected_rows=5,
    )


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    monkeypatch.setattr(sample, "WorldConfig", lambda: SMALL)
    domains = {name: _world_domain(name) for name in ("food", "kitchen")}
    return Catalog(folder=tmp_path, domains=domains, scenarios={})


def test_real_files_are_found_measured_and_digested(amazon: Build, tmp_path: Path) -> None:
    raw = prepare_raw(amazon(), "toys")
    path = tmp_path / "reviews.json.gz"
    assert raw.paths == {"reviews": path, "items": tmp_path / "items.json.gz"}
    assert raw.sizes["reviews"] == path.stat().st_size
    assert raw.digests["reviews"] == digest_file(path)


def test_the_digest_follows_the_files(amazon: Build, review: Callable[..., Any]) -> None:
    before = prepare_raw(amazon([review()]), "toys").digest
    assert prepare_raw(amazon([review(overall=1)]), "toys").digest != before


def test_a_half_of_a_sequence_folder_has_the_files_it_is_read_from(sequences: Build) -> None:
    catalog = sequences()
    raw = prepare_raw(catalog, "b")
    assert sorted(path.name for path in raw.paths.values()) == [
        "instance_num.txt",
        "items_B.parquet",
        "num.txt",
        "test.txt",
        "train_B.txt",
        "train_overlap.txt",
        "valid.txt",
    ]


def test_a_missing_file_names_path_key_and_remedy(amazon: Build, tmp_path: Path) -> None:
    catalog = amazon()
    (tmp_path / "reviews.json.gz").unlink()
    with pytest.raises(ValueError, match=r"domain\.toys\.reviews; put the file there") as error:
        prepare_raw(catalog, "toys")
    assert str(tmp_path / "reviews.json.gz") in str(error.value)


def test_a_folder_in_a_files_place_is_an_error(amazon: Build, tmp_path: Path) -> None:
    catalog = amazon()
    (tmp_path / "reviews.json.gz").unlink()
    (tmp_path / "reviews.json.gz").mkdir()
    with pytest.raises(ValueError, match=r"reviews\.json\.gz is no file"):
        prepare_raw(catalog, "toys")


def test_a_sample_domain_that_was_not_prepared_says_so(world: Catalog) -> None:
    with pytest.raises(ValueError, match="prepare the domain's raw files first"):
        existing_paths(world, world.domains["food"])


def test_a_sample_domain_is_generated_and_then_left_alone(world: Catalog) -> None:
    first = prepare_raw(world, "food")
    times = [path.stat().st_mtime_ns for path in first.paths.values()]
    assert prepare_raw(world, "food") == first
    other = prepare_raw(world, "kitchen")  # made together with food
    assert [path.stat().st_mtime_ns for path in first.paths.values()] == times
    assert other.digest != first.digest
    assert not list((world.folder / "raw").glob(".*"))


def test_a_damaged_or_missing_sample_file_is_made_again(world: Catalog) -> None:
    first = prepare_raw(world, "food")
    first.paths["reviews"].write_bytes(b"damaged")
    assert prepare_raw(world, "food") == first
    first.paths["items"].unlink()
    assert prepare_raw(world, "food") == first
    (world.folder / "raw" / "world.json").write_text("{")
    assert prepare_raw(world, "food") == first


def test_other_settings_make_another_world(world: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    first = prepare_raw(world, "food").digest
    changed = dataclasses.replace(SMALL, seed=1)
    monkeypatch.setattr(sample, "WorldConfig", lambda: changed)
    assert prepare_raw(world, "food").digest != first


def test_a_failure_while_generating_leaves_no_file(
    world: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(dumps: tuple[sample.Dump, sample.Dump], config: sample.WorldConfig) -> None:
        dumps[0].reviews.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(sample, "write_world", fail)
    with pytest.raises(OSError, match="disk full"):
        prepare_raw(world, "food")
    assert list((world.folder / "raw").iterdir()) == []


def test_a_world_needs_exactly_two_sample_domains(world: Catalog) -> None:
    alone = Catalog(folder=world.folder, domains={"food": world.domains["food"]}, scenarios={})
    with pytest.raises(ValueError, match=r"is two domains .* the catalog has: food"):
        prepare_raw(alone, "food")
