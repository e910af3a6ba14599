"""The released ABXI food-kitchen set, split by its authors' protocol and by time."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.catalog import Candidates, Scenario, Split
from pipeline.prepare.candidates import build_candidates
from pipeline.prepare.sequences import build_sequences
from pipeline.store import Store

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "abxi-food-kitchen" / "afk"
DOMAINS = ("food", "kitchen")
SCENARIO = Scenario(
    name="abxi",
    domains=DOMAINS,
    task="cross-domain-sequential",
    split=Split(kind="leave-one-out", newest=50),
    candidates=Candidates(num_negatives=999, seeds=(0,), unseen=True),
)


@pytest.fixture(scope="module")
def released() -> list[tuple[str, str, str, int]]:
    """Interactions of the release: user, domain, item, seconds since 1970."""
    if not DATA.is_dir():
        pytest.skip("the real dataset abxi-food-kitchen is not on this machine")
    items = json.loads((DATA / "map_item_50.txt").read_text())
    users = json.loads((DATA / "map_user_50.txt").read_text())
    item_of = {number: (DOMAINS[half], asin) for asin, (number, half) in items.items()}
    user_of = {number: name for name, number in users.items()}
    events = []
    for line in (DATA / "afk_50_preprocessed.txt").read_text().splitlines():
        user, *pairs = line.split()
        for pair in pairs:
            item, time = pair.split("|")
            events.append((user_of[int(user)], *item_of[int(item)], int(time)))
    return events


@pytest.fixture(scope="module")
def store(
    released: list[tuple[str, str, str, int]],
    write_events: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Store]:
    store = Store(tmp_path_factory.mktemp("abxi"))
    items = {
        domain: sorted({item for _, own, item, _ in released if own == domain})
        for domain in DOMAINS
    }
    assert {domain: len(own) for domain, own in items.items()} == {"food": 11837, "kitchen": 16258}
    write_events(store, SCENARIO, released, items)
    yield store


def cases(store: Store) -> dict[tuple[str, str], int]:
    table = store.read_table("sequences/abxi", ["part", "target_domain"]).to_pylist()
    return dict(Counter((r["part"], r["target_domain"]) for r in table if r["target_domain"]))


def test_the_release_has_its_published_size(released: list[tuple[str, str, str, int]]) -> None:
    assert len(released) == 173_548
    assert len({user for user, *_ in released}) == 7_144
    assert Counter(domain for _, domain, *_ in released) == {"food": 83_663, "kitchen": 89_885}


def test_every_user_is_tried_once_in_each_part(store: Store) -> None:
    outcome = build_sequences(SCENARIO, store)
    facts = outcome.facts
    assert facts["users"] == facts["valid_users"] == facts["test_users"] == 7_144
    assert (facts["single_users"], facts["overlap_users"]) == (0, 7_144)
    table = store.read_table("sequences/abxi").to_pylist()
    trained = sum(len(row["items"]) for row in table if row["label"] is None)
    assert trained + 2 * 7_144 == 173_548  # no sequence of the release is longer than 50
    assert cases(store) == {
        ("valid", "food"): 3_124,
        ("valid", "kitchen"): 4_020,
        ("test", "food"): 3_006,
        ("test", "kitchen"): 4_138,
    }
    # "About a third" of the test labels share their time with another item of the user.
    assert facts["tied_test_labels"] == 2_275


def test_negatives_are_unseen_items_of_the_labels_domain(
    store: Store, released: list[tuple[str, str, str, int]]
) -> None:
    few = replace(SCENARIO, candidates=replace(SCENARIO.candidates, num_negatives=20))
    build_sequences(few, store)
    build_candidates(few, store)
    vocabulary = store.read_table("vocabulary/abxi").to_pylist()
    name = {row["item"]: (row["domain"], row["item_id"]) for row in vocabulary}
    had = {(user, domain, item) for user, domain, item, _ in released}
    case = {row["user"]: row for row in store.read_table("sequences/abxi").to_pylist()}
    drawn = [r for r in store.read_table("candidates/abxi").to_pylist() if r["pool"] == "target"]
    assert len(drawn) == 2 * 7_144
    for row in drawn:
        own = case[row["user"]]
        names = {name[item] for item in row["negatives"]}
        assert len(names) == 20
        assert {domain for domain, _ in names} == {own["target_domain"]}
        assert not any((own["user_id"], *one) in had for one in names)


def test_cold_cases_by_time_are_few_since_all_users_shop_in_both_domains(store: Store) -> None:
    later = replace(SCENARIO, task="inter-domain", split=Split(kind="global-time"))
    facts = build_sequences(later, store).facts
    # Shares of 17,355 each, and what ties with the cuts.
    assert (facts["valid_interactions"], facts["test_interactions"]) == (17_356, 17_423)
    assert cases(store) == {
        ("valid", "food"): 85,
        ("valid", "kitchen"): 37,
        ("test", "food"): 25,
        ("test", "kitchen"): 18,
    }
