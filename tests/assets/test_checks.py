"""Checks as Dagster runs them: on which assets, what blocks, and a history for each partition."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.event_api import PartitionKeyFilter

import assets.checks
from assets.checks import Check, asset_checks, checks_of, not_passed
from assets.definitions import defs
from assets.partitions import Partitions
from assets.resources import Workspace
from assets.staleness.recheck import recheck, told
from pipeline.catalog.rating_systems import RATING_FITTED
from pipeline.catalog.systems import FITTED
from pipeline.finding import Finding

CATALOG = Workspace().catalog
TRAINED = [
    name
    for name in (*Partitions(CATALOG).systems, *Partitions(CATALOG).rating_systems)
    if name in (*FITTED, *RATING_FITTED)
]
BLOCKING = {
    "interactions": ["k_core_holds"],
    **{name: ["no_leak"] for name in ("sequences", "ratings", "clicks", "behaviours")},
    "candidates": ["candidates_are_unique"],
    "item_text": ["vectors_are_finite_and_none_is_zero"],
    "item_multimodal": ["features_are_finite"],
    "review_features": ["features_are_finite"],
}
WARNING = {
    "item_multimodal": ["features_have_unit_variance"],
    "review_features": ["features_have_unit_variance"],
    "generated_titles": ["few_titles_are_empty"],
    "pseudo_interactions": ["titles_are_near_their_items"],
    "encoders": ["training_converged"],
    **{f"weights/{system}": ["seeds_agree", "training_converged"] for system in TRAINED},
    "leaderboard": ["ours_is_not_below_popularity"],
    "rating_leaderboard": ["ours_is_not_above_the_means"],
}


@pytest.mark.parametrize(("expected", "blocking"), [(BLOCKING, True), (WARNING, False)])
def test_every_check_is_on_its_asset_with_the_partitions_of_it(
    expected: dict[str, list[str]], blocking: bool
) -> None:
    graph = defs.resolve_asset_graph()
    found: dict[str, list[str]] = {}
    for key in graph.asset_check_keys:
        node = graph.get(key)
        assert node.partitions_def == graph.get(key.asset_key).partitions_def, key
        if node.blocking == blocking:
            found.setdefault(key.asset_key.to_user_string(), []).append(key.name)
    assert {name: sorted(checks) for name, checks in found.items()} == expected


def test_every_check_says_what_it_means_and_what_to_do_and_stands_in_the_docs() -> None:
    text = (Path(__file__).parents[2] / "docs" / "checks.md").read_text(encoding="utf-8")
    for name in {**BLOCKING, **WARNING}:
        for check in checks_of(dg.AssetKey(name.split("/"))):
            assert check.says.endswith(".") and check.remedy.endswith(".")
            assert f"`{check.name}`" in text


ASSETS = dg.StaticPartitionsDefinition(["small", "other"])


@dg.asset(partitions_def=ASSETS)
def table() -> None: ...


@dg.asset(partitions_def=ASSETS, deps=[table])
def below() -> None: ...


class Verdicts:
    """What the checks of `table` are going to find, by check and partition."""

    def __init__(self) -> None:
        self.broken: set[tuple[str, str]] = set()

    def check(self, name: str, blocking: bool) -> Check:
        def measure(partition: str, workspace: Workspace) -> Finding:
            if ("unreadable", partition) in self.broken:
                raise ValueError("table is corrupt: delete it")
            passed = (name, partition) not in self.broken
            return Finding(passed=passed, says=f"figure {int(passed)}", figures={"figure": passed})

        return Check(name=name, says="It.", remedy="so.", measure=measure, blocking=blocking)


@pytest.fixture
def verdicts(monkeypatch: pytest.MonkeyPatch) -> Verdicts:
    made = Verdicts()
    own = [made.check("hard", True), made.check("soft", False)]
    monkeypatch.setitem(assets.checks._CHECKS, "table", own)
    return made


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


Run = Callable[..., list[str]]


@pytest.fixture
def run(verdicts: Verdicts, instance: dg.DagsterInstance) -> Run:
    """Materialize assets of a partition; returns which of them were, in order."""
    definitions = dg.Definitions(
        assets=[table, below],
        asset_checks=asset_checks([table, below]),
        resources={"workspace": Workspace()},
    )
    job = definitions.resolve_implicit_global_asset_job_def()

    def call(partition: str, *keys: str) -> list[str]:
        done = job.execute_in_process(
            partition_key=partition,
            asset_selection=[dg.AssetKey(key) for key in keys],
            instance=instance,
            raise_on_error=False,
        )
        events = done.get_asset_materialization_events()
        return [str(event.asset_key and event.asset_key.to_user_string()) for event in events]

    call.graph = definitions.resolve_asset_graph()  # type: ignore[attr-defined]
    return call


def _history(instance: dg.DagsterInstance, check: str, partition: str) -> list[Any]:
    """The evaluations of one partition, newest first."""
    records = instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(dg.AssetKey("table"), check),
        limit=10,
        partition_filter=PartitionKeyFilter(key=partition),
    )
    return [
        record.event.dagster_event.asset_check_evaluation_data
        for record in records
        if record.event and record.event.dagster_event
    ]


def test_each_partition_has_a_history_of_its_own_with_its_figures(
    run: Run, verdicts: Verdicts, instance: dg.DagsterInstance
) -> None:
    run("small", "table")
    verdicts.broken = {("soft", "small")}
    run("small", "table")
    run("other", "table")
    newest, oldest = _history(instance, "soft", "small")
    assert (newest.passed, oldest.passed) == (False, True)
    assert newest.description == "small: figure 0"
    assert newest.metadata["figure"].value == 0
    assert newest.severity is dg.AssetCheckSeverity.WARN
    (other,) = _history(instance, "soft", "other")
    assert other.passed and other.partition == "other"


def test_a_blocking_check_stops_what_is_below_and_a_judgment_does_not(
    run: Run, verdicts: Verdicts
) -> None:
    assert run("small", "table", "below") == ["table", "below"]
    verdicts.broken = {("soft", "small")}
    assert run("small", "table", "below") == ["table", "below"]
    verdicts.broken = {("hard", "small")}
    assert run("small", "table", "below") == ["table"]
    assert run("other", "table", "below") == ["table", "below"]


def test_only_a_blocking_check_that_failed_last_asks_for_the_partition_again(
    run: Run, verdicts: Verdicts, instance: dg.DagsterInstance
) -> None:
    def asked_for(partition: str) -> list[str]:
        graph = run.graph  # type: ignore[attr-defined]
        return not_passed(dg.AssetKey("table"), partition, graph, instance)

    assert asked_for("small") == []
    verdicts.broken = {("hard", "small"), ("soft", "small"), ("soft", "other")}
    run("small", "table")
    run("other", "table")
    assert (asked_for("small"), asked_for("other")) == (["hard"], [])
    verdicts.broken = set()
    run("small", "table")
    assert asked_for("small") == []


def test_a_file_that_cannot_be_read_fails_its_checks_with_the_reason(
    run: Run, verdicts: Verdicts, instance: dg.DagsterInstance
) -> None:
    verdicts.broken = {("unreadable", "small")}
    run("small", "table")
    assert _history(instance, "hard", "small")[0].description == (
        "small: table is corrupt: delete it"
    )


def test_what_is_stored_is_checked_again_without_being_made(
    run: Run, verdicts: Verdicts, instance: dg.DagsterInstance
) -> None:
    everything = [table, below]
    with pytest.raises(ValueError, match="nothing of 'small'"):
        recheck(everything, Workspace(), "small", instance)
    run("small", "table")
    made = instance.get_latest_materialization_event(table.key)
    assert recheck(everything, Workspace(), "small", instance) == []
    verdicts.broken = {("hard", "small"), ("soft", "small"), ("hard", "other")}
    failed = recheck(everything, Workspace(), "small", instance)
    assert told(failed) == "table: hard: small: figure 0\ntable: soft: small: figure 0"
    assert len(_history(instance, "hard", "small")) == 3
    latest = instance.get_latest_materialization_event(table.key)
    assert latest is not None and made is not None and latest.run_id == made.run_id
