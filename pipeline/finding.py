"""What a check finds of a stored artifact: a verdict in words, and the figures behind it."""

from dataclasses import dataclass, field

from pipeline.outcome import Fact


@dataclass(frozen=True, kw_only=True)
class Finding:
    passed: bool
    says: str  # one sentence with the figure and what it is held to
    figures: dict[str, Fact] = field(default_factory=dict)  # numbers, which the UI plots over time
