"""What a task contributes to the page."""

from dataclasses import dataclass

from pipeline.evaluate.background import Provenance
from pipeline.evaluate.report.markup import Part


@dataclass(frozen=True, kw_only=True)
class Told:
    lead: tuple[str, ...] = ()  # sentences to quote
    parts: tuple[Part, ...] = ()
    left_out: tuple[str, ...] = ()  # what the page would also have, and why it has not
    provenance: Provenance | None = None
