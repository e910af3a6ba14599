"""Generated titles as stored vectors: whose they are, in which order, and who has none."""

from pathlib import Path
from typing import Any

import numpy as np

from pipeline.extract.extraction import Extraction
from pipeline.extract.row_cache import RowCache
from pipeline.retrieve.title_vectors import build_title_vectors
from tests.pipeline.extract.echo_engine import EchoEngine
from tests.pipeline.retrieve.stored_titles import write_titles


class Letters(EchoEngine):
    """The vector of a title is the unit vector of its first letter."""

    def embed(self, task: Any, texts: Any) -> np.ndarray:
        return np.eye(26, dtype=np.float32)[[ord(text[0]) - ord("a") for text in texts]]


def build(world: Any, folder: Path) -> Any:
    extraction = Extraction(engine=Letters(), cache=RowCache(folder))
    return build_title_vectors(world.scenario, world.store, extraction)


def test_each_users_titles_keep_their_order_and_their_owner(world: Any, tmp_path: Path) -> None:
    write_titles(
        world,
        [
            (16, "single", "tools", ["cup", "axe"]),
            (15, "single", "tools", []),
            (18, "single", "food", ["bun"]),
            (3, "overlap", "food", ["axe", "egg", "cup"]),
        ],
    )
    outcome = build(world, tmp_path)
    stored = world.store.read_tensors("title_vectors/little")
    letters = "".join("abcde"[i] for i in stored["vectors"].argmax(1).tolist())
    bounds = stored["bounds"].tolist()
    assert [letters[bounds[i] : bounds[i + 1]] for i in range(4)] == ["ca", "", "b", "aec"]
    assert stored["user"].tolist() == [16, 15, 18, 3]
    assert [world.scenario.domains[i] for i in stored["target"].tolist()] == [
        "tools",
        "tools",
        "food",
        "food",
    ]
    assert stored["single"].tolist() == [True, True, True, False]
    assert {name: outcome.facts[name] for name in ("users", "users_without_titles", "titles")} == {
        "users": 4,
        "users_without_titles": 1,
        "titles": 6,
    }


def test_nobody_with_a_title_gives_no_vector_and_says_so(world: Any, tmp_path: Path) -> None:
    write_titles(world, [(16, "single", "tools", []), (17, "single", "food", [])])
    outcome = build(world, tmp_path)
    stored = world.store.read_tensors("title_vectors/little")
    assert (len(stored["vectors"]), stored["bounds"].tolist()) == (0, [0, 0, 0])
    assert outcome.facts["users_without_titles"] == 2
