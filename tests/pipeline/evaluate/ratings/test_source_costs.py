"""Sources of features side by side: what they cost, on the split of their scenario."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pipeline.catalog import FeatureSource
from pipeline.evaluate.document import to_markdown
from pipeline.evaluate.ratings.source_costs import (
    load_source_costs,
    save_source_costs,
    source_blocks,
)
from pipeline.extract.feature_cost import FeatureCost, load_feature_cost, save_feature_cost
from pipeline.store import Store
from tests.pipeline.rating_world import DOMAINS, RatingWorld, make_rating_world

OWN = FeatureCost(
    model="hub/large", pooling="mean", width=8, rows=15, tokens=900, computed=15, seconds=60.0
)
OTHER = replace(OWN, model="folder:small", pooling="sentence", width=4, tokens=None, seconds=2.0)


@pytest.fixture
def world(tmp_path: Path) -> RatingWorld:
    source = FeatureSource(name="small", domains=("rock-small", "soul-small"))
    made = make_rating_world(tmp_path).with_scenario(feature_sources=(source,))
    for kind in ("item_multimodal", "review_features"):
        for domain in DOMAINS:
            save_feature_cost(made.store, f"{kind}/{domain}", OWN)
            save_feature_cost(made.store, f"{kind}/{domain}-small", OTHER)
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "config.json").write_text("{}")
    weights = {"a": torch.zeros(3, 5), "b": torch.zeros(7)}
    save_file(weights, tmp_path / "small" / "model.safetensors")
    return made


def test_costs_of_both_domains_stand_side_by_side(world: RatingWorld, tmp_path: Path) -> None:
    key = "experiments/songs/music_features"
    save_source_costs(key, "MuSiC", world.scenario, world.store, tmp_path)
    costs = load_source_costs(key, world.store)
    assert [(cost.source, cost.read) for cost in costs] == [
        ("MuSiC", "items"),
        ("MuSiC", "users"),
        ("small", "items"),
        ("small", "users"),
    ]
    assert [cost.parameters for cost in costs] == [None, None, 22, 22]
    text = to_markdown(source_blocks(costs))
    assert "| MuSiC | items | hub/large | mean |  | 8 | 30 | 1,800 | 120 of 30 |" in text
    assert "| small | users | folder:small | sentence | 22 | 4 | 30 |  | 4 of 30 |" in text


def test_a_run_from_the_cache_keeps_the_seconds_of_the_one_that_computed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    save_feature_cost(store, "review_features/tea", OWN)
    save_feature_cost(store, "review_features/tea", replace(OWN, computed=0, seconds=0.0))
    assert load_feature_cost(store, "review_features/tea") == OWN
    fresh = replace(OWN, pooling="last_token", computed=0, seconds=0.0)
    save_feature_cost(store, "review_features/tea", fresh)
    assert load_feature_cost(store, "review_features/tea") == fresh
