"""What a run says when it wants model outputs computed again."""

from datetime import UTC, datetime, timedelta

import pytest

from assets.automation.recompute import Recompute, recompute_config


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2025-12-01", datetime(2025, 12, 1, tzinfo=UTC)),
        ("2025-12-01T03:00:00", datetime(2025, 12, 1, 3, tzinfo=UTC)),
        ("2025-12-01T03:00:00Z", datetime(2025, 12, 1, 3, tzinfo=UTC)),
        ("2025-12-01T03:00:00+02:00", datetime(2025, 12, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_moment_is_a_date_or_a_time(written: str, moment: datetime) -> None:
    assert Recompute(recompute_before=written).since() == moment.timestamp()


def test_by_default_every_row_counts() -> None:
    assert Recompute().since() == 0


def test_what_is_no_time_is_refused() -> None:
    with pytest.raises(ValueError, match="'2025-13-01' is no date or time; write it as 2026-12-01"):
        Recompute(recompute_before="2025-13-01").since()


def test_a_moment_to_come_is_refused_as_no_row_would_count() -> None:
    moment = datetime.now(UTC) + timedelta(minutes=5)
    with pytest.raises(ValueError, match="is later than now"):
        Recompute(recompute_before=moment.isoformat()).since()


def test_a_run_is_configured_with_what_is_read_again() -> None:
    moment = datetime(2025, 12, 1, 3, tzinfo=UTC)
    config = recompute_config(["item_text"], moment)
    written = config["ops"]["item_text"]["config"]  # type: ignore[index]
    assert Recompute(**written).since() == moment.timestamp()
