"""One change, and exactly what becomes stale by it: the table of docs/staleness.md.

The definitions are the real ones. What lies in the store is not: each asset partition is reported
as materialized, with the versions and the provenance that Dagster writes for a run, and a small
file with that digest. That Dagster's records of real runs are read alike, and that a refresh then
stops early, is tested in test_refresh.py; here Dagster's own resolver is asked beside ours.
"""

import functools
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from assets import stale
from assets.definitions import all_assets, build_defs
from assets.resources import PROJECT, Workspace
from assets.stages.ingest import raw_tags
from assets.staleness.causes import Part, Staleness, State
from assets.staleness.listing import listing
from pipeline.ingest.raw_state import raw_state
from pipeline.train import preset_version

CATALOG = """
[engine]
max_model_len = 2048
max_num_seqs = 8

[domain.food]
title = "food"
format = "amazon-2018"
reviews = "raw/food.json"
features = { item_model = "folder:m", user_model = "folder:m" }

[domain.kitchen]
title = "kitchen"
format = "amazon-2018"
reviews = "raw/kitchen.json"
features = { item_model = "folder:m", user_model = "folder:m" }

[domain.garden]
title = "garden"
format = "amazon-2018"
reviews = "raw/garden.json"

[scenario.small]
domains = ["food", "kitchen"]
filters = { k_core = 4 }
split = { seed = 0 }
candidates = { num_negatives = 20 }
titles = { max_users = 4 }
training = { max_epochs = 3 }
text_model = "package:one"
top_n = 5
systems = ["popularity", "sasrec", "lgcd"]
experiments = ["lgcd_steps"]

[scenario.other]
domains = ["food", "garden"]
systems = ["popularity", "sasrec"]

[scenario.rated]
domains = ["food", "kitchen"]
task = "cold-start-rating"
systems = ["item_mean", "ridge"]

[scenario.clicked]
domains = ["garden"]
task = "click"
split = { kind = "leave-one-out" }
"""
ADDED = """
[scenario.fresh]
domains = ["kitchen"]
task = "click"
split = { kind = "leave-one-out" }
"""
ALL_PREPARED = (
    "interactions[small] interactions[other] interactions[rated] interactions[clicked] "
    "vocabulary[small] vocabulary[other] vocabulary[rated] vocabulary[clicked] "
    "dataset_card[small] dataset_card[other] dataset_card[rated] dataset_card[clicked] "
    "sequences[small] sequences[other] candidates[small] candidates[other] "
    "ratings[rated] clicks[clicked]"
)


