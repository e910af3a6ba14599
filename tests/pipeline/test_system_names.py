"""Every system has a name and a line for people."""

from pipeline.catalog.rating_systems import RATING_SYSTEMS
from pipeline.catalog.system_names import NAMES, about, shown
from pipeline.catalog.systems import SYSTEMS


def test_every_system_has_a_name_of_its_own_and_one_line() -> None:
    assert {*SYSTEMS, *RATING_SYSTEMS} <= set(NAMES)
    assert len({name.shown for name in NAMES.values()}) == len(NAMES)
    for name in NAMES.values():
        assert name.about.endswith(".") and len(name.about) < 100


def test_a_system_without_a_name_goes_by_its_own() -> None:
    assert (shown("sasrec"), shown("mine")) == ("SASRec", "mine")
    assert (about("ease")[:8], about("mine")) == ("A linear", "")
