"""Titles grounded in a toy catalogue whose directions can be read off."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.extract.extraction import Extraction
from pipeline.extract.row_cache import RowCache
from pipeline.retrieve.pseudo import GroundingConfig, build_pseudo_interactions, ground
from pipeline.retrieve.title_vectors import build_title_vectors
from tests.pipeline.extract.echo_engine import EchoEngine
from tests.pipeline.retrieve.stored_titles import write_titles

# Degrees on the unit circle, of titles and of items.
TITLES = {"east": 0, "north": 90, "west": 180, "almost north": 80}
ITEMS = np.array([3, 5, 7, 9])
ITEM_DEGREES = [10, 45, 85, 170]


def circle(degrees: list[float]) -> np.ndarray:
    angle = np.deg2rad(np.array(degrees))
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


class Compass(EchoEngine):
    def embed(self, task: Any, texts: Any) -> np.ndarray:
        return circle([TITLES[text] for text in texts])


def grounded(
    titles: list[list[str]], num_items: int, query: str
) -> list[tuple[list[int], list[float]]]:
    config = GroundingConfig(num_items=num_items, query=query)  # type: ignore[arg-type]
    queries = [circle([TITLES[title] for title in own]) for own in titles]
    return ground(queries, ITEMS, circle(ITEM_DEGREES), config)


def cosines(*degrees: float) -> list[float]:
    return np.cos(np.deg2rad(degrees)).tolist()


def test_each_title_searches_for_itself_and_the_nearest_comes_first() -> None:
    # east is nearest to the item at 10 degrees, north to the one at 85.
    ((items, scores),) = grounded([["east", "north"]], 2, "each")
    assert items == [7, 3]
    np.testing.assert_allclose(scores, cosines(5, 10), atol=1e-6)


def test_the_mean_of_two_titles_lies_between_them() -> None:
    ((items, scores),) = grounded([["east", "north"]], 2, "mean")
    assert items == [5, 3]
    np.testing.assert_allclose(scores, cosines(0, 35), atol=1e-6)


def test_titles_that_agree_give_distinct_items_all_the_same() -> None:
    # Both name 85 first; then each has 45 next: three distinct items are 85, 45 and one more.
    ((items, _),) = grounded([["north", "almost north"]], 3, "each")
    assert sorted(items) == [3, 5, 7] and items[0] == 7


def test_users_do_not_mix() -> None:
    found = grounded([["east"], ["west", "north"], ["north"]], 1, "each")
    assert [items for items, _ in found] == [[3], [9], [7]]


def test_a_small_pool_gives_all_it_has() -> None:
    for query in ("each", "mean"):
        ((items, _),) = grounded([["east"]], 99, query)
        assert items == [3, 5, 7, 9]


def test_users_are_grounded_in_their_target_domain_alone(world: Any, tmp_path: Path) -> None:
    # Items 1..12 are food, 13..24 tools; both lie at the same degrees, 0, 15, ..., 165.
    vectors = np.concatenate([np.zeros((1, 2)), circle([15.0 * (i % 12) for i in range(24)])])
    world.store.write_tensors(
        "item_text/little", {"vectors": torch.from_numpy(vectors.astype(np.float32))}
    )
    write_titles(
        world,
        [
            (4, "single", "food", ["north"]),
            (2, "single", "tools", ["north"]),
            (3, "single", "tools", []),
        ],
    )
    extraction = Extraction(engine=Compass(), cache=RowCache(tmp_path))
    build_title_vectors(world.scenario, world.store, extraction)
    outcome = build_pseudo_interactions(world.scenario, world.store, GroundingConfig(num_items=3))
    rows = world.store.read_table("pseudo_interactions/little").to_pylist()
    assert [(row["user"], sorted(row["items"])) for row in rows] == [
        (2, [18, 19, 20]),
        (4, [6, 7, 8]),
    ]
    assert [row["items"][0] for row in rows] == [19, 7]  # 90 degrees
    assert outcome.facts == {
        "users": 2,
        "users_without_titles": 1,
        "items_each": 3,
        "distinct_items": 6,
    }
