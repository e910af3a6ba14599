"""Means and biases against values worked out by hand."""

import pytest
import torch

from models.batch import ItemSpace
from models.rating_baselines.means import (
    Biases,
    BiasesConfig,
    GlobalMean,
    GlobalMeanConfig,
    ItemMean,
    ItemMeanConfig,
    UserMean,
    UserMeanConfig,
)
from models.ratings import Known, Pairs, RatingCounter, Ratings

# Auxiliary items 1..3, target items 4..6. User 3 rated nothing, user 2 is cold.
SPACE = ItemSpace(sizes=(3, 3))
KNOWN = Known(
    space=SPACE,
    num_users=4,
    mean_rating=4.0,
    history_UL=torch.zeros(4, 1, dtype=torch.int64),
    history_rating_UL=torch.zeros(4, 1),
    features=None,
)
COUNTERS = {
    GlobalMean: GlobalMeanConfig(),
    UserMean: UserMeanConfig(),
    ItemMean: ItemMeanConfig(),
    Biases: BiasesConfig(),
}


def _ratings(*triples: tuple[int, int, float]) -> Ratings:
    users, items, ratings = zip(*triples, strict=True)
    return Ratings(torch.tensor(users), torch.tensor(items), torch.tensor(ratings))


def _predict(counter: RatingCounter, user: int, item: int) -> float:
    return float(counter.predict(Pairs(torch.tensor([user]), torch.tensor([item]))))


# Auxiliary mean 3, target mean 4.
TRAIN = _ratings((0, 1, 5), (0, 2, 3), (1, 1, 2), (2, 1, 2), (0, 4, 5), (1, 4, 4), (1, 5, 3))
VALID = _ratings((2, 4, 4.5), (2, 5, 3.5))


def test_the_global_mean_is_of_target_ratings_alone():
    counter = GlobalMean(GlobalMeanConfig(), KNOWN)
    counter.count(TRAIN, VALID)

    assert _predict(counter, 2, 4) == _predict(counter, 3, 6) == 4.0


def test_a_users_mean_is_moved_by_the_difference_of_the_domains():
    counter = UserMean(UserMeanConfig(), KNOWN)
    counter.count(TRAIN, VALID)

    assert _predict(counter, 0, 4) == 5.0  # rated 5 and 3 where 3 is the mean
    assert _predict(counter, 2, 4) == _predict(counter, 2, 6) == 3.0


def test_who_rated_nothing_elsewhere_gets_the_targets_mean():
    counter = UserMean(UserMeanConfig(), KNOWN)
    counter.count(TRAIN, VALID)

    assert _predict(counter, 3, 4) == 4.0


def test_an_items_mean_is_drawn_to_the_mean_of_all():
    counter = ItemMean(ItemMeanConfig(shrinkages=(2.0,)), KNOWN)
    counter.count(TRAIN, VALID)

    assert _predict(counter, 2, 4) == 4.25  # two ratings half above; two more at 4
    assert _predict(counter, 2, 5) == pytest.approx(4 - 1 / 3)
    assert _predict(counter, 2, 6) == 4.0


def test_an_items_shrinkage_is_the_one_that_validation_users_agree_with():
    counter = ItemMean(ItemMeanConfig(shrinkages=(100.0, 1.0, 0.0)), KNOWN)

    counter.count(TRAIN, _ratings((2, 4, 4.5), (2, 5, 3.0)))
    assert counter.shrinkage.item() == 0.0
    assert _predict(counter, 2, 5) == 3.0

    counter.count(TRAIN, _ratings((2, 4, 4.0), (2, 5, 4.0)))
    assert counter.shrinkage.item() == 100.0

    counter.count(TRAIN, _ratings((2, 4, 4 + 1 / 3), (2, 5, 3.5)))
    assert counter.shrinkage.item() == 1.0


def test_biases_add_what_users_and_items_deviate_by():
    counter = Biases(BiasesConfig(item_shrinkages=(1.0,), user_shrinkages=(2.0,)), KNOWN)
    counter.count(TRAIN, VALID)

    # Auxiliary items: item 1 deviates by (2 - 1 - 1) / (3 + 1) = 0, item 2 by 0 / (1 + 1).
    users = {0: (2 + 0) / (2 + 2), 1: -1 / (1 + 2), 2: -1 / (1 + 2), 3: 0.0}
    items = {4: 1 / (2 + 1), 5: -1 / (1 + 1), 6: 0.0}
    for user, user_deviation in users.items():
        for item, item_deviation in items.items():
            expected = 4 + user_deviation + item_deviation
            assert _predict(counter, user, item) == pytest.approx(expected)


