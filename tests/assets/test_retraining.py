"""New data starts the training of a scenario again; nothing else does, and once is enough."""

import functools
from collections.abc import Callable, Iterator

import dagster as dg
import pytest

from assets.definitions import build_defs
from assets.resources import Workspace
from assets.stages.ingest import ingest_assets
from assets.stages.prepare import prepare_assets
from assets.stages.train import train_assets
from pipeline.ingest import sample
from tests.refresh_names import refresh_names

TRAINING = "training = { seeds = [0], max_epochs = 1 }"
SYSTEMS = f'{TRAINING}\nsystems = ["popularity"]'


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def current(workspace: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch) -> Workspace:
    _world(monkeypatch, seed=0)
    return workspace(training=SYSTEMS, more='systems = ["popularity"]')


def _world(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    tiny = functools.partial(
        sample.WorldConfig, food_users=60, kitchen_users=60, shared_users=80, seed=seed
    )
    monkeypatch.setattr(sample, "WorldConfig", tiny)


def tick(current: Workspace, instance: dg.DagsterInstance) -> list[dg.RunRequest]:
    repository = build_defs(current).get_repository_def()
    context = dg.build_sensor_context(instance=instance, repository_def=repository)
    data = repository.get_sensor_def("retraining").evaluate_tick(context)
    assert data.run_requests or data.skip_message == "no trained scenario has new data"
    return list(data.run_requests or [])


def refreshed(current: Workspace, instance: dg.DagsterInstance) -> list[str]:
    """What `everything` does of it: up to the weights."""
    catalog = current.catalog
    assets = [*ingest_assets(catalog), *prepare_assets(catalog), *train_assets(catalog)]
    return refresh_names(assets, current, "small", instance)


def reingested(current: Workspace, instance: dg.DagsterInstance) -> None:
    for domain in ("food", "kitchen"):
        dg.materialize(
            ingest_assets(current.catalog),
            partition_key=domain,
            instance=instance,
            resources={"workspace": current},
        )


def test_new_reviews_start_one_run_for_the_scenario_that_was_trained_from_the_old_ones(
    current: Workspace,
    workspace: Callable[..., Workspace],
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reingested(current, instance)
    assert tick(current, instance) == []  # nothing was ever trained
    assert "weights/popularity[small]" in refreshed(current, instance)
    assert tick(current, instance) == []
    reingested(current, instance)
    assert tick(current, instance) == []  # new, and the same

    _world(monkeypatch, seed=1)
    reingested(current, instance)
    (request,) = tick(current, instance)
    assert request.partition_key == "small" and request.tags["dagster/partition"] == "small"
    (again,) = tick(current, instance)
    assert again.run_key == request.run_key  # a run that failed is not started again

    run = instance.create_run_for_job(
        build_defs(current).resolve_job_def("everything"),
        tags={"dagster/partition": "small"},
        status=dg.DagsterRunStatus.STARTED,
    )
    assert tick(current, instance) == []  # it is being brought up to date
    instance.delete_run(run.run_id)

    assert "weights/popularity[small]" in refreshed(current, instance)
    assert tick(current, instance) == []
    longer = workspace(
        training=SYSTEMS.replace("epochs = 1", "epochs = 2"), more='systems = ["popularity"]'
    )
    assert tick(longer, instance) == []  # a catalog that changed is a person's affair

    _world(monkeypatch, seed=2)
    reingested(current, instance)
    (later,) = tick(current, instance)
    assert later.run_key != request.run_key
