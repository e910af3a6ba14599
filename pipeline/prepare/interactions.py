"""Reviews of a scenario's domains become one table of interactions: filters, then the k-core.

Any number of rows: the first pass over the stored reviews keeps integers alone (some 40 bytes a
row at the peak), the second writes the rows that stay, in the order of domains and files.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from pipeline.catalog import Catalog, Filters, Scenario
from pipeline.columns import INTERACTIONS
from pipeline.outcome import Fact, Outcome
from pipeline.prepare.codes import dense_codes, id_hashes
from pipeline.prepare.kcore import k_core_mask
from pipeline.prepare.shared_users import check_items_differ, nothing_shared
from pipeline.store import Store

_GOLDEN = 0x9E3779B97F4A7C15
"""Multiples of it differ in all bits: salts for the hashes of each domain."""

_READ = ["user_id", "item_id", "timestamp", "verified"]


@dataclass(frozen=True, kw_only=True)
class Passed:
    """The rows that pass the filters, of all domains one after the other."""

    users: np.ndarray  # [rows] int32 codes
    items: np.ndarray  # [rows] int32 codes, other ones in each domain
    domains: np.ndarray  # [rows] int16, places in the scenario's domains
    by_domain: tuple[np.ndarray, ...]  # [rows of the domain] bool: which of its reviews passed


def build_interactions(scenario: Scenario, catalog: Catalog, store: Store) -> Outcome:
    """Write `interactions/<scenario>`. ValueError where nothing or no shared user is left."""
    check_items_differ(catalog.domains_of(scenario.name), store)
    passed = _passed(scenario, store)
    num_domains = len(scenario.domains)
    survives = k_core_mask(
        passed.users, passed.items, passed.domains, scenario.filters, num_domains
    )
    num_shared = _num_shared(passed, survives, num_domains)
    if not survives.any() or (num_domains > 1 and num_shared == 0):
        raise ValueError(nothing_shared(scenario, store, _shared_by_step(passed, survives)))
    artifact = store.write_table(
        f"interactions/{scenario.name}", INTERACTIONS, _kept(scenario, store, passed, survives)
    )
    facts: dict[str, Fact] = {
        "reviews": sum(len(mask) for mask in passed.by_domain),
        "after_filters": len(passed.users),
        "in_k_core": int(survives.sum()),
        "users": _num_distinct(passed.users[survives]),
        "overlap_users": num_shared,
    }
    for place, name in enumerate(scenario.domains):
        own = survives & (passed.domains == place)
        facts[f"interactions_{name}"] = int(own.sum())
        facts[f"items_{name}"] = _num_distinct(passed.items[own])
    return Outcome(artifact=artifact, facts=facts)


def _passed(scenario: Scenario, store: Store) -> Passed:
    num_rows = [store.num_rows(f"reviews/{name}") for name in scenario.domains]
    # Allocated whole: lists of pieces would take the same room once more when they are joined.
    users = np.empty(sum(num_rows), dtype=np.uint64)
    items, domains = np.empty_like(users), np.empty(len(users), dtype=np.int16)
    masks, end = [], 0
    for place, name in enumerate(scenario.domains):
        mask, row = np.zeros(num_rows[place], dtype=bool), 0
        # A domain's items are its own, even where another domain uses the same id.
        salt = np.uint64(place * _GOLDEN % 2**64)
        for frame in _batches(store, name, _READ):
            passes = _filtered(frame, scenario.filters)
            mask[row : row + frame.height] = passes
            row += frame.height
            kept = frame.filter(passes)
            into = slice(end, end + kept.height)
            users[into], items[into] = id_hashes(kept["user_id"]), id_hashes(kept["item_id"]) ^ salt
            domains[into] = place
            end += kept.height
        masks.append(mask)
        _check_verified(scenario, name, store)
    user_codes = dense_codes(users[:end])[0]
    del users  # at scale there is no room for more than is needed
    return Passed(
        users=user_codes,
        items=dense_codes(items[:end])[0],
        domains=domains[:end],
        by_domain=tuple(masks),
    )


def _batches(store: Store, domain: str, columns: list[str]) -> Iterator[pl.DataFrame]:
    for batch in store.read_batches(f"reviews/{domain}", columns):
        yield pl.DataFrame(pl.from_arrow(batch))


def _filtered(reviews: pl.DataFrame, filters: Filters) -> np.ndarray:
    """Which reviews pass the time window and, where it is asked for, are verified purchases."""
    keep = np.ones(reviews.height, dtype=bool)
    if filters.start is not None:
        keep &= (reviews["timestamp"] >= filters.start).to_numpy()
    if filters.end is not None:
        keep &= (reviews["timestamp"] < filters.end).to_numpy()
    if filters.verified:
        keep &= reviews["verified"].fill_null(False).to_numpy()
    return keep


def _check_verified(scenario: Scenario, domain: str, store: Store) -> None:
    if not scenario.filters.verified:
        return
    if all(frame["verified"].is_null().all() for frame in _batches(store, domain, ["verified"])):
        raise ValueError(
            f"scenario.{scenario.name}.filters.verified = true, but the files of domain "
            f"{domain!r} do not say which purchases are verified: leave the key out"
        )


def _kept(
    scenario: Scenario, store: Store, passed: Passed, survives: np.ndarray
) -> Iterator[pa.RecordBatch]:
    start = 0
    columns = [name for name in INTERACTIONS.names if name != "domain"]
    for name, mask in zip(scenario.domains, passed.by_domain, strict=True):
        keep = mask.copy()
        keep[mask] = survives[start : start + int(mask.sum())]
        start += int(mask.sum())
        row = 0
        for frame in _batches(store, name, columns):
            kept = frame.filter(keep[row : row + frame.height])
            row += frame.height
            whole = kept.with_columns(pl.lit(name).alias("domain")).select(INTERACTIONS.names)
            yield from whole.to_arrow(compat_level=pl.CompatLevel.oldest()).to_batches()


def _num_shared(passed: Passed, rows: np.ndarray, num_domains: int) -> int:
    """Users who are active in two domains or more, of the given rows."""
    active = np.zeros(int(passed.users.max(initial=-1)) + 1, dtype=np.int16)
    for place in range(num_domains):
        seen = np.zeros(len(active), dtype=bool)
        seen[passed.users[rows & (passed.domains == place)]] = True
        active += seen
    return int((active > 1).sum())


def _shared_by_step(passed: Passed, survives: np.ndarray) -> tuple[int, int]:
    """Shared users after the filters and in the k-core."""
    num_domains = len(passed.by_domain)
    everyone = np.ones(len(survives), dtype=bool)
    return (
        _num_shared(passed, everyone, num_domains),
        _num_shared(passed, survives, num_domains),
    )


def _num_distinct(codes: np.ndarray) -> int:
    seen = np.zeros(int(codes.max(initial=-1)) + 1, dtype=bool)
    seen[codes] = True
    return int(seen.sum())
