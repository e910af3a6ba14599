"""What a stage says of its work: an artifact, and facts for people to read in the UI."""

from dataclasses import dataclass, field

import pyarrow as pa

from pipeline.store import Artifact

Fact = int | float | str


@dataclass(frozen=True, kw_only=True)
class Outcome:
    artifact: Artifact
    facts: dict[str, Fact] = field(default_factory=dict)  # counts, rates, durations
    preview: pa.Table | None = None  # a few rows, never review text
    tables: dict[str, str] = field(default_factory=dict)  # Markdown, by title
    plots: dict[str, bytes] = field(default_factory=dict)  # PNG, by title, under 100 KB each
