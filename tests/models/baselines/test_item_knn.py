"""Text neighbours against cosines worked by hand."""

import pytest
import torch

from models.baselines.item_knn import ItemKNN, ItemKNNConfig
from models.batch import ItemSpace, Query, SequenceBatch

SPACE = ItemSpace(sizes=(2, 2))
TEXT = torch.tensor([[9.0, 9.0], [2.0, 0.0], [0.0, 3.0], [3.0, 4.0], [0.0, 1.0]])


def _scores(history: list[int], **settings: object) -> list[float]:
    model = ItemKNN(ItemKNNConfig(space=SPACE, **settings), TEXT)
    return model.score(Query(torch.tensor([history]), torch.tensor([1])))[0].tolist()


def test_one_item_scores_by_cosine_whatever_the_vectors_lengths():
    assert _scores([1])[3:] == pytest.approx([0.6, 0])
    assert _scores([2])[3:] == pytest.approx([0.8, 1])


def test_a_history_scores_by_the_mean_in_which_newer_items_weigh_more():
    # Weights 1/2 and 1, divided by their sum: 1/3 and 2/3.
    expected = [0.6 / 3 + 0.8 * 2 / 3, 2 / 3]
    assert _scores([0, 1, 2], decay=0.5)[3:] == pytest.approx(expected)


def test_without_decay_order_means_nothing():
    assert _scores([1, 2], decay=1.0) == pytest.approx(_scores([2, 1], decay=1.0))
    assert _scores([1, 2], decay=0.5) != pytest.approx(_scores([2, 1], decay=0.5))


def test_centring_subtracts_each_domains_own_mean():
    # Domain 0 around (1, 1.5): item 1 is (1, -1.5). Domain 1 around (1.5, 2.5): item 3 is
    # (1.5, 1.5), item 4 its opposite.
    cosine = (1 - 1.5) / (3.25**0.5 * 2**0.5)
    assert _scores([1], centred=True)[3:] == pytest.approx([cosine, -cosine])


def test_the_mean_of_cosines_ranks_as_the_cosine_with_the_mean_vector():
    text_VE = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))
    model = ItemKNN(ItemKNNConfig(space=SPACE, decay=1.0), text_VE)
    scores_V = model.score(Query(torch.tensor([[1, 2]]), torch.tensor([1])))[0, 1:]

    unit_VE = text_VE / text_VE.norm(dim=1, keepdim=True)
    mean_E = unit_VE[[1, 2]].mean(dim=0)
    cosine_V = torch.cosine_similarity(mean_E, text_VE[1:])
    torch.testing.assert_close(scores_V, cosine_V * mean_E.norm())


def test_counting_changes_nothing_and_nothing_is_stored():
    model = ItemKNN(ItemKNNConfig(space=SPACE), TEXT)
    query = Query(torch.tensor([[1, 2]]), torch.tensor([1]))
    before_BV = model.score(query)
    model.count([SequenceBatch(torch.tensor([[1, 3]]))])

    assert torch.equal(model.score(query), before_BV)
    assert model.state_dict() == {}


def test_texts_for_another_number_of_items_are_refused():
    with pytest.raises(ValueError, match=r"shape \(4, 2\), need 5 rows"):
        ItemKNN(ItemKNNConfig(space=SPACE), TEXT[:4])
