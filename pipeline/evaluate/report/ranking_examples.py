"""Examples of recommendations: stored ones, beside the history and the held-out item."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow.compute as pc

from pipeline.catalog import Scenario
from pipeline.evaluate.report.examples import Example, draw
from pipeline.store import Store

_SHOWN = 5  # of the items that a system offers
_Item = tuple[str, str]  # its id and its title
_Offers = dict[tuple[str, str], list[_Item]]  # by user id and target domain, best first


def has_offers(system: str, scenario: Scenario, store: Store) -> bool:
    return store.exists(_key(system, scenario), ".parquet")


def ranking_examples(
    scenario: Scenario, store: Store, pairs: Mapping[str, Sequence[str]]
) -> list[Example]:
    """A handful of each target domain; `pairs` are its systems, the one that decides hits first.

    ValueError where recommendations are missing, or are of other users than the test's.
    """
    systems = dict.fromkeys(system for pair in pairs.values() for system in pair)
    offers = {system: _offers(system, scenario, store) for system in systems}
    vocabulary = store.read_table(f"vocabulary/{scenario.name}", ["item", "item_id", "title"])
    items = {row["item"]: (row["item_id"], row["title"]) for row in vocabulary.to_pylist()}
    sequences = store.read_table(f"sequences/{scenario.name}")
    test = sequences.filter(pc.equal(sequences["part"], "test")).to_pylist()
    examples = []
    for domain, pair in pairs.items():
        users = [row for row in test if row["target_domain"] == domain]
        _check_offered(users, offers[pair[0]], pair[0], scenario)
        hit_N = np.array([_place(row, offers[pair[0]], items) is not None for row in users], bool)
        examples += [_example(users[n], pair, offers, items) for n in draw(hit_N)]
    return examples


def _key(system: str, scenario: Scenario) -> str:
    return f"recommendations/{scenario.name}/{system}"


def _offers(system: str, scenario: Scenario, store: Store) -> _Offers:
    offers: _Offers = {}
    for row in store.read_table(_key(system, scenario)).sort_by("rank").to_pylist():
        user = (row["user_id"], row["target_domain"])
        offers.setdefault(user, []).append((row["item_id"], row["title"]))
    return offers


def _check_offered(
    users: Sequence[Mapping[str, Any]], offers: _Offers, system: str, scenario: Scenario
) -> None:
    lost = [row["user"] for row in users if (row["user_id"], row["target_domain"]) not in offers]
    if lost:
        raise ValueError(
            f"recommendations of {system!r} lack {len(lost)} test users, for instance user"
            f" {lost[0]}: materialize recommendations/{system} of {scenario.name} again"
        )


def _place(row: Mapping[str, Any], offers: _Offers, items: Mapping[int, _Item]) -> int | None:
    """Where the held-out item stands among what is offered, from 1; None: it is not offered."""
    offered = [item for item, _ in offers[row["user_id"], row["target_domain"]]]
    taken = items[row["label"]][0]
    return offered.index(taken) + 1 if taken in offered else None


def _example(
    row: Mapping[str, Any],
    pair: Sequence[str],
    offers: Mapping[str, _Offers],
    items: Mapping[int, _Item],
) -> Example:
    user, taken = (row["user_id"], row["target_domain"]), items[row["label"]]
    places = {system: _place(row, offers[system], items) for system in pair}
    return Example(
        place=f"target domain {row['target_domain']}",
        history=tuple(items[item][1] for item in row["items"]),
        taken=taken[1],
        offers={
            system: [(title, item == taken[0]) for item, title in offers[system][user][:_SHOWN]]
            for system in pair
        },
        ranks={
            system: f"not among the {len(offers[system][user])} items offered"
            if place is None
            else f"offered at place {place} of {len(offers[system][user])}"
            for system, place in places.items()
        },
    )
