"""GRU4Rec: packed states against a plain GRU of each history alone, and what each state learns."""

import math

import pytest
import torch
import torch.nn.functional as F

from models.baselines.gru4rec import GRU4Rec, GRU4RecConfig
from models.batch import ItemSpace, Query, SequenceBatch

SPACE = ItemSpace(sizes=(6, 6))


def _gru4rec(**settings: object) -> GRU4Rec:
    torch.manual_seed(0)
    sizes = {"width": 8, "gru_width": 10, "dropout": 0.0, "max_length": 4, "num_negatives": 4}
    return GRU4Rec(GRU4RecConfig(space=SPACE, **(sizes | settings)))


def _states_of(model: GRU4Rec, history: list[int]) -> torch.Tensor:
    """As one unpadded history goes through `torch.nn.GRU`, [L, D]."""
    x_LD = F.embedding(torch.tensor(history), model.item.weight) * math.sqrt(8)
    return model.out(model.gru(x_LD)[0])


@pytest.mark.parametrize("num_layers", [1, 2])
def test_a_padded_history_is_answered_as_it_is_alone(num_layers):
    model = _gru4rec(num_layers=num_layers).eval()
    histories = [[3], [1, 7, 2, 8], [5, 9]]
    padded = torch.tensor([[0] * (5 - len(history)) + history for history in histories])

    scores_BV = model.score(Query(padded, torch.tensor([1, 0, 1])))

    for history, scores_V in zip(histories, scores_BV, strict=True):
        expected_V = _states_of(model, history)[-1] @ model.item.weight.T
        torch.testing.assert_close(scores_V, expected_V)


def test_every_state_learns_the_item_that_follows_it():
    model = _gru4rec(objective="full_softmax")
    sequences = [[1, 8, 2], [3, 4, 9, 12, 5], [7]]
    padded = torch.tensor([[0] * (5 - len(sequence)) + sequence for sequence in sequences])

    loss = model.loss(SequenceBatch(padded))["next_item"]

    expected = []
    for sequence in sequences[:2]:
        states = _states_of(model, sequence[:-1])
        for state_D, label in zip(states, sequence[1:], strict=True):
            own = SPACE.columns(0) if label <= 6 else SPACE.columns(1)
            log_chance = (model.item.weight[own] @ state_D).log_softmax(dim=0)
            expected.append(-log_chance[label - own.start])
    torch.testing.assert_close(loss, torch.stack(expected).mean())


def test_sequences_of_one_item_teach_nothing():
    loss = _gru4rec().loss(SequenceBatch(torch.tensor([[0, 1], [0, 7]])))["next_item"]
    loss.backward()

    assert loss.item() == 0


def test_only_the_newest_items_are_read():
    model = _gru4rec(objective="full_softmax").eval()
    whole, longer = torch.tensor([[1, 2, 3, 4, 5]]), torch.tensor([[6, 1, 2, 3, 4, 5]])

    losses = [model.loss(SequenceBatch(items))["next_item"] for items in (whole, longer)]
    scores = [model.score(Query(items, torch.tensor([1]))) for items in (whole[:, 1:], longer)]

    assert losses[0] == losses[1]
    assert torch.equal(scores[0], scores[1])


def test_an_empty_history_scores_every_item_the_same():
    scores = _gru4rec().eval().score(Query(torch.tensor([[0, 0], [0, 3]]), torch.tensor([0, 0])))

    assert (scores[0] == 0).all()
    assert (scores[1, 1:] != 0).all()


@pytest.mark.parametrize("objective", ["sampled_softmax", "full_softmax"])
def test_every_objective_of_gru4rec_learns_which_item_follows_which(objective):
    model = _gru4rec(objective=objective)
    batch = SequenceBatch(torch.tensor([[1, 7, 2, 8], [3, 9, 4, 10], [5, 11, 6, 12]]))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(80):
        optimizer.zero_grad()
        model.loss(batch)["next_item"].backward()
        optimizer.step()

    scores = model.eval().score(Query(batch.items_BL[:, :-1], torch.ones(3).long()))

    assert scores[:, SPACE.columns(1)].argmax(dim=1).tolist() == [1, 3, 5]
