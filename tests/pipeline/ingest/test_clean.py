import pytest

from pipeline.ingest.clean import clean_line, clean_path, clean_text, clean_title


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("Macaroni &amp; Cheese", "Macaroni & Cheese"),
        ("Maggiano&#39;s", "Maggiano's"),
        ("Salt &amp;amp; Pepper", "Salt & Pepper"),
        ("AT&T and R&D; done", "AT&T and R&D; done"),
        ("Black&ltd", "Black&ltd"),
        ("<b>Sushi</b> Mat, <i>Large</i>, Black", "Sushi Mat, Large, Black"),
        ("one<br/>two<p class='x'>three", "one two three"),
        ("seen &lt;b&gt;bold&lt;/b&gt;", "seen bold"),
        ("I <3 this; 5 < 6 > 4", "I <3 this; 5 < 6 > 4"),
        ("a\x00b\x07c\td\u00a0e", "a b c d e"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("Cre\u0300me", "Cr\u00e8me"),
        ("  two \r\n lines ", "two lines"),
        ("\u65e5\u672c \U0001f363", "\u65e5\u672c \U0001f363"),
    ],
)
def test_a_line_loses_markup_and_nothing_else(raw: str, clean: str) -> None:
    assert clean_line(raw) == clean


@pytest.mark.parametrize("raw", [None, "", "  \t ", "<br/>", "&nbsp;"])
def test_what_holds_nothing_readable_is_null(raw: str | None) -> None:
    assert clean_line(raw) is None
    assert clean_text(raw) is None
    assert clean_title(raw) is None


def test_text_keeps_its_line_breaks_once() -> None:
    assert clean_text(" Nice \n\n\r\n it &amp; me\u2028end") == "Nice\nit & me\nend"


def test_a_title_that_is_a_page_script_is_null() -> None:
    assert clean_title("var aPageStart = (new Date()).getTime();") is None


def test_a_category_path_skips_names_that_hold_only_markup() -> None:
    assert clean_path(["Home &amp; Kitchen", "</span></span>", " Mugs "]) == "Home & Kitchen > Mugs"
    assert clean_path([]) is None
