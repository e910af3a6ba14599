"""How long work tells whoever watches it: a headline and figures, now and then.

Stages take a `Report` and know nothing of who listens; the log has everything anyway.
"""

import time
from collections.abc import Callable, Mapping

from pipeline.outcome import Fact

Report = Callable[[str, Mapping[str, Fact]], None]
"""Takes a headline ("plan", "estimate", "progress") and figures by name."""

PROGRESS = "progress"
"""The headline of what is told over and over."""

SECONDS_BETWEEN_REPORTS = 10.0


def silent(headline: str, figures: Mapping[str, Fact]) -> None:
    """A report that tells nobody."""


def labelled(report: Report, **labels: Fact) -> Report:
    """The same, with figures in front that say what it is of: `seed="1 of 3"`."""

    def tell(headline: str, figures: Mapping[str, Fact]) -> None:
        report(headline, {**labels, **figures})

    return tell


def seldom(report: Report, seconds: float = SECONDS_BETWEEN_REPORTS) -> Report:
    """The same, but of "progress" at most one every so many seconds; all else passes."""
    last = float("-inf")

    def tell(headline: str, figures: Mapping[str, Fact]) -> None:
        nonlocal last
        now = time.monotonic()
        if headline == PROGRESS:
            if now - last < seconds:
                return
            last = now
        report(headline, figures)

    return tell
