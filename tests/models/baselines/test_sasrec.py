"""SASRec: which positions learn, what they learn against, and that it learns order."""

import pytest
import torch

from models.baselines.sasrec import SASRec, SASRecConfig
from models.batch import ItemSpace, Query, SequenceBatch
from models.blocks.transformer import EncoderConfig

SPACE = ItemSpace(sizes=(6, 6))


def _sasrec(**settings: str) -> SASRec:
    torch.manual_seed(0)
    encoder = EncoderConfig(width=8, dropout=0.0, max_length=4)
    return SASRec(SASRecConfig(space=SPACE, encoder=encoder, num_negatives=4, **settings))


def test_every_position_but_the_last_has_a_label_of_its_own_domain():
    model = _sasrec(objective="full_softmax")
    torch.nn.init.zeros_(model.item.weight)

    loss = model.loss(SequenceBatch(torch.tensor([[0, 1, 8, 2], [3, 4, 5, 9]])))["next_item"]

    # All scores are equal, so that each label has one chance in six within its domain.
    assert loss.item() == pytest.approx(torch.tensor(6.0).log().item())


def test_a_label_never_reaches_its_own_state():
    model = _sasrec().eval()
    first, second = (model(torch.tensor([[1, 7, last]])) for last in (2, 3))

    torch.testing.assert_close(first[:, :2], second[:, :2])


def test_a_sequence_one_longer_than_the_encoder_is_used_whole():
    model = _sasrec(objective="full_softmax").eval()
    whole, longer = torch.tensor([[1, 2, 3, 4, 5]]), torch.tensor([[6, 1, 2, 3, 4, 5]])

    losses = [model.loss(SequenceBatch(items))["next_item"] for items in (whole, longer)]

    assert losses[0] == losses[1]
    assert losses[0] != model.loss(SequenceBatch(whole[:, 1:]))["next_item"]


def test_sequences_of_one_item_teach_nothing():
    loss = _sasrec().loss(SequenceBatch(torch.tensor([[0, 1], [0, 7]])))["next_item"]
    loss.backward()

    assert loss.item() == 0


def test_an_empty_history_scores_every_item_the_same():
    scores = _sasrec().eval().score(Query(torch.zeros(1, 3).long(), torch.tensor([0])))

    assert (scores == 0).all()


@pytest.mark.parametrize("objective", ["sampled_softmax", "full_softmax", "bce"])
def test_every_objective_learns_which_item_follows_which(objective):
    model = _sasrec(objective=objective)
    batch = SequenceBatch(torch.tensor([[1, 7, 2, 8], [3, 9, 4, 10], [5, 11, 6, 12]]))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(80):
        optimizer.zero_grad()
        model.loss(batch)["next_item"].backward()
        optimizer.step()

    scores = model.eval().score(Query(batch.items_BL[:, :-1], torch.ones(3).long()))

    assert scores[:, SPACE.columns(1)].argmax(dim=1).tolist() == [1, 3, 5]
