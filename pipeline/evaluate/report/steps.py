"""How an artifact was made, as plain data from who keeps that record."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Step:
    """An upstream artifact as it was made last."""

    name: str  # "weights/lgcd"
    partition: str  # the scenario, or one of its domains
    digest: str  # of its content
    version: str  # of the code and the parameters that made it
    made: str  # when, UTC
    seconds: float | None  # None: it was not timed
