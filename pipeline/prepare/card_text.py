"""A dataset card as Markdown: domains, filters, tables, and what its source says of it."""

from datetime import UTC, datetime

from pipeline.catalog import Catalog, Scenario
from pipeline.markdown import bullets, plain, table
from pipeline.prepare.card_labels import (
    ALL,
    Values,
    describe,
    in_order,
    printed,
)
from pipeline.prepare.published_statistics import PublishedStatistics

NO_TIMES = "positions, no times"
_NONE = "n/a"
_OWN_TABLE = "shared_users"

_CORES = {
    "union": "of each user, over all domains together, and of each item",
    "per-domain": "of each user within each domain, and of each item",
    "overlap-kept": (
        "of each user, over all domains together, and of each item; a user who is active in two "
        "domains or more is never dropped"
    ),
    "min-per-domain": "of each user, over all domains together, and of each item",
}


def card(
    scenario: Scenario,
    catalog: Catalog,
    tables: dict[str, str],
    remarks: list[str],
) -> str:
    """The card. `tables` are Markdown by title, and escaped already."""
    parts = [
        f"# Dataset card: {plain(scenario.name)}",
        "## Domains",
        domain_table(scenario, catalog),
        "## Filters",
        bullets(filter_sentences(scenario, catalog)),
    ]
    for title, markdown in tables.items():
        parts += [f"## {plain(title)}", markdown]
    parts += ["## Remarks", bullets(remarks)]
    return "\n\n".join(parts) + "\n"


def domain_table(scenario: Scenario, catalog: Catalog) -> str:
    """What each domain is."""
    rows = []
    for name in scenario.domains:
        domain = catalog.domains[name]
        part = f"{', '.join(domain.paths)} of {domain.within}" if domain.within else "whole"
        rows.append([name, domain.title, domain.format or _NONE, part])
    return table(["domain", "products", "format", "part"], rows, words=4)


def filter_sentences(scenario: Scenario, catalog: Catalog) -> list[str]:
    """Which interactions are kept, in words and in the order in which the filters apply."""
    filters = scenario.filters
    start = "the beginning" if filters.start is None else _moment(filters.start)
    end = "the end" if filters.end is None else f"before {_moment(filters.end)}"
    purchases = (
        "Verified purchases alone." if filters.verified else "Verified purchases and others."
    )
    sentences = [f"Time: from {start} to {end}.", purchases]
    if filters.k_core > 1:
        sentences.append(
            f"{filters.k_core}-core ({filters.k_core_rule}): at least {filters.k_core} "
            f"interactions {_CORES[filters.k_core_rule]}; repeated until nothing changes."
        )
    else:
        sentences.append("No k-core: one interaction of a user or an item is enough.")
    if filters.k_core_rule == "min-per-domain":
        sentences.append(
            f"Users with at least {filters.min_per_domain} interactions in every domain alone."
        )
    repeated = [name for name in scenario.domains if catalog.domains[name].keep_repeats]
    events = "Of repeated events of a user, item and behaviour"
    sentences.append(f"{events} the first alone.")
    if repeated:
        sentences[-1] = f"{events} each counts in {', '.join(repeated)}, elsewhere the first alone."
    return sentences


def statistics_table(values: Values, columns: tuple[str, ...]) -> str:
    """Statistics by domain; `columns` are domains, or ALL."""
    found = [statistic for _, statistic in values if not statistic.startswith(_OWN_TABLE)]
    rows = [
        [describe(statistic).label, *(_cell(values, column, statistic) for column in columns)]
        for statistic in in_order([*found, "first_day", "last_day"])
    ]
    return table(["", *columns], rows)


def shared_table(values: Values, domains: tuple[str, ...]) -> str:
    """Users of each two domains; on the diagonal the users of each."""
    rows = []
    for one in domains:
        shared = [
            values[one, "users" if one == other else f"shared_users:{other}"] for other in domains
        ]
        rows.append([one, *(printed(count, "count") for count in shared)])
    return table(["", *domains], rows)


def comparison_table(values: Values, compared: Values) -> str:
    """Ours beside the published values `compared`."""
    order = {statistic: rank for rank, statistic in enumerate(in_order(key for _, key in compared))}
    rows = []
    for (domain, statistic), theirs in sorted(
        compared.items(), key=lambda entry: order[entry[0][1]]
    ):
        known, ours = describe(statistic), values.get((domain, statistic))
        here, difference = _NONE, "not measured"
        if ours is not None:
            here, difference = printed(ours, known.kind), _difference(ours, theirs, statistic)
        rows.append([known.label, domain, here, printed(theirs, known.kind), difference])
    return table(["", "domain", "here", "published", "difference"], rows, words=2)


def remarks_on(published: PublishedStatistics | None, left_out: list[str]) -> list[str]:
    """What to know when reading the tables; `left_out` says what is not compared."""
    remarks = [
        "Items are those that the kept interactions name; shares of items are shares of them.",
        f"{ALL!r} counts a user of several domains once, and each domain's items by themselves.",
    ]
    if published is None:
        return [*remarks, "The scenario names no published statistics to compare with."]
    return [*remarks, f"Published: {published.source}.", *published.remarks, *left_out]


def _difference(ours: float, theirs: float, statistic: str) -> str:
    kind = describe(statistic).kind
    if printed(ours, kind) == printed(theirs, kind):
        return "none"
    if kind == "day":
        return f"{ours - theirs:+,.0f} days"
    relative = f" ({100 * (ours - theirs) / theirs:+.2g} %)" if theirs else ""
    sign = "+" if ours > theirs else "-"
    return f"{sign}{printed(abs(ours - theirs), kind)}{relative}"


def _cell(values: Values, column: str, statistic: str) -> str:
    value = values.get((column, statistic))
    if value is not None:
        return printed(value, describe(statistic).kind)
    return NO_TIMES if statistic in ("first_day", "last_day") else _NONE


def _moment(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
