"""What a report tells beside the figures. None of it changes the leaderboard's table."""

import platform
from dataclasses import dataclass, field
from importlib.metadata import version

import torch

from pipeline.evaluate.cost import SystemCost

Curves = dict[tuple[str, int], list[float]]
"""A validation score for each epoch, by system and training seed."""

_PACKAGES = ("coldbridge", "numpy", "pyarrow")


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """A stored artifact that the figures rest on."""

    name: str
    digest: str  # of its content, 16 hex characters
    seeds: tuple[int, ...] = ()  # that it was trained with


@dataclass(frozen=True, kw_only=True)
class Provenance:
    artifacts: tuple[Upstream, ...]
    split_seed: int
    candidate_seeds: tuple[int, ...]
    versions: tuple[tuple[str, str], ...]  # of the program that compared


@dataclass(frozen=True, kw_only=True)
class Background:
    notes: tuple[str, ...] = ()
    curves: Curves = field(default_factory=dict)
    costs: tuple[SystemCost, ...] = ()
    provenance: Provenance | None = None


def versions() -> tuple[tuple[str, str], ...]:
    """Of the program that runs here, and of what it computes with."""
    return (
        *((name, version(name)) for name in _PACKAGES),
        ("torch", torch.__version__),
        ("Python", platform.python_version()),
    )
