"""A scenario or a domain brought up to date, and which asset partitions that took."""

from typing import Any

from assets.staleness.refresh import refresh


def refresh_names(*arguments: Any, **options: Any) -> list[str]:
    """The names of what ran, in order; arguments as those of `refresh`."""
    return [str(step.part) for step in refresh(*arguments, **options)]
