"""What two domains must share and must not: users, and items. Errors say why it may be so."""

from itertools import combinations

import polars as pl

from pipeline.catalog import Domain, Scenario
from pipeline.store import Store

_SHOWN = 3


def check_items_differ(domains: tuple[Domain, ...], store: Store) -> None:
    """ValueError where parts of one domain hold the same items: a cold user would not be cold."""
    for first, second in combinations(domains, 2):
        roots = (first.within or first.name, second.within or second.name)
        if roots[0] != roots[1]:
            continue
        shared = _ids(store, first.name).join(_ids(store, second.name), on="item_id")
        if shared.height:
            raise ValueError(
                f"domains {first.name!r} and {second.name!r} are parts of {roots[0]!r} and share "
                f"{shared.height} items, such as {_examples(shared['item_id'])}: name each "
                "other's paths under `without`, so that such items belong to neither"
            )


def nothing_shared(scenario: Scenario, store: Store, steps: tuple[int, int]) -> str:
    """Why a scenario has no interactions or no user of two domains, with ids to look at."""
    filtered, cored = steps
    sides = "; ".join(_side(store, name) for name in scenario.domains)
    filters = scenario.filters
    return (
        f"scenario {scenario.name!r}: no user is active in two of {', '.join(scenario.domains)} "
        f"(shared users: {filtered} in the time window, {cored} in the {filters.k_core}-core). "
        f"{sides}. {_usual_cause(scenario, store, filtered)}"
    )


def _side(store: Store, domain: str) -> str:
    batch = next(iter(store.read_batches(f"reviews/{domain}", ["user_id", "item_id"])))
    frame = pl.DataFrame(pl.from_arrow(batch))
    users, items = (_examples(frame[name].unique().sort()) for name in frame.columns)
    return f"{domain} has users {users} and items {items}"


def _usual_cause(scenario: Scenario, store: Store, shared_before: int) -> str:
    if shared_before:
        return (
            f"The filters left none: lower scenario.{scenario.name}.filters.k_core, take another "
            "k_core_rule, or widen the time window"
        )
    for first, second in combinations(scenario.domains, 2):
        for one, other in ((first, second), (second, first)):
            mixed = _distinct(store, one, "user_id").join(
                _distinct(store, other, "item_id"), left_on="user_id", right_on="item_id"
            )
            if mixed.height:
                return (
                    f"{mixed.height} user ids of {one!r} are item ids of {other!r}: the user and "
                    "item columns of one of the two are swapped in its catalog entry (order, "
                    "columns) or in its file"
                )
    return (
        "The usual causes: user and item columns are swapped in one of the files (order, columns "
        "in the catalog), the files are of different releases, or users were numbered anew in "
        "each file; the time window may also be too narrow"
    )


def _ids(store: Store, domain: str) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(store.read_table(f"items/{domain}", ["item_id"])))


def _distinct(store: Store, domain: str, column: str) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(store.read_table(f"reviews/{domain}", [column]))).unique()


def _examples(ids: pl.Series) -> str:
    return ", ".join(repr(text) for text in ids.head(_SHOWN))
