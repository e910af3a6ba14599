"""Recommendations of a world of ten items, worked by hand."""

import pyarrow as pa
import pytest
import torch

from pipeline.catalog import Scenario
from pipeline.columns import RECOMMENDATIONS, SEQUENCES, VOCABULARY
from pipeline.evaluate.recommend import recommend, write_recommendations
from pipeline.store import Store

SCENARIO = Scenario(name="tiny", domains=("food", "kitchen"), top_n=2)


@pytest.fixture
def store(tmp_path):
    """Ten items and three users, listed backwards: rows must be found by id, not by place."""
    store = Store(tmp_path)
    items = [
        {
            "item": item,
            "domain": "food" if item <= 4 else "kitchen",
            "item_id": f"B{item:02}",
            "title": f"Title <{item}>",
            "text": "",
            "has_title": True,
        }
        for item in range(1, 11)
    ]
    users = [
        {"user": user, "user_id": f"A{user}", "part": "test", "items": [1]} for user in (9, 8, 7)
    ]
    store.write_table("vocabulary/tiny", VOCABULARY, pa.Table.from_pylist(items, VOCABULARY))
    store.write_table("sequences/tiny", SEQUENCES, pa.Table.from_pylist(users, SEQUENCES))
    return store


def test_the_best_items_of_the_target_domain_come_first(model, cases, space):
    items, scores = recommend(model, cases, space, 3, batch_size=2)
    # User 7: .9, .7, then 5 and 8 tie at .5: the lower id. User 9: .8, then a tie of three.
    assert items.tolist() == [[6, 10, 5], [8, 10, 9], [4, 1, 2]]
    torch.testing.assert_close(
        scores, torch.tensor([[0.9, 0.7, 0.5], [0.9, 0.5, 0.4], [0.8, 0.3, 0.3]])
    )


def test_a_whole_domain_can_be_ordered_but_no_more(model, cases, space):
    items, _ = recommend(model, cases, space, 4)
    assert sorted(items[2].tolist()) == [1, 2, 3, 4]
    with pytest.raises(ValueError, match=r"top_n = 5: it must lie in 1\.\.4"):
        recommend(model, cases, space, 5)


def test_recommendations_are_written_with_the_users_and_items_own_names(model, cases, store):
    outcome = write_recommendations(store, SCENARIO, "fixed", model, cases)
    table = store.read_table("recommendations/tiny/fixed")
    assert table.schema == RECOMMENDATIONS
    assert table["user_id"].to_pylist() == ["A7", "A7", "A8", "A8", "A9", "A9"]
    assert table["target_domain"].to_pylist() == ["kitchen"] * 4 + ["food"] * 2
    assert table["rank"].to_pylist() == [1, 2] * 3
    assert table["item_id"].to_pylist() == ["B06", "B10", "B08", "B10", "B04", "B01"]
    assert table["title"].to_pylist()[0] == "Title <6>"
    assert outcome.preview.num_rows == 4
    assert outcome.facts["users"] == 3
    assert outcome.facts["kitchen: items shown"] == 3
    assert outcome.facts["kitchen: share of its items shown"] == 0.5


def test_a_user_without_a_sequence_is_an_error(model, cases, store):
    sequences = store.read_table("sequences/tiny").slice(1)
    store.write_table("sequences/tiny", SEQUENCES, sequences)
    with pytest.raises(ValueError, match="sequences has no row for 9"):
        write_recommendations(store, SCENARIO, "fixed", model, cases)
