"""Records of a scenario, read from what is stored; what is not there yet is left out."""

import json
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

from pipeline.catalog import Scenario
from pipeline.catalog.rating_systems import RATING_SYSTEMS
from pipeline.catalog.systems import SYSTEMS
from pipeline.digest import digest_json
from pipeline.store import Store
from pipeline.tracking import VERSION
from pipeline.tracking.record import Point, Record, flattened, metric_name
from pipeline.train import VERSION as TRAIN_VERSION
from pipeline.train.loop import FitReport
from pipeline.train.preset_version import preset_version
from pipeline.train.ratings import VERSION as RATING_TRAIN_VERSION
from pipeline.train.ratings.reports import load_stage_reports
from pipeline.train.ratings.stored import cold_folder
from pipeline.train.ratings.systems import rating_seeds
from pipeline.train.systems import seeds_of, weights_folder
from pipeline.train.weights import load_report

_RATING_PRESETS = "pipeline.train.ratings.presets"
_PACKAGES = ("coldbridge", "torch", "numpy", "pyarrow")
_OF_DOMAINS = ("item_multimodal", "review_features")


def scenario_records(scenario: Scenario, store: Store) -> list[Record]:
    """A record for each system and seed that has weights, and one for the leaderboard."""
    if scenario.task == "cold-start-rating":
        runs, board = _rating_runs(scenario, store), _rating_leaderboard(scenario, store)
    else:
        runs, board = _runs(scenario, store), _leaderboard(scenario, store)
    return [*runs, *board]


def _runs(scenario: Scenario, store: Store) -> Iterator[Record]:
    for system in scenario.systems:
        folder = weights_folder(system, scenario)
        for seed in seeds_of(system, scenario, store):
            if store.exists(f"{folder}/seed-{seed}", ".safetensors"):
                report = load_report(store, folder, seed)
                yield _run(
                    f"{system} seed {seed}",
                    f"{folder}/seed-{seed}",
                    {"": report} if report else {},
                    {"system": system, "seed": str(seed)}
                    | _inputs(SYSTEMS[system], scenario, store, seed)
                    | _versions(f"{TRAIN_VERSION}.{preset_version(system)}"),
                    scenario,
                    store,
                )


def _rating_runs(scenario: Scenario, store: Store) -> Iterator[Record]:
    for system in scenario.systems:
        for ratio in scenario.split.cold_ratios:
            folder = cold_folder(f"weights/{scenario.name}/{system}", ratio)
            for seed in rating_seeds(system, scenario):
                if store.exists(f"{folder}/seed-{seed}", ".safetensors"):
                    yield _run(
                        f"{system} cold {ratio:g} seed {seed}",
                        f"{folder}/seed-{seed}",
                        load_stage_reports(store, folder, seed),
                        {"system": system, "seed": str(seed), "cold_ratio": f"{ratio:g}"}
                        | _inputs(RATING_SYSTEMS[system], scenario, store, seed)
                        | _versions(
                            f"{RATING_TRAIN_VERSION}.{preset_version(system, _RATING_PRESETS)}"
                        ),
                        scenario,
                        store,
                    )


def _run(
    name: str,
    key: str,
    reports: dict[str, FitReport],
    tags: dict[str, str],
    scenario: Scenario,
    store: Store,
) -> Record:
    """Of one trained model; `reports` by stage, "" where there is one alone."""
    digest = store.digest(key)
    ((kind, run),) = json.loads(store.tensor_metadata(key)["parameters"]).items()
    points = [point for stage, report in reports.items() for point in _curve(stage, report)]
    return Record(
        name=name,
        fingerprint=digest_json([VERSION, name, digest]),
        tags={"kind": "weights", "scenario": scenario.name, "digest": digest, **tags},
        parameters={"run": kind, **dict(flattened(run))},
        points=points,
    )


def _curve(stage: str, report: FitReport) -> Iterator[Point]:
    """Each loss term and the validation score by epoch, then what the run came to."""

    def named(metric: str) -> str:
        return metric_name(stage, metric) if stage else metric_name(metric)

    for epoch, entry in enumerate(report.curve, start=1):
        for metric, value in entry.items():
            yield Point(metric=named(metric), value=value, step=epoch)
    yield Point(metric=named("best_valid"), value=report.best_score)
    yield Point(metric=named("best_epoch"), value=report.best_epoch + 1)
    yield Point(metric=named("training_seconds"), value=report.seconds)


def _leaderboard(scenario: Scenario, store: Store) -> Iterator[Record]:
    def points(row: dict[str, Any]) -> Point:
        place = (row["system"], row["target_domain"], row["pool"], row["metric"])
        return Point(metric=metric_name(*place), value=row["mean"])

    yield from _board("leaderboard", points, scenario, store)


def _rating_leaderboard(scenario: Scenario, store: Store) -> Iterator[Record]:
    def points(row: dict[str, Any]) -> Point:
        place = (row["system"], f"cold {row['cold_ratio']:g}", row["metric"])
        return Point(metric=metric_name(*place), value=row["mean"])

    yield from _board("rating_leaderboard", points, scenario, store)


def _board(asset: str, point: Any, scenario: Scenario, store: Store) -> Iterator[Record]:
    key = f"{asset}/{scenario.name}"
    if not store.exists(key, ".parquet"):
        return
    digest = store.digest(key)
    yield Record(
        name=asset.replace("_", " "),
        fingerprint=digest_json([VERSION, asset, digest]),
        tags={"kind": asset, "scenario": scenario.name, "digest": digest} | _versions(),
        points=[point(row) for row in store.read_table(key).to_pylist()],
        texts={f"{asset}.md": store.read_text(key, ".md")},
    )


def _inputs(names: tuple[str, ...], scenario: Scenario, store: Store, seed: int) -> dict[str, str]:
    """The digests of what a system is trained from, as it is stored now."""
    tags = {}
    for name in names:
        for place in scenario.domains if name in _OF_DOMAINS else (scenario.name,):
            key = f"{name}/{place}" + (f"/seed-{seed}" if name == "encoders" else "")
            tags[f"input/{key}"] = store.digest(key)
    return tags


def _versions(presets: str | None = None) -> dict[str, str]:
    tags = {f"version/{package}": version(package) for package in _PACKAGES}
    return tags | ({"version/presets": presets} if presets else {})
