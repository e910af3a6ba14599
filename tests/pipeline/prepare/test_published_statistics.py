"""Published statistics use the card's keys and add up where they can."""

import pytest

from pipeline.prepare import published_statistics as module
from pipeline.prepare.card_labels import ALL, STATISTICS
from pipeline.prepare.published_statistics import PublishedStatistics, published_statistics

KNOWN = module._KNOWN


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'food' are not known; known: abxi-food-kitchen, amazon"):
        published_statistics("food")


def test_every_name_finds_its_own_entry() -> None:
    assert len({entry.name for entry in KNOWN}) == len(KNOWN)
    assert all(published_statistics(entry.name) is entry for entry in KNOWN)


@pytest.mark.parametrize("entry", KNOWN, ids=lambda entry: entry.name)
def test_keys_are_the_cards_and_pairs_name_known_domains(entry: PublishedStatistics) -> None:
    for domain, statistic in entry.values:
        key, _, other = statistic.partition(":")
        assert key in STATISTICS
        assert key != "shared_users" or (other in entry.domains and other != domain)


@pytest.mark.parametrize("entry", KNOWN, ids=lambda entry: entry.name)
def test_no_pair_is_given_twice_and_none_is_larger_than_its_domains(
    entry: PublishedStatistics,
) -> None:
    pairs = {key: n for key, n in entry.values.items() if key[1].startswith("shared_users")}
    assert len({frozenset((one, key.split(":")[1])) for one, key in pairs}) == len(pairs)
    for (domain, _), number in pairs.items():
        assert number <= entry.values[domain, "users"]


def test_domains_leave_out_the_total() -> None:
    assert published_statistics("abxi-food-kitchen").domains == ("abxi-food", "abxi-kitchen")


def test_totals_are_sums_of_their_domains() -> None:
    abxi = published_statistics("abxi-food-kitchen").values
    parts = [abxi["abxi-food", "interactions"], abxi["abxi-kitchen", "interactions"]]
    assert abxi[ALL, "interactions"] == sum(parts)


@pytest.mark.parametrize("name", ["tmall-mbcgcn", "tmall-mbgcn"])
def test_behaviours_and_parts_of_a_log_have_the_same_sum(name: str) -> None:
    values = published_statistics(name).values
    sums = {"interactions_of_behaviour": 0.0, "interactions_of_part": 0.0}
    for (_, statistic), value in values.items():
        key = statistic.partition(":")[0]
        if key in sums:
            sums[key] += value
    assert sums["interactions_of_behaviour"] == sums["interactions_of_part"]
