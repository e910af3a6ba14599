"""Prompts as they are sent, and answers as they come back."""

import json

import pytest

from pipeline.extract.title_prompts import (
    TITLES_SCHEMA,
    TITLES_WANTED,
    Example,
    parse_titles,
    short_title,
    titles_prompt,
)


def test_a_prompt_shows_the_examples_as_turns_and_ends_with_the_users_own_titles() -> None:
    example = Example(source=("Green Tea", "Rice"), target=("Kettle", "Tea Pot"))
    messages = titles_prompt("groceries", "kitchen things", [example], ["Oats", "Honey"])
    assert [role for role, _ in messages] == ["system", "user", "assistant", "user"]
    assert "kitchen things" in messages[0][1] and "groceries" in messages[0][1]
    assert (
        messages[1][1] == "I like these groceries: Green Tea; Rice. Name 4 kitchen things for me."
    )
    assert messages[2][1] == '{"titles":["Kettle","Tea Pot"]}'
    assert messages[3][1] == "I like these groceries: Oats; Honey. Name 4 kitchen things for me."


def test_only_the_newest_titles_are_shown() -> None:
    titles = [f"{word} Tea" for word in ("One", "Two", "Three", "Four", "Five", "Six", "Seven")]
    example = Example(source=tuple(titles), target=tuple(titles))
    messages = titles_prompt("a", "b", [example], titles)
    shown = messages[-1][1]
    assert "Two Tea" not in shown and "Three Tea; Four Tea" in shown and "Seven Tea" in shown
    assert json.loads(messages[2][1])["titles"] == titles[-TITLES_WANTED:]


def test_quotes_and_accents_in_an_example_stay_valid_json() -> None:
    messages = titles_prompt("a", "b", [Example(source=("x",), target=('Café "Noir"',))], ["y"])
    assert json.loads(messages[2][1]) == {"titles": ['Café "Noir"']}


@pytest.mark.parametrize(
    ("title", "short"),
    [
        ("Green Tea, 20 Bags (Pack of 6)", "Green Tea"),
        ("KitchenAid KSM150 Stand Mixer", "KitchenAid Stand Mixer"),
        ("Organic Whole Grain Rolled Oats Cereal", "Organic Whole Grain Rolled Oats"),
        ("Cookbook by Somebody", "Cookbook"),
        ("Kettle - 2 Liters", "Kettle"),
        ("500 12", "500 12"),  # nothing but numbers: better than nothing
        (", 3 Pack", ", Pack"),
        ("A" * 60, "A" * 45),
        ("", ""),
    ],
)
def test_titles_are_shortened_to_the_products_name(title: str, short: str) -> None:
    assert short_title(title) == short


def test_the_schema_asks_for_as_many_titles_as_the_prompt() -> None:
    titles = json.loads(TITLES_SCHEMA)["properties"]["titles"]
    assert titles["minItems"] == titles["maxItems"] == TITLES_WANTED


@pytest.mark.parametrize(
    ("answer", "titles"),
    [
        ('{"titles":["Kettle","Tea Pot"]}', ["Kettle", "Tea Pot"]),
        ('{"titles":["Kettle","Kettle"," ","Pan"]}', ["Kettle", "Pan"]),
        ('{"titles":["Tea  \\n Pot"]}', ["Tea Pot"]),
        ('{"titles":["6\\" Pan","Caf\\u00e9 Mug"]}', ['6" Pan', "Café Mug"]),
        # cut by the token limit
        ('{"titles":["Kettle","Tea Pot","Frying P', ["Kettle", "Tea Pot"]),
        ('{"titles":["Kettle","Tea Pot"', ["Kettle"]),
        ('{"titles":["Pan, round","Tea', ["Pan, round"]),
        ('{"titles":["Frying P', []),
        ('{"tit', []),
        ("", []),
    ],
)
def test_whole_titles_are_read_from_whole_and_cut_answers(answer: str, titles: list[str]) -> None:
    assert parse_titles(answer) == titles


def test_an_escaped_quote_does_not_end_a_title_of_a_cut_answer() -> None:
    titles = parse_titles('{"titles":["6\\" Pan","Tea Pot","Fry')
    assert len(titles) == 2 and titles[0].endswith("Pan") and titles[1] == "Tea Pot"
