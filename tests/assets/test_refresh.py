"""Bringing a scenario up to date. Also guards what assets/staleness/recorded.py uses of Dagster's
insides."""

import functools
import gzip
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.errors import DagsterAssetCheckFailedError

import assets.checks
import assets.present
import assets.stages.ingest
import assets.stages.prepare
from assets.checks import checks_of
from assets.definitions import all_assets, build_defs
from assets.resources import PROJECT, Workspace
from assets.stages.ingest import ingest_assets
from assets.stages.prepare import prepare_assets
from assets.staleness.causes import Cause, Part
from assets.staleness.refresh import Step, told
from pipeline.finding import Finding
from pipeline.ingest import sample
from pipeline.outcome import Outcome
from pipeline.store import Store
from tests.refresh_names import refresh_names

Refresh = Callable[..., list[str]]

INGEST = {f"{name}[{d}]" for name in ("raw", "reviews", "items") for d in ("food", "kitchen")}
INTERACTIONS, CARD = "interactions[small]", "dataset_card[small]"
PREPARE = [INTERACTIONS, CARD, "vocabulary[small]", "sequences[small]", "candidates[small]"]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def refreshed(
    workspace: Callable[..., Workspace],
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> Refresh:
    """Refresh `small` with the catalog as changed: ingest and prepare of a tiny world."""
    tiny = functools.partial(sample.WorldConfig, food_users=60, kitchen_users=60, shared_users=80)
    monkeypatch.setattr(sample, "WorldConfig", tiny)

    def call(only: str | None = None, force: Sequence[str] = (), **changes: str) -> list[str]:
        current = workspace(**changes)
        assets = [*ingest_assets(current.catalog), *prepare_assets(current.catalog)]
        return refresh_names(assets, current, "small", instance, only=only, force=force)

    return call


def _digests(instance: dg.DagsterInstance) -> dict[str, str]:
    """The digest of each prepared artifact as last materialized."""
    found = {}
    for name in PREPARE:
        key = dg.AssetKey(name.removesuffix("[small]"))
        event = instance.get_latest_materialization_event(key)
        assert event is not None and event.asset_materialization is not None
        found[name] = str(event.asset_materialization.metadata["digest"].value)
    return found


def test_what_is_missing_is_materialized_in_topological_order(refreshed: Refresh) -> None:
    done = refreshed()
    assert set(done[:6]) == INGEST
    assert done[6:] == PREPARE
    for domain in ("food", "kitchen"):
        assert done.index(f"raw[{domain}]") < done.index(f"reviews[{domain}]")
        assert done.index(f"raw[{domain}]") < done.index(f"items[{domain}]")


_AGAIN = """
import sys
import dagster as dg
from assets.stages.ingest import ingest_assets
from assets.stages.prepare import prepare_assets
from assets.staleness.refresh import Step, told
from tests.refresh_names import refresh_names
from assets.resources import PROJECT, Workspace
workspace = Workspace(data=sys.argv[1])
assets = [*ingest_assets(workspace.catalog), *prepare_assets(workspace.catalog)]
with dg.DagsterInstance.local_temp(sys.argv[2]) as instance:
    print(refresh_names(assets, workspace, "small", instance), instance.get_runs_count() == 11)
print({"torch", "vllm", "transformers", "faiss", "sentence_transformers"} & set(sys.modules))
"""


def test_a_fresh_process_finds_nothing_to_do_and_loads_no_model(
    workspace: Callable[..., Workspace], refreshed: Refresh, tmp_path: Path
) -> None:
    del refreshed  # for its tiny world
    current, home = workspace(), tmp_path / "home"
    home.mkdir()
    assets = [*ingest_assets(current.catalog), *prepare_assets(current.catalog)]
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        assert len(refresh_names(assets, current, "small", instance)) == 11
    command = [sys.executable, "-c", _AGAIN, str(tmp_path), str(home)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == ["[] True", "set()"]


def test_a_changed_k_core_reruns_what_changes_and_its_return_restores_every_digest(
    refreshed: Refresh, instance: dg.DagsterInstance
) -> None:
    refreshed()
    first = _digests(instance)
    assert refreshed(filters="filters = { k_core = 3 }") == PREPARE
    second = _digests(instance)
    assert all(first[name] != second[name] for name in PREPARE)
    assert refreshed() == PREPARE
    assert _digests(instance) == first


def test_an_equal_digest_stops_the_wave(refreshed: Refresh) -> None:
    refreshed()
    # Everything of the synthetic world is later than 1970: the window takes nothing away.
    # The card says which filters there are, so it is written again.
    assert refreshed(filters="filters = { k_core = 4, start = 0 }") == [INTERACTIONS, CARD]


def test_a_changed_split_leaves_what_is_above_it_alone(refreshed: Refresh) -> None:
    refreshed()
    assert refreshed(split="split = { valid = 0.1, test = 0.6 }") == PREPARE[3:]


def test_a_domains_new_title_and_a_rule_that_takes_nothing_away_stop_early(
    refreshed: Refresh, caplog: pytest.LogCaptureFixture
) -> None:
    refreshed()
    assert refreshed(food_title='title = "groceries"') == [CARD]
    assert refreshed() == [CARD]
    caplog.set_level("INFO", "pipeline.refresh")
    done = refreshed(food_title='title = "food"\nmax_dropped_share = 0.5')
    assert done == ["raw[food]", "items[food]", "reviews[food]"]
    said = [record.getMessage() for record in caplog.records if "recomputed" in record.msg]
    # The card reads items and reviews too: below each of them are all five of the scenario.
    assert said == [
        "raw[food]: recomputed, same digest: 5 assets below stayed fresh",
        "items[food]: recomputed, same digest: 5 assets below stayed fresh",
        "reviews[food]: recomputed, same digest: 5 assets below stayed fresh",
    ]


def test_files_that_are_not_what_was_recorded_are_made_again_and_nothing_below_them(
    refreshed: Refresh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def power_cut(*arguments: object) -> None:
        raise RuntimeError("after the file was written, before Dagster knew of it")

    refreshed()
    os.utime(tmp_path / "raw/food.json.gz", (1, 1))
    Store(tmp_path / "store").delete("sequences/small", ".parquet")
    with monkeypatch.context() as patch:
        patch.setattr(assets.present, "_metadata", power_cut)
        with pytest.raises(RuntimeError, match="before Dagster knew"):
            refreshed(only="prepare", filters="filters = { k_core = 3 }")
    # With the parameters as they were, interactions would pass for fresh but for their digest.
    assert refreshed() == ["raw[food]", INTERACTIONS, "sequences[small]"]
    assert refreshed(force=["vocabulary"]) == ["vocabulary[small]"]


def test_one_stage_alone_leaves_the_others_as_they_are(refreshed: Refresh) -> None:
    with pytest.raises(ValueError, match=r"interactions\[small\] reads items\[food\].*never"):
        refreshed(only="prepare")
    assert set(refreshed(only="ingest")) == INGEST
    changed = 'title = "food"\nmax_dropped_share = 0.5'
    assert refreshed(only="prepare", food_title=changed) == PREPARE
    assert refreshed(food_title=changed) == ["raw[food]", "items[food]", "reviews[food]"]


def test_unknown_stages_and_assets_are_refused_with_the_known_ones(refreshed: Refresh) -> None:
    with pytest.raises(ValueError, match=r"no stage 'cook'; it has ingest, prepare"):
        refreshed(only="cook")
    with pytest.raises(ValueError, match=r"no asset 'soup' to force here; known: raw, items"):
        refreshed(force=["soup"])


def test_what_was_done_is_told_as_a_table() -> None:
    causes = [Cause("data", "reviews[food]"), Cause("parameters", "filters")]
    first = Part(dg.AssetKey("interactions"), "small")
    below = Part(dg.AssetKey("vocabulary"), "small")
    steps = [
        Step(part=first, causes=causes, seconds=1.25, is_same=False),
        Step(part=first, causes=causes[:1], seconds=2, is_same=True, spared=[below]),
    ]
    assert told([]) == "Nothing was missing or stale."
    assert told(steps).replace("\\", "").splitlines()[2:] == [
        "| interactions[small] | data: reviews[food]; parameters: filters | 1.2 | new content |",
        "| interactions[small] | data: reviews[food] | 2.0 "
        "| same digest: 1 assets below stayed fresh |",
    ]


def test_a_second_refresh_at_the_same_time_is_refused(
    refreshed: Refresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meanwhile(*arguments: object) -> Outcome:
        refreshed()
        raise AssertionError("two refreshes at once")

    with monkeypatch.context() as patch:
        patch.setattr(assets.stages.ingest, "ingest_items", meanwhile)
        with pytest.raises(ValueError, match=r"another refresh is at work on .*small, process"):
            refreshed()
    assert "items[food]" in refreshed()  # the lock went with the refresh that held it


def test_another_scenarios_parameters_concern_nobody_else(refreshed: Refresh) -> None:
    refreshed()
    assert refreshed(more="filters = { k_core = 9 }") == []


def test_a_failed_asset_stops_the_refresh_and_the_next_call_resumes_there(
    refreshed: Refresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> Outcome:
        raise ValueError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(assets.stages.prepare, "build_sequences", broken)
        with pytest.raises(ValueError, match="the disk is full"):
            refreshed()
    assert refreshed() == PREPARE[3:]


def test_an_artifact_that_fails_its_check_is_not_taken_for_fresh(
    refreshed: Refresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*arguments: object) -> Finding:
        raise ValueError("user 7 is in both parts")

    (check,) = checks_of(dg.AssetKey("sequences"))
    with monkeypatch.context() as patch:
        patch.setitem(assets.checks._CHECKS, "sequences", [replace(check, measure=failing)])
        for _ in range(2):
            with pytest.raises(DagsterAssetCheckFailedError, match="no_leak"):
                refreshed()
    assert refreshed() == PREPARE[3:]


def test_a_file_that_is_gone_fails_the_checks_job_and_is_made_again(
    refreshed: Refresh, workspace: Callable[..., Workspace], instance: dg.DagsterInstance
) -> None:
    refreshed()
    current = workspace()
    job = build_defs(current).resolve_job_def("checks")
    assert job.execute_in_process(partition_key="small", instance=instance).success
    assert refreshed() == []
    current.store.delete("sequences/small", ".parquet")
    with pytest.raises(dg.Failure, match=r"sequences: no_leak: small: .* is missing"):
        job.execute_in_process(partition_key="small", instance=instance)
    assert refreshed() == PREPARE[3:]


def test_a_passed_check_is_recorded(refreshed: Refresh, instance: dg.DagsterInstance) -> None:
    refreshed()
    key = dg.AssetCheckKey(dg.AssetKey("sequences"), "no_leak")
    record = instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
    assert record.event is not None and record.event.dagster_event is not None
    assert record.event.dagster_event.asset_check_evaluation_data.passed


def test_the_log_of_a_run_says_nothing_that_reviewers_wrote(
    refreshed: Refresh, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    refreshed()
    with gzip.open(tmp_path / "raw/food.json.gz") as file:
        review = json.loads(next(file))
    events = " ".join(
        str(entry.dagster_event)
        for run in instance.get_runs()
        for entry in instance.all_logs(run.run_id)
    )
    events = re.sub("base64,[A-Za-z0-9+/=]+", "", events)  # plots, in which chance writes names
    assert review["asin"] in events  # previews are there
    assert review["reviewText"] not in events
    assert review["reviewerName"] not in events


FEATURES = 'features = { item_model = "folder:models/mllm", user_model = "folder:models/llm" }'


def test_a_domain_is_brought_up_to_date_with_what_is_made_of_it_alone(
    workspace: Callable[..., Workspace],
    instance: dg.DagsterInstance,
    refreshed: Refresh,
) -> None:
    del refreshed  # for its tiny world
    current = workspace(food_features=FEATURES)
    with pytest.raises(ValueError, match=r"folder:models/mllm.*holds no config\.json"):
        refresh_names(all_assets(current.catalog), current, "food", instance)
    for name in ("raw", "reviews", "items"):
        assert instance.get_latest_materialization_event(dg.AssetKey(name)) is not None


def test_a_scenario_leaves_alone_what_it_does_not_need_of_its_domains(
    workspace: Callable[..., Workspace], instance: dg.DagsterInstance, refreshed: Refresh
) -> None:
    assert set(refreshed(food_features=FEATURES)[:6]) == INGEST