class World:
    """A data folder whose catalog, raw files and store are all as they were recorded."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.folder = folder
        self.instance = instance
        self.workspace = Workspace(data=str(folder))
        (folder / "raw").mkdir()
        for domain in ("food", "kitchen", "garden"):
            self.raw(domain).write_text(f"reviews of {domain}")
        self.write_catalog(CATALOG)
        staleness = self.staleness()
        for part in staleness.parts():
            self.report(staleness, part, f"first {part}")

    def raw(self, domain: str) -> Path:
        return self.folder / f"raw/{domain}.json"

    def write_catalog(self, text: str) -> None:
        (self.folder / "catalog.toml").write_text(text)

    def staleness(self) -> Staleness:
        return Staleness(all_assets(self.workspace.catalog), self.workspace, self.instance)

    def stored(self, part: Part) -> str:
        asset, *rest = part.key.path
        return "/".join([asset, part.partition, *rest])

    def report(self, staleness: Staleness, part: Part, content: str) -> None:
        """Store some content and record it as Dagster records a run that made it."""
        schema = pa.schema([pa.field("content", pa.string(), nullable=False)])
        table = pa.table({"content": [content]}, schema=schema)
        key = self.stored(part) + ("/seed-0" if part.key.path[0] in ("weights", "encoders") else "")
        artifact = self.workspace.store.write_table(key, schema, table)
        tags = {
            "dagster/data_version": artifact.digest,
            "dagster/data_version_is_user_provided": "true",
            "dagster/code_version": staleness.graph.get(part.key).code_version,
        }
        for parent in {one.key for one in staleness.parents(part)}:
            read = [one for one in staleness.parents(part) if one.key == parent]
            versions = [staleness.records(parent)[one.partition].version for one in read]
            joint = hashlib.sha256("".join(versions).encode()).hexdigest()
            latest = self.instance.get_latest_materialization_event(parent)
            assert latest is not None
            name = parent.to_user_string()
            tags[f"dagster/input_data_version/{name}"] = joint
            cursor = self.instance.event_log_storage.get_latest_storage_id_by_partition(
                parent, dg.DagsterEventType.ASSET_MATERIALIZATION
            )
            tags[f"dagster/input_event_pointer/{name}"] = str(max(cursor.values()))
        metadata: dict[str, dg.MetadataValue] = {"path": dg.MetadataValue.path(artifact.path)}
        if part.key.path == ["raw"]:
            metadata = {}
            catalog = self.workspace.catalog
            state = raw_state(catalog, catalog.domains[part.partition])
            assert state is not None
            tags |= raw_tags(state)
        self.instance.report_runless_asset_event(
            dg.AssetMaterialization(
                part.key, partition=part.partition, tags=tags, metadata=metadata
            )
        )
        staleness.forget(part.key)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield World(tmp_path_factory.mktemp("world"), instance)


@dataclass(frozen=True, kw_only=True)
class Case:
    """What changes, and by kind of cause what is stale by it: names apart by spaces."""

    name: str
    catalog: tuple[str, str] = ("", "")  # what is replaced in it, by what
    patch: tuple[str, str] | None = None  # a name, and its new value
    source: tuple[str, str, str] | None = None  # a file, what is replaced in it, by what
    missing: str = ""
    code: str = ""
    parameters: str = ""
    data: str = ""

    def expected(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for kind in ("missing", "code", "parameters", "data"):
            for part in getattr(self, kind).split():
                found.setdefault(part, set()).add(kind)
        return found


CASES = [
    Case(name="nothing"),
    Case(
        name="k_core of one scenario",
        catalog=("k_core = 4", "k_core = 3"),
        parameters="interactions[small] dataset_card[small] report[small]",
    ),
    Case(
        name="the split's seed",
        catalog=("split = { seed = 0 }", "split = { seed = 1 }"),
        parameters="sequences[small] leaderboard[small] report[small]",
    ),
    Case(
        name="candidates",
        catalog=("num_negatives = 20", "num_negatives = 30"),
        parameters=(
            "candidates[small] scores/popularity[small] scores/sasrec[small] scores/lgcd[small] "
            "experiments/lgcd_steps[small]"
        ),
    ),
    Case(
        name="top_n",
        catalog=("top_n = 5", "top_n = 6"),
        parameters=(
            "recommendations/popularity[small] recommendations/sasrec[small] "
            "recommendations/lgcd[small]"
        ),
    ),
    Case(
        name="a training key",
        catalog=("max_epochs = 3", "max_epochs = 4"),
        parameters=(
            "encoders[small] weights/popularity[small] weights/sasrec[small] weights/lgcd[small] "
            "experiments/lgcd_steps[small] report[small]"
        ),
    ),
    Case(
        name="the preset of a system",
        source=(
            "pipeline/train/presets/baselines.py",
            "model=SASRecConfig(space=space, encoder",
            "model=SASRecConfig(space=space, num_negatives=64, encoder",
        ),
        code="weights/sasrec[small] weights/sasrec[other]",
    ),
    Case(
        name="the learning rate of all systems that learn",
        source=(
            "pipeline/train/loop.py",
            "learning_rate: float = 1e-3",
            "learning_rate: float = 2e-3",
        ),
        code=(
            "encoders[small] weights/sasrec[small] weights/sasrec[other] weights/lgcd[small] "
            "experiments/lgcd_steps[small]"
        ),
    ),
    Case(
        name="the prompt for titles",
        patch=("pipeline.extract.titles.TITLES_PROMPT", "titles/9"),
        parameters="generated_titles[small]",
    ),
    Case(
        name="the prompt for items",
        patch=("assets.stages.extract.ITEM_PROMPT", "item/9"),
        parameters="item_multimodal[food] item_multimodal[kitchen]",
    ),
    Case(
        name="whom titles are generated for",
        catalog=("max_users = 4", "max_users = 5"),
        parameters="generated_titles[small]",
    ),
    Case(
        name="the text model",
        catalog=("package:one", "package:two"),
        parameters="item_text[small] title_vectors[small] leaderboard[small] report[small]",
    ),
    Case(
        name="a domain's title",
        catalog=('title = "kitchen"', 'title = "household"'),
        parameters=(
            "dataset_card[small] dataset_card[rated] generated_titles[small] "
            "item_multimodal[kitchen] review_features[kitchen] report[small] report[rated]"
        ),
    ),
    Case(
        name="a domain's rule of cleaning",
        catalog=(
            'reviews = "raw/kitchen.json"',
            'reviews = "raw/kitchen.json"\nkeep_repeats = true',
        ),
        parameters="raw[kitchen] items[kitchen] reviews[kitchen]",
    ),
    Case(
        name="a model that reads a domain",
        catalog=(
            'reviews = "raw/kitchen.json"\nfeatures = { item_model = "folder:m"',
            'reviews = "raw/kitchen.json"\nfeatures = { item_model = "folder:n"',
        ),
        parameters="item_multimodal[kitchen] review_features[kitchen]",
    ),
    Case(
        name="the stage's VERSION", patch=("assets.stages.prepare.VERSION", "99"), code=ALL_PREPARED
    ),
    Case(
        name="an engine setting that changes outputs",
        catalog=("max_model_len = 2048", "max_model_len = 1024"),
        parameters=(
            "generated_titles[small] item_multimodal[food] item_multimodal[kitchen] "
            "review_features[food] review_features[kitchen]"
        ),
    ),
    Case(name="an engine setting of speed", catalog=("max_num_seqs = 8", "max_num_seqs = 16")),
    Case(
        name="a price",
        catalog=("[domain.food]", '[[price]]\nmodel = "m"\ninput = 1.0\n[domain.food]'),
    ),
    Case(
        name="a scenario is added",
        catalog=("[scenario.clicked]", f"{ADDED}[scenario.clicked]"),
        missing=(
            "interactions[fresh] vocabulary[fresh] dataset_card[fresh] clicks[fresh] report[fresh]"
        ),
    ),
    Case(
        name="a domain is added to a scenario",
        catalog=('domains = ["garden"]', 'domains = ["garden", "kitchen"]'),
        parameters=(
            "interactions[clicked] vocabulary[clicked] dataset_card[clicked] clicks[clicked] "
            "report[clicked]"
        ),
        data="interactions[clicked] vocabulary[clicked] dataset_card[clicked]",
    ),
    Case(
        name="a system is added to one scenario",
        catalog=('"popularity", "sasrec"]', '"popularity", "sasrec", "ease"]'),
        missing="weights/ease[other] scores/ease[other] recommendations/ease[other]",
        parameters="leaderboard[other] report[other]",
        data="leaderboard[other] report[other]",
    ),
    Case(
        name="a system is taken from the one scenario that has it",
        catalog=('"popularity", "sasrec", "lgcd"]\nexperiments = ["lgcd_steps"]', '"popularity"]'),
        parameters="leaderboard[small] report[small]",
    ),
]


def _found(world: World) -> dict[str, set[str]]:
    """By asset partition, the kinds of its own causes."""
    return {str(s.part): {cause.kind for cause in s.causes} for s in _states(world) if s.causes}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_change_makes_stale_exactly_what_reads_it(
    world: World, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = case.catalog
    assert old in CATALOG
    world.write_catalog(CATALOG.replace(old, new, 1) if old else CATALOG)
    if case.patch:
        monkeypatch.setattr(*case.patch)
    if case.source:
        _edit_source(monkeypatch, world.folder / "edited", *case.source)
    assert _found(world) == case.expected()


def _edit_source(
    monkeypatch: pytest.MonkeyPatch, root: Path, name: str, old: str, new: str
) -> None:
    """Versions of presets are now read from a copy of the code in which a text is another."""
    for folder in ("models", "pipeline/train"):
        shutil.copytree(PROJECT / folder, root / folder, dirs_exist_ok=True)
    text = (root / name).read_text()
    assert old in text
    (root / name).write_text(text.replace(old, new, 1))
    monkeypatch.setattr(preset_version, "_ROOT", root)
    fresh = functools.cache(preset_version._definitions.__wrapped__)
    monkeypatch.setattr(preset_version, "_definitions", fresh)


@pytest.fixture
def changed(world: World, tmp_path: Path) -> Iterator[World]:
    """The world for a test that changes its files: they are put back, and so is the catalog."""
    shutil.copytree(world.folder, tmp_path / "kept")
    world.write_catalog(CATALOG)
    yield world
    shutil.rmtree(world.folder)
    shutil.copytree(tmp_path / "kept", world.folder)  # with their times


def test_other_bytes_in_a_raw_file_make_its_domain_stale(changed: World) -> None:
    changed.raw("food").write_text("other reviews of food, and more")
    assert _found(changed) == {"raw[food]": {"file"}}


def test_a_touched_raw_file_is_read_again(changed: World) -> None:
    os.utime(changed.raw("food"), (1, 1))
    assert _found(changed) == {"raw[food]": {"file"}}


def test_a_raw_file_that_was_deleted_after_its_ingest_is_not_missed(changed: World) -> None:
    changed.raw("food").unlink()
    assert _found(changed) == {}


def test_a_deleted_artifact_is_made_again_and_nothing_below_it_unless_it_differs(
    changed: World,
) -> None:
    changed.workspace.store.delete("sequences/small", ".parquet")
    shutil.rmtree(changed.folder / "store/weights/small/sasrec")
    assert _found(changed) == {"sequences[small]": {"file"}, "weights/sasrec[small]": {"file"}}


def test_a_file_that_is_cut_off_or_holds_something_else_is_made_again(changed: World) -> None:
    """The second is what a run leaves behind that was killed before Dagster recorded it."""
    store = changed.workspace.store
    whole = store.path("vocabulary/small", ".parquet")
    whole.write_bytes(whole.read_bytes()[:-20])
    shutil.copy(store.path("clicks/clicked", ".parquet"), store.path("ratings/rated", ".parquet"))
    causes = {str(s.part): s.causes for s in _states(changed) if s.causes}
    assert set(causes) == {"vocabulary[small]", "ratings[rated]"}
    assert "vocabulary/small.parquet is corrupt" in causes["vocabulary[small]"][0].what
    assert "not the" in causes["ratings[rated]"][0].what


def test_what_two_scenarios_read_of_a_domain_makes_both_stale(world: World) -> None:
    world.write_catalog(CATALOG)
    part = Part(dg.AssetKey("reviews"), "food")
    world.report(world.staleness(), part, "newer reviews")
    try:
        causes = {str(s.part): s.causes for s in _states(world) if s.causes}
        assert set(causes) == {
            *(f"{a}[{s}]" for a in ("interactions", "dataset_card") for s in _FOOD),
            "item_multimodal[food]",
            "review_features[food]",
        }
        assert {str(cause) for found in causes.values() for cause in found} == {
            "data: reviews[food]"
        }
    finally:
        world.report(world.staleness(), part, f"first {part}")
    assert _found(world) == {}


_FOOD = ("small", "other", "rated")


def test_all_below_a_stale_asset_waits_for_it_and_is_not_stale_by_itself(world: World) -> None:
    world.write_catalog(CATALOG.replace("k_core = 4", "k_core = 3"))
    waiting = {str(s.part): [*map(str, s.waits_for)] for s in _states(world) if s.waits_for}
    below = {str(s.part) for s in _states(world) if s.part.partition == "small"}
    assert set(waiting) == below - {"interactions[small]"}
    assert waiting["leaderboard[small]"] == ["interactions[small]"]


def test_dagsters_own_resolver_agrees_but_for_other_partitions_parameters(world: World) -> None:
    """It knows one code version an asset, and nothing of files."""
    world.write_catalog(CATALOG.replace("k_core = 4", "k_core = 3"))
    staleness = world.staleness()
    world.report(staleness, Part(dg.AssetKey("items"), "kitchen"), "newer items")
    try:
        staleness = world.staleness()
        context = LoadingContextForTest(world.instance)
        resolver = CachingStaleStatusResolver(world.instance, staleness.graph, context)
        for part in staleness.parts():
            status = resolver.get_status(part.key, part.partition)
            by_dagster = {c.category.name for c in resolver.get_stale_causes(*_asked(part))}
            ours = {cause.kind for cause in staleness.causes(part)}
            assert status is not StaleStatus.MISSING
            assert ("DATA" in by_dagster) == ("data" in ours), part
            assert not ours & {"code", "parameters"} or "CODE" in by_dagster, part
    finally:
        part = Part(dg.AssetKey("items"), "kitchen")
        world.report(world.staleness(), part, f"first {part}")


def _asked(part: Part) -> tuple[dg.AssetKey, str]:
    return part.key, part.partition


def test_what_a_renamed_scenario_left_behind_is_named_and_left_alone(world: World) -> None:
    world.write_catalog(CATALOG.replace("[scenario.clicked]", "[scenario.renamed]"))
    gone = listing(world.staleness()).no_longer_defined
    assert [*gone] == [f"{a}[clicked]" for a in ("clicks", *_COMMON)]
    assert {s.part.partition for s in _states(world) if s.causes} == {"renamed"}


_COMMON = ("dataset_card", "interactions", "report", "vocabulary")


def test_what_a_person_reported_as_materialized_counts_as_stale(world: World) -> None:
    world.write_catalog(CATALOG)
    key = dg.AssetKey("candidates")
    world.instance.report_runless_asset_event(dg.AssetMaterialization(key, partition="other"))
    try:
        assert _found(world)["candidates[other]"] >= {"code"}
    finally:
        part = Part(key, "other")
        world.report(world.staleness(), part, f"first {part}")


def test_the_listing_is_a_table_in_topological_order_with_a_summary(world: World) -> None:
    world.write_catalog(CATALOG.replace("k_core = 4", "k_core = 3"))
    found = listing(world.staleness(), "small")
    lines = found.as_text().splitlines()
    assert [line.split() for line in lines[:3]] == [
        ["asset", "of", "state", "why"],
        ["interactions", "small", "stale", "parameters:", "filters"],
        ["dataset_card,", "report", "small", "stale", "parameters:", "of", "small"],
    ]
    assert lines[3].startswith("vocabulary, item_text and 18 more  small  waits  for interactions")
    summary = "0 missing, 3 stale (3 by parameters), 20 wait for those and may stay as they are"
    assert lines[4].startswith(summary)
    every = found.as_text(grouped=False).splitlines()
    assert len(every) == 1 + 3 + 20 + 1
    as_json = json.loads(found.as_json())
    assert as_json[0] == {
        "asset": "interactions",
        "partition": "small",
        "stage": "prepare",
        "causes": [{"kind": "parameters", "what": "filters"}],
        "waits_for": [],
    }


def test_the_job_lists_the_same_in_its_log_and_as_a_table_on_its_output(world: World) -> None:
    world.write_catalog(CATALOG.replace("k_core = 4", "k_core = 3"))
    job = build_defs(world.workspace).get_job_def("stale")
    result = job.execute_in_process(instance=world.instance)
    (output,) = [e for e in result.all_events if e.event_type_value == "STEP_OUTPUT"]
    metadata = output.step_output_data.metadata
    assert "| interactions | small | stale | parameters: filters |" in metadata["stale"].value
    assert metadata["summary"].value.startswith("0 missing, 3 stale (3 by parameters)")
    assert _found(world) == {
        f"{asset}[small]": {"parameters"} for asset in ("interactions", "dataset_card", "report")
    }


def test_the_command_tells_by_its_status_whether_anything_is_stale(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def status(*arguments: str) -> object:
        monkeypatch.setattr("sys.argv", ["stale", *arguments])
        with pytest.raises(SystemExit) as left:
            stale.main()
        return left.value.code

    monkeypatch.setattr(stale, "Workspace", lambda: world.workspace)
    monkeypatch.setattr(stale, "open_instance", lambda: nullcontext(world.instance))
    world.write_catalog(CATALOG)
    assert status("small", "--check") == 0
    world.write_catalog(CATALOG.replace("top_n = 5", "top_n = 6"))
    assert status("small") == 0
    assert status("small", "--check") == 1
    assert status("other", "--check", "--json") == 0
    assert capsys.readouterr().out.endswith("\n[]\n")
    assert status("nonsense") == 2


def _states(world: World) -> list[State]:
    staleness = world.staleness()
    return list(staleness.states(staleness.parts()))


def test_what_only_other_scenarios_read_of_a_domain_is_not_brought_along() -> None:
    """The demo's domains have features, which its scenario of ratings alone reads."""
    workspace = Workspace(data=str(PROJECT / "data"))
    with dg.DagsterInstance.ephemeral() as instance:
        staleness = Staleness(all_assets(workspace.catalog), workspace, instance)
        of_demo = {str(part) for part in staleness.parts("demo")}
        of_ratings = {str(part) for part in staleness.parts("demo-ratings")}
    assert {"reviews[demo-food]", "leaderboard[demo]", "report[demo]"} <= of_demo
    assert not {"review_features[demo-food]", "item_multimodal[demo-food]"} & of_demo
    assert {"review_features[demo-food]", "item_multimodal[demo-food]"} <= of_ratings
