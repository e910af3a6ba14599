"""References without gradients, stored and loaded by the real stage, texts and none at all."""

from typing import Any

import pytest
import torch

from pipeline.train.cases import item_space, load_cold_cases
from pipeline.train.systems import load_system, train_system


@pytest.mark.parametrize("system", ["overlap_popularity", "ease", "item_knn"])
def test_a_stored_reference_scores_every_item_and_is_kept(world: Any, system: str) -> None:
    num_rows = item_space(world.store, world.scenario).num_items + 1
    vectors = torch.randn(num_rows, 4, generator=torch.Generator().manual_seed(0))
    world.store.write_tensors("item_text/little", {"vectors": vectors})

    assert train_system(system, world.scenario, world.store).facts == {"seeds": 1, "seeds_kept": 0}
    assert train_system(system, world.scenario, world.store).facts["seeds_kept"] == 1
    query = load_cold_cases(world.store, world.scenario, "valid").query
    scores_BV = load_system(system, world.scenario, world.store, 0).score(query)
    assert scores_BV.shape == (len(query.domain_B), num_rows)
    assert scores_BV.isfinite().all() and scores_BV.abs().sum() > 0


def test_other_texts_count_as_another_item_knn(world: Any) -> None:
    num_rows = item_space(world.store, world.scenario).num_items + 1
    world.store.write_tensors("item_text/little", {"vectors": torch.ones(num_rows, 4)})
    train_system("item_knn", world.scenario, world.store)
    world.store.write_tensors("item_text/little", {"vectors": torch.eye(num_rows)})

    assert train_system("item_knn", world.scenario, world.store).facts["seeds_kept"] == 0
