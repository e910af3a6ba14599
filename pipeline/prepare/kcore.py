"""Iterative k-core: drop users and items with too few interactions until none is left.

LGCD states a 5-core and no scope; its released sequences hold users with two items in one domain
and at least five over both, so the rule "union" is what was done.

The core is unique under every rule. Whether a user stays is a condition on the user's counts of
interactions in each domain that, once false, stays false as these counts fall: under
"overlap-kept" too, where a user whose interactions shrink to one domain loses the privilege for
good. So what must go must go in any order of dropping, and what is left in the end is the largest
set of interactions in which every condition holds.
"""

from collections.abc import Iterator

import numpy as np

from pipeline.catalog.scenarios import Filters

BLOCK = 1 << 18
"""Rows looked at together: NumPy turns what it indexes with into int64, and this keeps it small."""


def k_core_mask(
    users: np.ndarray,
    items: np.ndarray,
    domains: np.ndarray,
    filters: Filters,
    num_domains: int,
) -> np.ndarray:
    """Which interactions survive, bool [rows], under `filters.k_core_rule` (see `Filters`).

    users, items, domains: integers [rows], 0-based, of any integer dtype; best dense, as tables
    of counts are as long as the largest code. Item codes differ across domains. `num_domains`
    counts the scenario's domains, so that "min-per-domain" misses one without interactions.

    Memory beside the three columns: 1 byte per row for the mask and 8 per row that survives the
    first round, plus some 10 bytes per user and per item. Rules other than "union" need 4 more
    per row, and 5 per user and domain. (8 for each 4 of a row once users * domains pass 2^31.)

    ValueError where the columns differ in length, a code is negative, or a domain is not below
    `num_domains`.
    """
    _check(users, items, domains, num_domains)
    if len(users) == 0 or (filters.k_core <= 1 and filters.k_core_rule != "min-per-domain"):
        return np.ones(len(users), dtype=bool)
    keys, shape = users, (int(users.max()) + 1, 1)
    if filters.k_core_rule != "union":
        shape = (shape[0], num_domains)
        keys = _keys_of_domains(users, domains, shape)
    user_stays, item_stays = _survivors(keys, items, shape, filters)
    mask = np.empty(len(keys), dtype=bool)
    for rows in _blocks(len(keys)):
        mask[rows] = user_stays.take(keys[rows])
        mask[rows] &= item_stays.take(items[rows])
    return mask


def _check(users: np.ndarray, items: np.ndarray, domains: np.ndarray, num_domains: int) -> None:
    if not len(users) == len(items) == len(domains):
        raise ValueError(
            f"{len(users)} users, {len(items)} items and {len(domains)} domains; "
            "give one of each per interaction"
        )
    for name, codes in (("user", users), ("item", items), ("domain", domains)):
        if codes.min(initial=0) < 0:
            raise ValueError(f"{name} code {codes.min()} is negative; number {name}s from 0")
    if domains.max(initial=0) >= num_domains:
        raise ValueError(
            f"domain code {domains.max()} with num_domains = {num_domains}; codes lie below it"
        )


def _keys_of_domains(users: np.ndarray, domains: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A code for each user in each domain: its place in a flat table of [users, domains]."""
    keys = users.astype(_least_dtype(shape[0] * shape[1]))
    keys *= shape[1]
    np.add(keys, domains, out=keys, casting="unsafe")  # unsafe by dtype alone: the sum fits
    return keys


def _least_dtype(size: int) -> type[np.signedinteger]:
    return np.int32 if size <= np.iinfo(np.int32).max else np.int64


def _blocks(rows: int) -> Iterator[slice]:
    return (slice(start, min(start + BLOCK, rows)) for start in range(0, rows, BLOCK))


def _survivors(
    keys: np.ndarray, items: np.ndarray, shape: tuple[int, int], filters: Filters
) -> tuple[np.ndarray, np.ndarray]:
    """Who stays: bool [users * domains], by key, and bool [items]. `shape`: users, domains."""
    rows = len(keys)
    user_counts = _counts(keys, shape[0] * shape[1])
    item_counts = _counts(items, int(items.max()) + 1)
    # Untouched pages of an empty array take no memory: these cost what survives round one.
    kept_keys = np.empty(rows, dtype=_least_dtype(len(user_counts)))
    kept_items = np.empty(rows, dtype=_least_dtype(len(item_counts)))
    while True:
        user_stays = _user_stays(user_counts.reshape(shape), filters)
        item_stays = item_counts >= filters.k_core
        left = 0
        for block in _blocks(rows):
            key, item = keys[block], items[block]
            stays = user_stays.take(key)
            stays &= item_stays.take(item)
            if not stays.all():
                kept, gone = np.flatnonzero(stays), np.flatnonzero(~stays)
                _add(user_counts, key.take(gone), -1)
                _add(item_counts, item.take(gone), -1)
                key, item = key.take(kept), item.take(kept)
            # From round two on this writes into what it reads, never ahead of the reading.
            kept_keys[left : left + len(key)] = key
            kept_items[left : left + len(key)] = item
            left += len(key)
        if left == rows:
            return user_stays, item_stays
        keys, items, rows = kept_keys, kept_items, left


def _counts(codes: np.ndarray, size: int) -> np.ndarray:
    counts = np.zeros(size, dtype=_least_dtype(len(codes)))
    for rows in _blocks(len(codes)):
        _add(counts, codes[rows], 1)
    return counts


def _add(counts: np.ndarray, codes: np.ndarray, number: int) -> None:
    """Add in place. Not by bincount, which makes a table of int64 at every call."""
    np.add.at(counts, codes, counts.dtype.type(number))  # fast where the dtypes are equal


def _user_stays(counts: np.ndarray, filters: Filters) -> np.ndarray:
    """bool [users * domains], from counts [users, domains]; each condition falls with counts."""
    if filters.k_core_rule == "per-domain":
        return (counts >= filters.k_core).ravel()
    # Domain by domain: NumPy reduces an axis of two or three far slower.
    total = np.zeros(len(counts), dtype=counts.dtype)
    for count in counts.T:
        total += count
    stays = total >= filters.k_core
    if filters.k_core_rule == "overlap-kept":
        active = np.zeros(len(counts), dtype=np.int16)
        for count in counts.T:
            active += count > 0
        stays |= active >= 2
    elif filters.k_core_rule == "min-per-domain":
        for count in counts.T:
            stays &= count >= filters.min_per_domain
    return np.repeat(stays, counts.shape[1])
