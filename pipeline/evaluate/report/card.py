"""The dataset card as blocks, from the stored table and the catalog."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog import Catalog, Scenario
from pipeline.evaluate.document import Block, Bullets, Cell, Fold, Grid, Heading
from pipeline.prepare.card_labels import ALL, describe, in_order, printed
from pipeline.prepare.card_text import filter_sentences, remarks_on
from pipeline.prepare.published_statistics import published_statistics
from pipeline.store import Store

_CASES = {
    "inter-domain": "sequences",
    "cross-domain-sequential": "sequences",
    "cold-start-rating": "ratings",
    "click": "clicks",
    "multi-behaviour": "behaviours",
}
"""The table in which each task is split."""

_FIRST = ("interactions", "users", "items", "overlap_users", "density", "first_day", "last_day")


def card_blocks(scenario: Scenario, catalog: Catalog, store: Store) -> list[Block]:
    """ValueError where the scenario has no dataset card yet."""
    table = store.read_table(f"dataset_card/{scenario.name}")
    several = len(scenario.domains) > 1
    columns = (*scenario.domains, ALL) if several else scenario.domains
    values = {(row["domain"], row["statistic"]): row["value"] for row in table.to_pylist()}
    rest = [name for _, name in values if name not in _FIRST and not name.startswith("shared_")]
    published = published_statistics(scenario.statistics) if scenario.statistics else None
    blocks: list[Block] = [
        _domains(scenario, catalog),
        _statistics(values, columns, _FIRST, "Sizes"),
        Fold("All statistics", (_statistics(values, columns, tuple(rest), "All statistics"),)),
        Heading("Filters", 3),
        Bullets(tuple(filter_sentences(scenario, catalog))),
        *_split(scenario, store),
    ]
    compared = table.filter(pc.is_valid(table["published"]))
    if compared.num_rows:
        blocks.append(Fold("Here and published", (_comparison(compared),)))
    return [*blocks, Heading("Remarks", 3), Bullets(tuple(remarks_on(published, [])))]


def _domains(scenario: Scenario, catalog: Catalog) -> Grid:
    lines = []
    for name in scenario.domains:
        domain = catalog.domains[name]
        part = f"{', '.join(domain.paths)} of {domain.within}" if domain.within else "whole"
        source = catalog.domains[domain.within] if domain.within else domain
        lines.append(tuple(map(Cell, (name, domain.title, source.format or "", part))))
    header = ("Domain", "Products", "Format", "Part")
    return Grid(header, tuple(lines), caption="Domains", words=4)


def _statistics(
    values: Mapping[tuple[str, str], float],
    columns: tuple[str, ...],
    wanted: tuple[str, ...],
    caption: str,
) -> Grid:
    lines = []
    for statistic in in_order(wanted):
        known = describe(statistic)
        found = [values.get((column, statistic)) for column in columns]
        if any(value is not None for value in found):
            cells = (Cell("" if one is None else printed(one, known.kind)) for one in found)
            lines.append((Cell(known.label), *cells))
    return Grid(("Statistic", *columns), tuple(lines), caption=caption)


def _split(scenario: Scenario, store: Store) -> list[Block]:
    """How many rows each part of the task's table has, where it is stored."""
    key = f"{_CASES[scenario.task]}/{scenario.name}"
    if not store.exists(key, ".parquet"):
        return []
    parts = store.read_table(key, ["part"])["part"]
    counts = {entry["values"]: entry["counts"] for entry in pc.value_counts(parts).to_pylist()}
    lines = tuple((Cell(part), Cell(f"{count:,}")) for part, count in counts.items())
    what = f"Parts of {_CASES[scenario.task]}"
    return [Heading("Split", 3), Grid(("Part", "Rows"), lines, caption=what)]


def _comparison(compared: pa.Table) -> Grid:
    lines = []
    for row in compared.to_pylist():
        known = describe(row["statistic"])
        figures = (printed(row[name], known.kind) for name in ("value", "published"))
        lines.append((Cell(known.label), Cell(row["domain"]), *map(Cell, figures)))
    header = ("Statistic", "Domain", "Here", "Published")
    return Grid(header, tuple(lines), caption="Here and published", words=2)
