"""Titles near their items and far from others', and the two ways in which that can fail."""

from typing import Any

import pyarrow as pa
import torch

from pipeline.columns import PSEUDO_INTERACTIONS
from pipeline.retrieve.similarity_check import titles_are_near

ITEMS = (13, 14, 15, 16)  # of tools; each has a direction of its own


def ground(world: Any, nearest: tuple[int, ...], title: torch.Tensor) -> None:
    """Users 0.. have one title each, `title` by row; user i's nearest item is `nearest[i]`."""
    vectors = torch.zeros(25, 4)
    vectors[list(ITEMS)] = torch.eye(4)
    vectors[1:13, 0] = 1.0
    world.store.write_tensors("item_text/little", {"vectors": vectors})
    count = len(nearest)
    tensors = {
        "vectors": title,
        "bounds": torch.arange(count + 1),
        "user": torch.arange(count),
        "target": torch.ones(count, dtype=torch.int64),
        "single": torch.ones(count, dtype=torch.bool),
    }
    world.store.write_tensors("title_vectors/little", tensors)
    rows = [
        {
            "user": user,
            "part": "single",
            "target_domain": "tools",
            "items": [item],
            "scores": [float(title[user] @ vectors[item])],
        }
        for user, item in enumerate(nearest)
    ]
    table = pa.Table.from_pylist(rows, schema=PSEUDO_INTERACTIONS)
    world.store.write_table("pseudo_interactions/little", PSEUDO_INTERACTIONS, table)


def test_titles_that_name_each_users_own_items_are_near_them(world: Any) -> None:
    ground(world, ITEMS, torch.eye(4))
    found = titles_are_near(world.scenario, world.store)
    assert found.passed
    assert found.figures["median similarity"] == 1.0
    assert found.figures["median similarity, shuffled"] == 0.0


def test_titles_off_the_catalogue_are_far_from_everything(world: Any) -> None:
    ground(world, ITEMS, 0.25 * torch.eye(4) + 0.0)
    near = titles_are_near(world.scenario, world.store)
    assert near.passed  # a title's length says nothing: cosines are compared
    away = torch.nn.functional.normalize(torch.eye(4) - 0.9 * torch.eye(4).roll(2, 0) - 3.3, dim=1)
    ground(world, ITEMS, away)
    found = titles_are_near(world.scenario, world.store)
    assert not found.passed and found.figures["median similarity"] < 0.3


def test_the_same_title_for_everybody_says_nothing_of_anybody(world: Any) -> None:
    ground(world, (13,) * 4, torch.eye(4)[[0, 0, 0, 0]])
    found = titles_are_near(world.scenario, world.store)
    assert not found.passed
    assert found.figures["median similarity"] == found.figures["median similarity, shuffled"] == 1


def test_one_user_has_nobody_to_be_told_from(world: Any) -> None:
    ground(world, (13,), torch.eye(4)[:1])
    assert titles_are_near(world.scenario, world.store).passed


def test_no_user_with_a_title_is_a_failure(world: Any) -> None:
    ground(world, (), torch.empty(0, 4))
    assert not titles_are_near(world.scenario, world.store).passed
