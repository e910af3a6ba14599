"""What the sources of features cost: beside their errors, a reason to choose one."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.catalog import Scenario
from pipeline.evaluate.document import Block, Cell, Grid, Heading, Paragraph
from pipeline.extract.feature_cost import load_feature_cost, num_parameters
from pipeline.extract.local_models import resolve_model
from pipeline.store import Store

_KINDS = {"item_multimodal": "items", "review_features": "users"}
_LOCAL = ("package:", "folder:")


@dataclass(frozen=True, kw_only=True)
class SourceCost:
    """Of both domains together."""

    source: str  # as the experiment calls it
    read: str  # "items" or "users"
    model: str
    pooling: str
    parameters: int | None  # None: a hub's model, which is not looked into
    width: int
    rows: int
    tokens: int | None
    computed: int
    seconds: float


def save_source_costs(
    key: str, reference: str, scenario: Scenario, store: Store, data: Path
) -> None:
    """Beside the experiment's table `key`, as JSON. `data` is the folder below which models lie.

    ValueError where a table of features has no cost beside it.
    """
    sources = {reference: scenario.domains}
    sources |= {source.name: source.domains for source in scenario.feature_sources}
    costs = [
        asdict(_cost(name, kind, domains, store, data))
        for name, domains in sources.items()
        for kind in _KINDS
    ]
    store.write_text(key, ".json", json.dumps(costs, indent=1))


def load_source_costs(key: str, store: Store) -> list[SourceCost]:
    return [SourceCost(**row) for row in json.loads(store.read_text(key, ".json"))]


def source_blocks(costs: Sequence[SourceCost]) -> list[Block]:
    told = (
        "Rows are items or users of both domains. Seconds are those of computing what the cache"
        " did not know, on the machine that did; a sentence encoder reads each text of a row by"
        " itself and tells no tokens."
    )
    lines = tuple(
        (
            Cell(cost.source),
            Cell(cost.read),
            Cell(cost.model),
            Cell(cost.pooling),
            Cell("" if cost.parameters is None else f"{cost.parameters:,}"),
            Cell(f"{cost.width:,}"),
            Cell(f"{cost.rows:,}"),
            Cell("" if cost.tokens is None else f"{cost.tokens:,}"),
            Cell("" if not cost.computed else f"{cost.seconds:.0f} of {cost.computed:,}"),
        )
        for cost in costs
    )
    header = (
        "Source",
        "Of",
        "Model",
        "Pooling",
        "Parameters",
        "Width",
        "Rows",
        "Tokens",
        "Seconds",
    )
    return [Heading("What the features cost", 3), Paragraph(told), Grid(header, lines)]


def _cost(source: str, kind: str, domains: tuple[str, ...], store: Store, data: Path) -> SourceCost:
    parts = [load_feature_cost(store, f"{kind}/{domain}") for domain in domains]
    first = parts[0]
    tokens = [part.tokens for part in parts if part.tokens is not None]
    return SourceCost(
        source=source,
        read=_KINDS[kind],
        model=first.model,
        pooling=first.pooling,
        parameters=_parameters(first.model, data),
        width=first.width,
        rows=sum(part.rows for part in parts),
        tokens=sum(tokens) if len(tokens) == len(parts) else None,
        computed=sum(part.computed for part in parts),
        seconds=sum(part.seconds for part in parts),
    )


def _parameters(model: str, data: Path) -> int | None:
    if not model.startswith(_LOCAL):
        return None
    return num_parameters(resolve_model(model, data))
