import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.formats.rows import RowError
from pipeline.ingest.formats.whole_numbers import whole_number


@given(st.integers(0, 10**18 - 1))
def test_digits_are_their_number(number: int) -> None:
    assert whole_number(str(number), "item") == number


@pytest.mark.parametrize(
    "text", ["", " 1", "1 ", "+1", "-1", "1.0", "1e3", "1_0", "0x1", "nan", "\u0661", "\u00b2"]
)
def test_what_is_no_row_of_ascii_digits_names_field_and_value(text: str) -> None:
    with pytest.raises(RowError, match=r"item is '.*'; it must be a whole number"):
        whole_number(text, "item")


@pytest.mark.parametrize("length", [19, 5000])
def test_a_number_beyond_64_bits_is_a_row_error(length: int) -> None:
    with pytest.raises(RowError, match="at most 18 digits"):
        whole_number("9" * length, "time")
