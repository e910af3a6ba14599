"""Data cannot mean anything in Markdown."""

from pipeline.markdown import bullets, plain, table


def test_marks_lose_their_meaning() -> None:
    assert plain("a|b *c* [d](e) `f` <g> & h\ni") == (
        r"a\|b \*c\* \[d\](e) \`f\` &lt;g&gt; &amp; h i"
    )


def test_only_underscores_at_the_edge_of_words_are_escaped() -> None:
    assert plain("k_core _so_") == r"k_core \_so\_"


def test_a_line_cannot_begin_a_heading_or_a_list() -> None:
    assert [plain(text) for text in ("# a", "- a", "1. a", "+5")] == [
        r"\# a",
        r"\- a",
        r"1\. a",
        "+5",
    ]


def test_columns_of_words_stand_left_and_figures_right() -> None:
    assert table(["a", "b", "c"], [["x", "y", "1"]], words=2) == (
        "| a | b | c |\n| --- | --- | ---: |\n| x | y | 1 |"
    )


def test_bullets_hold_one_line_each() -> None:
    assert bullets(["a\nb", "c"]) == "- a b\n- c"
