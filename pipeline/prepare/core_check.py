"""Whether stored interactions still are the k-core that the scenario asks for."""

import numpy as np
import polars as pl

from pipeline.catalog import Scenario
from pipeline.finding import Finding
from pipeline.prepare.codes import dense_codes, id_hashes
from pipeline.prepare.kcore import k_core_mask
from pipeline.store import Store

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""Multiples of it differ in all bits: a domain's items are its own, even with another's ids."""


def core_holds(scenario: Scenario, store: Store) -> Finding:
    """A core has a core of its own: itself. So nothing may fall to a second round of dropping.

    Three columns are read, in batches; kept of a row are some 18 bytes.
    """
    users, items, domains = _codes(scenario, store)
    stays = k_core_mask(users, items, domains, scenario.filters, len(scenario.domains))
    dropped = int(len(stays) - stays.sum())
    filters = scenario.filters
    return Finding(
        passed=dropped == 0 and len(stays) > 0,
        says=f"{dropped} of {len(stays)} interactions are outside the {filters.k_core}-core by "
        f"the rule {filters.k_core_rule!r}",
        figures={
            "interactions": len(stays),
            "interactions outside the core": dropped,
            "fewest of a user": _fewest(users),
            "fewest of an item": _fewest(items),
        },
    )


def _codes(scenario: Scenario, store: Store) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    key = f"interactions/{scenario.name}"
    rows, end = store.num_rows(key), 0
    users, items = np.empty(rows, dtype=np.uint64), np.empty(rows, dtype=np.uint64)
    domains = np.empty(rows, dtype=np.int16)
    place_of = {name: place for place, name in enumerate(scenario.domains)}
    for batch in store.read_batches(key, ["user_id", "domain", "item_id"]):
        frame = pl.DataFrame(pl.from_arrow(batch))
        into = slice(end, end + frame.height)
        place = frame["domain"].replace_strict(place_of, return_dtype=pl.Int16).to_numpy()
        users[into], domains[into] = id_hashes(frame["user_id"]), place
        items[into] = id_hashes(frame["item_id"]) ^ (place.astype(np.uint64) * _GOLDEN)
        end += frame.height
    return dense_codes(users)[0], dense_codes(items)[0], domains


def _fewest(codes: np.ndarray) -> int:
    return int(np.bincount(codes).min(initial=len(codes)))
