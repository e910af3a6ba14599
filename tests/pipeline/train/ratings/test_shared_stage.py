"""What MuSiC and its variants have in common is trained once, as each would have trained it."""

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from models.music_config import RATING_SETTINGS
from pipeline.train.ratings.reports import load_stage_reports
from pipeline.train.ratings.stored import StoredRatingRun, cold_folder
from pipeline.train.ratings.systems import stored_rating_system, train_rating_run
from tests.pipeline.rating_world import RatingWorld, make_rating_world

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> RatingWorld:
    return make_rating_world(tmp_path_factory.mktemp("songs"))


def quick(world: RatingWorld, folder: str, **changes: Any) -> StoredRatingRun:
    stored = stored_rating_system("music", world.scenario)
    small = {"hidden": (16,), "unet_widths": (16, 8), "num_samples": 2} | changes
    stages = tuple(
        replace(stage, loop=replace(stage.loop, min_steps=2, max_epochs=2))
        for stage in stored.run.stages
    )
    run = replace(stored.run, model=replace(stored.run.model, **small), stages=stages)
    return replace(stored, run=run, folder=folder, cold_ratios=(0.2,), seeds=(0,))


def trained(world: RatingWorld, stored: StoredRatingRun) -> dict[str, torch.Tensor]:
    train_rating_run(stored, world.scenario, world.store)
    return world.store.read_tensors(f"{cold_folder(stored.folder, 0.2)}/seed-0")


def stages(world: RatingWorld) -> int:
    return len(list((Path(str(world.store.root)) / "stages").rglob("*.safetensors")))


def test_a_variant_reads_the_stage_and_gets_the_weights_that_it_would_train(
    world: RatingWorld,
) -> None:
    wide = {"unet_widths": (24, 12), "cond": "none"}
    trained(world, quick(world, "weights/songs/music"))
    assert stages(world) == 1
    reading = trained(world, quick(world, "weights/songs/one", **wide))
    assert stages(world) == 1
    told = load_stage_reports(world.store, cold_folder("weights/songs/one", 0.2), 0)
    own = load_stage_reports(world.store, cold_folder("weights/songs/music", 0.2), 0)
    assert told["ratings"] == own["ratings"] and told["side_users"] != own["side_users"]
    shutil.rmtree(Path(str(world.store.root)) / "stages")
    alone = trained(world, quick(world, "weights/songs/two", **wide))
    assert list(reading) == list(alone)
    assert all(torch.equal(reading[name], alone[name]) for name in alone)
    trained(world, quick(world, "weights/songs/three", text_drop=0.0))
    assert stages(world) == 2  # it learns ratings otherwise


def test_all_settings_that_vectors_and_heads_read_decide_the_stage() -> None:
    text = (ROOT / "models" / "music_vectors.py").read_text(encoding="utf-8")
    read = set(re.findall(r"config\.(\w+)", text))
    assert read and read <= set(RATING_SETTINGS)
