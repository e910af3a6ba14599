"""Rules count what they change and drop, and too many dropped rows are an error."""

import polars as pl
import pytest

from pipeline.catalog import Domain
from pipeline.ingest.rules import Rules


def _domain(max_dropped_share: float = 0.05) -> Domain:
    return Domain(
        name="toys",
        title="toys",
        format="amazon-2018",
        reviews="r",
        max_dropped_share=max_dropped_share,
    )


def _dropped(rules: Rules, rule: str, values: list[str], bad: list[bool]) -> pl.DataFrame:
    return rules.kept(pl.DataFrame({"user_id": values}), rule, pl.Series(bad), "user_id")


def test_bad_rows_are_dropped_counted_and_one_is_shown() -> None:
    rules = Rules()
    kept = _dropped(rules, "without_user", ["a", "b", "c", "d"], [False, True, False, True])
    assert kept["user_id"].to_list() == ["a", "c"]
    _dropped(rules, "without_user", ["e"], [True])
    assert rules.dropped == {"without_user": 3}
    assert rules.examples == {"without_user": "user_id = 'b'"}
    assert _dropped(rules, "absurd_time", ["a"], [False]).height == 1
    assert "absurd_time" not in rules.examples


def test_as_many_faulty_rows_as_the_domain_allows_are_fine_and_no_more() -> None:
    rules = Rules()
    _dropped(rules, "without_user", ["a", "b"], [True, True])
    _dropped(rules, "absurd_time", ["c" * 500], [True])
    rules.check(30, _domain(0.1))
    with pytest.raises(ValueError, match="domain 'toys': of 29 rows 3 cannot be used: ") as error:
        rules.check(29, _domain(0.1))
    text = str(error.value)
    assert "no user id: 2 (user_id = 'a'); no time, one before 1970, or one after 2100: 1" in text
    assert "domain.toys.max_dropped_share allows 10%: check" in text
    assert len(text) < 500


def test_no_share_at_all_allows_no_faulty_row() -> None:
    rules = Rules()
    rules.check(0, _domain(0.0))
    _dropped(rules, "without_item", ["a"], [True])
    with pytest.raises(ValueError, match="of 1000000 rows 1 cannot"):
        rules.check(1_000_000, _domain(0.0))


def test_duplicates_and_items_of_other_domains_are_no_fault() -> None:
    rules = Rules()
    rules.drop("duplicates", 90)
    rules.drop("outside_the_sub_domain", 9)
    rules.check(100, _domain(0.0))


def test_facts_leave_out_rules_that_did_nothing() -> None:
    rules = Rules()
    for _ in range(2):
        rules.change("ids_trimmed", 2)
        rules.change("milliseconds", 0)
        rules.drop("without_user", 0)
        rules.drop("duplicates", 1)
    assert rules.facts() == {"changed_ids_trimmed": 4, "dropped_duplicates": 2}


def test_the_table_goes_from_rows_in_to_rows_out() -> None:
    rules = Rules()
    rules.change("ids_trimmed", 1)
    rules.drop("duplicates", 2)
    rules.drop("without_user", 3000)
    lines = rules.markdown(10_000, 5, 6998).split("\n")
    assert lines[2] == "| *rows in* | 10,005 | what the files hold |"
    assert lines[3].startswith("| rejected | 5 |")
    assert lines[4] == "| dropped: without_user | 3,000 | no user id |"
    assert lines[5].startswith("| dropped: duplicates | 2 |")
    assert lines[6].startswith("| changed: ids_trimmed | 1 |")
    assert lines[7] == "| *rows out* | 6,998 | |"
