"""Raw files start the ingest of their domain: once, when they have settled, and are new."""

import gzip
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from assets.definitions import build_defs, defs
from assets.resources import Workspace
from assets.stages.ingest import ingest_assets

MORE = """
[domain.herbs]
title = "herbs"
within = "garden"
paths = ["* > Herbs"]
images = { folder = "pictures" }
"""
Tick = Callable[[], list[dg.RunRequest]]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def current(workspace: Callable[..., Workspace]) -> Workspace:
    return workspace(more=MORE)


@pytest.fixture
def tick(current: Workspace, instance: dg.DagsterInstance) -> Tick:
    """A tick of a sensor that has just been switched on, and those that follow."""
    repository = build_defs(current).get_repository_def()
    cursors: list[str | None] = [None]

    def call() -> list[dg.RunRequest]:
        context = dg.build_sensor_context(
            instance=instance, cursor=cursors[-1], repository_def=repository
        )
        data = repository.get_sensor_def("raw_files").evaluate_tick(context)
        assert bool(data.run_requests) != bool(data.skip_message)
        cursors.append(data.cursor)
        return list(data.run_requests or [])

    return call


@pytest.fixture
def garden(tmp_path: Path) -> Path:
    """The folder of the garden's files, which are there."""
    (tmp_path / "raw").mkdir()
    write(tmp_path / "raw" / "garden.json.gz", {"asin": "I1", "reviewerID": "U1", "overall": 5.0})
    write(tmp_path / "raw" / "meta_garden.json.gz", {"asin": "I1", "title": "spade"})
    return tmp_path / "raw"


def write(path: Path, line: dict[str, object], lines: int = 1) -> None:
    text = (json.dumps({"unixReviewTime": 1_500_000_000} | line) + "\n") * lines
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def asked_for(requests: list[dg.RunRequest]) -> list[str | None]:
    return [request.partition_key for request in requests]


def ingest(request: dg.RunRequest, current: Workspace, instance: dg.DagsterInstance) -> None:
    dg.materialize(
        ingest_assets(current.catalog),
        selection=list(request.asset_selection or []),
        partition_key=request.partition_key,
        instance=instance,
        resources={"workspace": current},
    )


def test_sensors_are_off() -> None:
    sensors = {sensor.name: sensor for sensor in defs.sensors or []}
    assert set(sensors) == {"raw_files", "retraining"}
    for sensor in sensors.values():
        assert sensor.default_status is dg.DefaultSensorStatus.STOPPED  # type: ignore[union-attr]


def test_files_are_ingested_once_when_they_were_the_same_at_two_ticks(
    tick: Tick, garden: Path, current: Workspace, instance: dg.DagsterInstance
) -> None:
    assert tick() == []
    (request,) = tick()
    assert request.partition_key == "garden"
    names = [key.to_user_string() for key in request.asset_selection or []]
    assert sorted(names) == ["items", "raw", "reviews"]  # the garden has no images
    assert [tick() for _ in range(3)] == [[], [], []]
    ingest(request, current, instance)
    assert [tick() for _ in range(3)] == [[], [], []]
    assert instance.get_latest_materialization_event(dg.AssetKey("reviews")) is not None


def test_a_file_that_grows_waits(tick: Tick, garden: Path) -> None:
    for lines in range(2, 6):
        write(garden / "garden.json.gz", {"asin": "I1"}, lines=1000 * lines)
        assert tick() == []
    assert asked_for(tick()) == ["garden"]


def test_a_file_that_is_copied_under_another_name_is_none(tick: Tick, garden: Path) -> None:
    part = garden / "garden.json.gz.part"
    (garden / "garden.json.gz").rename(part)
    assert [tick() for _ in range(3)] == [[], [], []]
    part.rename(garden / "garden.json.gz")
    assert tick() == []
    assert asked_for(tick()) == ["garden"]


def test_a_folder_that_goes_and_comes_back_is_no_news(
    tick: Tick, garden: Path, current: Workspace
) -> None:
    tick()
    assert asked_for(tick()) == ["garden"]
    away = garden.with_name("away")
    garden.rename(away)
    assert [tick(), tick()] == [[], []]
    away.rename(garden)
    assert [tick() for _ in range(3)] == [[], [], []]


def test_what_is_ingested_already_is_left_alone_when_the_sensor_is_switched_on(
    tick: Tick, garden: Path, current: Workspace, instance: dg.DagsterInstance
) -> None:
    keys = [dg.AssetKey(name) for name in ("raw", "items", "reviews")]
    ingest(dg.RunRequest(partition_key="garden", asset_selection=keys), current, instance)
    assert [tick() for _ in range(3)] == [[], [], []]
    os.utime(garden / "garden.json.gz", (1, 1))
    assert tick() == []
    assert asked_for(tick()) == ["garden"]


def test_replaced_files_start_a_run_and_so_do_the_old_ones_put_back(
    tick: Tick, garden: Path, current: Workspace, instance: dg.DagsterInstance
) -> None:
    reviews, kept = garden / "garden.json.gz", garden / "kept"
    reviews.rename(kept)
    keys = []
    for turn in range(4):
        if turn % 2:
            write(garden / "new", {"asin": "I1", "reviewerID": f"U{turn}", "overall": 1.0}, turn)
            os.utime(garden / "new", (turn, turn))
        else:
            os.link(kept, garden / "new")
        os.replace(garden / "new", reviews)
        assert tick() == []
        (request,) = tick()
        ingest(request, current, instance)
        keys.append(request.run_key)
    assert len(set(keys)) == 4


def test_a_sub_domain_is_ingested_with_its_parent_and_with_its_own_images(
    tick: Tick, garden: Path, tmp_path: Path
) -> None:
    (tmp_path / "pictures").mkdir()
    tick()
    requests = tick()
    assert asked_for(requests) == ["garden", "herbs"]
    assert dg.AssetKey("item_images") in (requests[1].asset_selection or [])
    (tmp_path / "pictures" / "I1.jpg").write_bytes(b"picture")
    assert tick() == []
    assert asked_for(tick()) == ["herbs"]


def test_the_cursor_holds_the_catalogs_domains_and_no_more(
    workspace: Callable[..., Workspace], instance: dg.DagsterInstance, garden: Path
) -> None:
    repository = build_defs(workspace()).get_repository_def()
    sensor = repository.get_sensor_def("raw_files")

    def cursor_after(cursor: str | None) -> str:
        context = dg.build_sensor_context(
            instance=instance, cursor=cursor, repository_def=repository
        )
        return str(sensor.evaluate_tick(context).cursor)

    gone = json.dumps({"gone": {"seen": "a", "settled": None}})
    assert set(json.loads(cursor_after(gone))) == {"garden"}
    with pytest.raises(ValueError, match="clear it on the sensor's page"):
        cursor_after('{"garden": 3}')
