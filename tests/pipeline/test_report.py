"""Reports of long work: labelled, and not too many of them."""

import pytest

from pipeline import report
from pipeline.report import PROGRESS, labelled, seldom


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the time is, for the test to set."""
    now = [100.0]
    monkeypatch.setattr(report.time, "monotonic", lambda: now[0])
    return now


def test_progress_is_told_at_once_and_then_now_and_then_and_all_else_always(
    clock: list[float],
) -> None:
    told: list[tuple[str, float]] = []
    tell = seldom(lambda headline, figures: told.append((headline, clock[0])), seconds=10)
    for moment in range(100, 125):
        clock[0] = float(moment)
        tell(PROGRESS, {"epoch": moment})
        if moment in (103, 104):
            tell("resumed", {})
    assert told == [
        (PROGRESS, 100),
        ("resumed", 103),
        ("resumed", 104),
        (PROGRESS, 110),
        (PROGRESS, 120),
    ]


def test_labels_stand_in_front_the_outermost_first() -> None:
    told: list[list[str]] = []
    variant = labelled(lambda _, figures: told.append(list(figures)), variant="w/o text (2 of 3)")
    labelled(variant, seed="1 of 2")(PROGRESS, {"epoch": 4})
    assert told == [["variant", "seed", "epoch"]]
