"""What is missing or stale, as a table for people and as JSON for programs."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from assets.staleness.causes import Part, Staleness, State
from pipeline.markdown import table

_NAMES = 2
"""How many names a cell lists before it counts the others."""

HEADER = ("asset", "of", "state", "why")


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The states of asset partitions, as a table for people or as JSON for programs."""

    states: Sequence[State]  # in topological order
    no_longer_defined: Sequence[str] = ()

    @property
    def stale(self) -> list[State]:
        """Those that have to be made again, or may have to."""
        return [state for state in self.states if state.causes or state.waits_for]

    def rows(self, grouped: bool = True) -> list[tuple[str, str, str, str]]:
        """In the columns of HEADER."""
        groups: dict[Any, list[str]] = {}
        for number, state in enumerate(self.stale):
            row = (state.part.partition, *_condition(state))
            names = groups.setdefault((row, 0 if grouped else number), [])
            names.append(state.part.key.to_user_string())
        return [(_some(names), *row) for (row, _), names in groups.items()]

    def summary(self) -> str:
        """One line: how many are missing, stale, may follow, and are fresh."""
        missing = sum(state.is_missing for state in self.states)
        kinds = Counter(
            cause.kind
            for state in self.states
            if not state.is_missing
            for cause in state.causes[:1]
        )
        waiting = sum(bool(state.waits_for) and not state.causes for state in self.states)
        fresh = len(self.states) - missing - kinds.total() - waiting
        by_kind = ", ".join(f"{count} by {kind}" for kind, count in kinds.items())
        return (
            f"{missing} missing, {kinds.total()} stale{f' ({by_kind})' if by_kind else ''}, "
            f"{waiting} wait for those and may stay as they are, {fresh} fresh."
        )

    def as_json(self) -> str:
        """A list of what is not fresh, in order: asset, partition, stage, causes, waits_for."""
        return json.dumps([_plain(state) for state in self.stale], indent=1)

    def as_text(self, grouped: bool = True) -> str:
        """A table in columns, where there is something to list, and the summary."""
        rows = [HEADER, *self.rows(grouped)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER) - 1)]
        lines = [
            "  ".join(
                [*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]
            )
            for row in rows
        ]
        return "\n".join([*(lines if len(rows) > 1 else []), *self._closing()])

    def as_markdown(self, grouped: bool = True) -> str:
        rows = self.rows(grouped)
        listed = [table(HEADER, rows, words=len(HEADER)), ""] if rows else []
        return "\n".join([*listed, *self._closing()])

    def _closing(self) -> list[str]:
        gone = self.no_longer_defined
        named = f"No longer in the catalog, and left alone: {_some(gone)}." if gone else ""
        return [line for line in (named, self.summary()) if line]


def listing(staleness: Staleness, name: str | None = None) -> Listing:
    """Of a scenario with what it needs of its domains, of a domain, or of everything."""
    return Listing(
        states=list(staleness.states(staleness.parts(name))),
        no_longer_defined=staleness.no_longer_defined() if name is None else (),
    )


def _condition(state: State) -> tuple[str, str]:
    if state.is_missing:
        return "missing", state.causes[0].what
    if state.causes:
        return "stale", "; ".join(map(str, state.causes))
    return "waits", f"for {_some(state.waits_for)}"


def _some(names: Iterable[str | Part]) -> str:
    first = [str(name) for name in names]
    more = len(first) - _NAMES
    if more <= 1:
        return ", ".join(first)
    return f"{', '.join(first[:_NAMES])} and {more} more"


def _plain(state: State) -> dict[str, Any]:
    return {
        "asset": state.part.key.to_user_string(),
        "partition": state.part.partition,
        "stage": state.stage,
        "causes": [{"kind": cause.kind, "what": cause.what} for cause in state.causes],
        "waits_for": [str(part) for part in state.waits_for],
    }