def test_what_is_due_to_auxiliary_items_is_no_deviation_of_their_users():
    counter = Biases(BiasesConfig(item_shrinkages=(1e-9,), user_shrinkages=(1.0,)), KNOWN)
    train = _ratings((0, 1, 5), (1, 1, 5), (0, 2, 1), (2, 2, 3), (0, 4, 4))
    counter.count(train, VALID)

    assert _predict(counter, 1, 6) == pytest.approx(4.0)  # item 1 has 5 from everyone
    assert _predict(counter, 2, 6) == pytest.approx(4.5)  # item 2 has 2 in the mean


def test_the_strengths_of_biases_are_chosen_together_on_validation_users():
    config = BiasesConfig(item_shrinkages=(1000.0, 1.0), user_shrinkages=(1000.0, 2.0))
    counter = Biases(config, KNOWN)
    counter.count(TRAIN, _ratings((2, 4, 4 - 1 / 3), (0, 5, 4.5)))

    assert counter.item_shrinkage.item() == 1000.0
    assert counter.user_shrinkage.item() == 2.0
    assert _predict(counter, 0, 5) == pytest.approx(4.5, abs=0.01)


@pytest.mark.parametrize(
    ("counter_class", "config"),
    [
        (UserMean, UserMeanConfig()),
        (ItemMean, ItemMeanConfig()),
        (Biases, BiasesConfig(item_shrinkages=(3.0,), user_shrinkages=(3.0,))),
    ],
)
def test_what_a_user_rated_in_the_target_domain_says_nothing_of_that_user(counter_class, config):
    """It moves means and items, but what sets the user apart from another stays."""
    gaps = []
    for own in (1.0, 5.0):
        counter = counter_class(config, KNOWN)
        counter.count(_ratings((0, 1, 5), (1, 1, 2), (1, 4, 4), (0, 5, own), (1, 5, 3)), VALID)
        gaps.append(_predict(counter, 0, 5) - _predict(counter, 1, 5))

    assert gaps[0] == pytest.approx(gaps[1])


@pytest.mark.parametrize("counter_class", COUNTERS)
def test_counting_again_starts_afresh(counter_class):
    once, twice = (counter_class(COUNTERS[counter_class], KNOWN) for _ in range(2))
    twice.count(_ratings((0, 1, 1), (3, 1, 4), (3, 6, 1)), VALID)

    once.count(TRAIN, VALID)
    twice.count(TRAIN, VALID)

    assert _predict(once, 3, 6) == _predict(twice, 3, 6)


@pytest.mark.parametrize("counter_class", COUNTERS)
def test_what_was_counted_is_all_in_the_state(counter_class):
    counted, loaded = (counter_class(COUNTERS[counter_class], KNOWN) for _ in range(2))
    counted.count(TRAIN, VALID)
    loaded.load_state_dict(counted.state_dict())
    pairs = Pairs(torch.tensor([0, 1, 2, 3]), torch.tensor([4, 5, 6, 4]))

    assert isinstance(counted, RatingCounter)
    assert not list(counted.parameters())
    assert torch.equal(counted.predict(pairs), loaded.predict(pairs))
    assert counted.predict(pairs).dtype == torch.float32


@pytest.mark.parametrize("counter_class", COUNTERS)
def test_without_target_ratings_there_is_no_mean(counter_class):
    counter = counter_class(COUNTERS[counter_class], KNOWN)

    with pytest.raises(ValueError, match="none of the 1 training ratings is of the target domain"):
        counter.count(_ratings((0, 1, 5)), VALID)


@pytest.mark.parametrize("counter_class", [ItemMean, Biases])
def test_without_validation_users_no_strength_is_chosen(counter_class):
    counter = counter_class(COUNTERS[counter_class], KNOWN)
    nobody = Ratings(*(column_N[:0] for column_N in VALID))

    with pytest.raises(ValueError, match=r"raise split\.valid"):
        counter.count(TRAIN, nobody)
