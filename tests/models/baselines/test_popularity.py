"""Non-personal references against counts worked by hand."""

import pytest
import torch

from models.baselines.popularity import (
    OverlapPopularity,
    OverlapPopularityConfig,
    Popularity,
    PopularityConfig,
    RecentPopularity,
    RecentPopularityConfig,
)
from models.batch import ItemSpace, Query, SequenceBatch

SPACE = ItemSpace(sizes=(2, 3))
BATCHES = [
    SequenceBatch(torch.tensor([[0, 0, 1, 2], [0, 1, 2, 1]])),  # of one domain
    SequenceBatch(torch.tensor([[0, 1, 3], [5, 2, 3]])),  # of both
]
QUERY = Query(torch.tensor([[0, 1], [3, 4]]), torch.tensor([1, 0]))


def test_popularity_counts_every_interaction_and_no_padding():
    model = Popularity(PopularityConfig(space=SPACE))
    model.count(BATCHES)

    assert model.score(QUERY).tolist() == [[0, 4, 3, 2, 0, 1]] * 2


def test_recent_popularity_weighs_the_newest_of_overlapping_users():
    model = RecentPopularity(RecentPopularityConfig(space=SPACE, decay=0.5))
    model.count(BATCHES)

    # Item 3 ends both mixed sequences; items 1 and 2 are one from the end, item 5 two.
    assert model.score(QUERY)[0].tolist() == pytest.approx([0, 0.5, 0.5, 2, 0, 0.25])


def test_overlap_popularity_counts_overlapping_users_alone_wherever_an_item_stands():
    model = OverlapPopularity(OverlapPopularityConfig(space=SPACE))
    model.count(BATCHES)

    assert model.score(QUERY).tolist() == [[0, 1, 1, 2, 0, 1]] * 2


def test_overlap_popularity_is_recent_popularity_without_decay():
    overlap = OverlapPopularity(OverlapPopularityConfig(space=SPACE))
    recent = RecentPopularity(RecentPopularityConfig(space=SPACE, decay=1.0))
    for model in (overlap, recent):
        model.count(BATCHES)

    assert torch.equal(overlap.score(QUERY), recent.score(QUERY))


def test_counting_twice_adds_up():
    model = Popularity(PopularityConfig(space=SPACE))
    model.count(BATCHES[:1])
    model.count(BATCHES[1:])

    assert model.score(QUERY)[0].tolist() == [0, 4, 3, 2, 0, 1]
