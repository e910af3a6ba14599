"""A run as a tracker takes it: plain names and values, and what makes it the same run again."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Point:
    metric: str
    value: float
    step: int = 0  # the epoch, 1-based; 0 for a figure that has none


@dataclass(frozen=True, kw_only=True)
class Record:
    name: str
    fingerprint: str  # of the content: what has been recorded is not recorded again
    tags: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    points: list[Point] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)  # by file name


def flattened(parameters: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Nested parameters as dotted names and values; lists are JSON."""
    if isinstance(parameters, dict):
        for key, value in parameters.items():
            yield from flattened(value, f"{name}.{key}" if name else str(key))
    else:
        yield name, parameters if isinstance(parameters, str) else json.dumps(parameters)


def metric_name(*parts: str) -> str:
    """Trackers allow no "@" in a metric's name: HR@10 is called HR_at_10."""
    return "/".join(parts).replace("@", "_at_")
