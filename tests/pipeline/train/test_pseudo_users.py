"""Pseudo users from each of their three sources, against answers found another way."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from models.baselines.cooccurrence import Cooccurrence, CooccurrenceConfig
from models.batch import ItemSpace, Query, SequenceBatch
from pipeline.columns import PSEUDO_INTERACTIONS
from pipeline.train import pseudo_users
from pipeline.train.pseudo_users import by_cooccurrence, by_text_neighbours, by_titles
from pipeline.train.ragged import ragged

SPACE = ItemSpace(sizes=(6, 8))  # items 1..6 and 7..14
SINGLE = [[1, 2, 3], [8, 9], [4], [7, 7, 14, 10], [5, 6]]
SEQUENCES = ragged([np.array(row) for row in SINGLE])


def write_pseudo(world: Any, rows: list[tuple[int, str, str, list[int]]]) -> None:
    columns = ("user", "part", "target_domain", "items")
    entries = [
        dict(zip(columns, row, strict=True))
        | {"scores": [0.9 - 0.1 * rank for rank in range(len(row[3]))]}
        for row in rows
    ]
    table = pa.Table.from_pylist(entries, schema=PSEUDO_INTERACTIONS)
    world.store.write_table("pseudo_interactions/little", PSEUDO_INTERACTIONS, table)


def test_grounded_items_join_their_users_and_the_probe_is_left_out(world: Any) -> None:
    rows = world.store.read_table("sequences/little").to_pylist()
    food = next(r for r in rows if r["part"] == "single" and max(r["items"]) <= 12)
    tools = next(r for r in rows if r["part"] == "single" and min(r["items"]) > 12)
    probe = next(r for r in rows if r["part"] == "overlap")
    write_pseudo(
        world,
        [
            (tools["user"], "single", "food", [3, 4, 9]),
            (probe["user"], "overlap", "tools", [13]),
            (food["user"], "single", "tools", [20]),
            (food["user"], "single", "tools", []),
        ],
    )
    users = by_titles(world.store, world.scenario, 2)
    assert [users.source[i].tolist() for i in range(2)] == [tools["items"], food["items"]]
    assert users.item_NK.tolist() == [[3, 4], [20, 0]]
    np.testing.assert_allclose(users.score_NK, [[0.9, 0.8], [0.9, -np.inf]], rtol=1e-6)
    assert users.domain_N.tolist() == [0, 1]


def test_no_stored_titles_are_no_users(world: Any) -> None:
    write_pseudo(world, [])
    assert len(by_titles(world.store, world.scenario, 5)) == 0


@pytest.mark.parametrize("chunk", [1, 2, 100])
def test_text_neighbours_are_nearest_to_the_mean_text(
    chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pseudo_users, "_CHUNK", chunk)
    text = np.random.default_rng(1).normal(size=(15, 5)).astype(np.float32)
    users = by_text_neighbours(SEQUENCES, SPACE, torch.from_numpy(text), 3)
    for row, items in enumerate(SINGLE):
        mean, target = text[items].mean(0), SPACE.ids(1 if items[0] <= 6 else 0)
        cosine = {
            item: text[item] @ mean / np.linalg.norm(text[item]) / np.linalg.norm(mean)
            for item in target
        }
        expected = sorted(cosine, key=lambda item: -cosine[item])[:3]
        assert users.item_NK[row].tolist() == expected
        np.testing.assert_allclose(
            users.score_NK[row], [cosine[item] for item in expected], rtol=1e-4, atol=1e-6
        )
    assert users.domain_N.tolist() == [1, 0, 1, 0, 1]


def counted() -> Cooccurrence:
    model = Cooccurrence(CooccurrenceConfig(space=SPACE))
    overlap = [[1, 7, 2, 8, 3], [9, 4, 10, 1], [2, 11, 12, 7, 3]]
    model.count([SequenceBatch(torch.tensor([row])) for row in [*overlap, [7, 14, 10]]])
    return model


def test_cooccurring_items_are_those_that_the_counting_system_scores_highest() -> None:
    model = counted()
    users = by_cooccurrence(SEQUENCES, SPACE, model, 4)
    kept = [row for row in SINGLE if row != [5, 6]]  # of whom no overlap user says anything
    assert [users.source[i].tolist() for i in range(len(users))] == kept
    assert users.row_N.tolist() == [0, 1, 2, 3]
    for row, items in enumerate(kept):
        domain = 1 if items[0] <= 6 else 0
        votes = model.score(Query(torch.tensor([items]), torch.tensor([domain])))[0]
        own = votes[SPACE.columns(domain)].sort(descending=True).values[:4]
        found = users.item_NK[row]
        np.testing.assert_allclose(votes[found[found > 0]], own[own > 0], rtol=1e-5)
        np.testing.assert_allclose(np.exp(users.score_NK[row]), own, rtol=1e-4)
        assert (found > 0).sum() == (own > 0).sum()


def test_more_items_than_a_domain_has_leave_the_rest_empty() -> None:
    text = torch.eye(15)[:, :8] + 0.1
    users = by_text_neighbours(SEQUENCES, SPACE, text, 7)
    food_users = users.domain_N == 0
    assert (users.item_NK[food_users][:, 6] == 0).all()
    assert (users.item_NK[food_users][:, :6] > 0).all()
