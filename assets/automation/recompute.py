"""How a run says that model outputs are to be computed again, though the cache has them."""

from datetime import UTC, datetime

import dagster as dg
from pydantic import Field


class Recompute(dg.Config):
    """Which rows of the cache count, this time."""

    recompute_before: str | None = Field(
        default=None,
        description=(
            "A date or time (ISO 8601, UTC where it names no zone): rows that were computed before "
            "it are computed again, those since then count. Say the same again to resume."
        ),
    )

    def since(self) -> int:
        """The moment, in seconds since 1970; 0 where none is named. ValueError: no time, or later
        than now, when no row that is computed would count."""
        if self.recompute_before is None:
            return 0
        try:
            moment = datetime.fromisoformat(self.recompute_before)
        except ValueError as error:
            raise ValueError(
                f"recompute_before = {self.recompute_before!r} is no date or time; write it as "
                "2026-12-01 or 2026-12-01T03:00:00+00:00"
            ) from error
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        now = datetime.now(UTC)
        if moment > now:
            raise ValueError(
                f"recompute_before = {self.recompute_before!r} is later than now, "
                f"{now.isoformat(timespec='seconds')}: name a moment that has passed"
            )
        return int(moment.timestamp())


def recompute_config(assets: list[str], moment: datetime) -> dict[str, object]:
    """The run config with which some assets compute again what is older than a moment."""
    config = {"config": {"recompute_before": moment.isoformat(timespec="seconds")}}
    return {"ops": {asset: config for asset in assets}}
