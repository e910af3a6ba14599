"""When things start by themselves, once they are switched on: `[automation]`."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from pipeline.catalog.limits import check_least

_CRON_FIELDS = 5


@dataclass(frozen=True, kw_only=True)
class Automation:
    """Schedules and sensors are off until a person switches them on in the UI."""

    extraction: str = "0 3 1 * *"  # cron of the monthly extraction: on the first, at three o'clock
    timezone: str = "UTC"  # of that clock, as "Europe/Paris"
    recompute: tuple[str, ...] = ()  # domains and scenarios whose old rows it computes again
    raw_files_seconds: int = 60  # a raw file is whole once it has been the same for so long


def check_automation(automation: Automation, where: str) -> None:
    """ValueError where a value cannot be; `where` names file and table."""
    if len(automation.extraction.split()) != _CRON_FIELDS:
        raise ValueError(
            f"{where}.extraction = {automation.extraction!r}; it must be five fields of cron: "
            "minute, hour, day of the month, month, day of the week, such as '0 3 1 * *'"
        )
    try:
        ZoneInfo(automation.timezone)
    except (KeyError, ValueError, OSError) as error:  # unknown; not a name; the name of a folder
        raise ValueError(
            f"{where}.timezone = {automation.timezone!r} is no time zone; name one such as 'UTC' "
            "or 'Europe/Paris'"
        ) from error
    check_least(automation, ("raw_files_seconds",), 1, where)
