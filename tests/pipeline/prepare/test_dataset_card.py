"""The card of little worlds whose every number is counted by hand."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.catalog import Catalog, Domain, Filters, Scenario
from pipeline.columns import INTERACTIONS, ITEMS, REVIEWS
from pipeline.outcome import Outcome
from pipeline.prepare import dataset_card
from pipeline.prepare.dataset_card import DATASET_CARD, build_dataset_card
from pipeline.prepare.published_statistics import PublishedStatistics
from pipeline.store import Store

DAY = 86_400
START = 16_000 * DAY  # 2013-10-22


class CardWorld:
    """Reviews and items by domain; every review is an interaction unless it is left out."""

    def __init__(self, folder: Path, **domains: list[dict[str, Any]]) -> None:
        self.store = Store(folder)
        self.scenario = Scenario(name="little", domains=tuple(domains), task="click")
        self.domains = {name: Domain(name=name, title=f"fine {name}") for name in domains}
        kept: list[dict[str, Any]] = []
        for name, reviews in domains.items():
            table = pa.Table.from_pylist(reviews, schema=REVIEWS.remove_metadata())
            self.store.write_table(f"reviews/{name}", REVIEWS, table)
            kept += [{**row, "domain": name} for row in reviews if "left_out" not in row]
            self.items(name, {})
        rows = [{field: row.get(field) for field in INTERACTIONS.names} for row in kept]
        table = pa.Table.from_pylist(rows, schema=INTERACTIONS)
        self.store.write_table("interactions/little", INTERACTIONS, table)

    def items(self, domain: str, fields: dict[str, dict[str, Any]]) -> None:
        rows = [{"item_id": item, "image_urls": [], **given} for item, given in fields.items()]
        for row in rows:
            row.setdefault("categories", [])
        table = pa.Table.from_pylist(rows, schema=ITEMS)
        self.store.write_table(f"items/{domain}", ITEMS, table)

    def build(self) -> Outcome:
        scenarios = {"little": self.scenario}
        catalog = Catalog(folder=self.store.root, domains=self.domains, scenarios=scenarios)
        return build_dataset_card(self.scenario, catalog, self.store)

    def values(self) -> dict[tuple[str, str], float]:
        self.build()
        rows = self.store.read_table("dataset_card/little").to_pylist()
        return {(row["domain"], row["statistic"]): row["value"] for row in rows}

    def markdown(self) -> str:
        self.build()
        return self.store.read_text("dataset_card/little", ".md")


def review(user: str, item: str, timestamp: int = START, **fields: Any) -> dict[str, Any]:
    return {"user_id": user, "item_id": item, "timestamp": timestamp, **fields}


@pytest.fixture
def two(tmp_path: Path) -> CardWorld:
    """ann is in both; bob and eve are in one each. Two food reviews were filtered out."""
    world = CardWorld(
        tmp_path,
        food=[
            review("ann", "f1", START, rating=5, text="good", verified=True),
            review("ann", "f2", START + DAY, rating=4, text="fine", verified=False),
            review("ann", "f3", START + 2 * DAY, rating=4),
            review("bob", "f1", START + 9 * DAY, rating=1, text="bad", verified=True),
            review("zed", "f1", START - DAY, rating=1, text="old", verified=False, left_out=True),
            review("ann", "f9", START - DAY, rating=1, left_out=True),
        ],
        tools=[review("ann", "f1", START + DAY), review("eve", "t2", START + 3 * DAY, text="so")],
    )
    urls = ["https://a.example/1.jpg"]
    everything = {"category": "Tea", "brand": "B", "description": "D", "price": 1.5}
    world.items(
        "food",
        {
            "f1": {"title": "One", "image_urls": urls, **everything},
            "f2": {"title": "Two", "category": "Tea"},
            "f9": {"title": "Filtered out", "image_urls": urls, **everything},
        },
    )
    world.items("tools", {"f1": {"title": "Saw"}, "t2": {"title": None}})
    return world


def test_every_statistic_of_a_domain_is_as_counted_by_hand(two: CardWorld) -> None:
    values = {key: value for (domain, key), value in two.values().items() if domain == "food"}
    assert values == pytest.approx(
        {
            "reviews_before": 6,
            "users_before": 3,
            "items_before": 4,
            "interactions": 4,
            "users": 2,
            "items": 3,
            "overlap_users": 1,
            "shared_users:tools": 1,
            "density": 4 / 6,
            "sequence_length_mean": 2,
            "sequence_length_median": 2,
            "sequence_length_p95": 2.9,  # between 1 and 3, nineteen twentieths of the way
            "sequence_length_max": 3,
            "share_users_with_one": 0.5,
            "item_count_mean": 4 / 3,
            "item_count_median": 1,
            "item_count_max": 2,
            "first_day": 16_000,
            "last_day": 16_009,
            "share_with_title": 2 / 3,
            "share_with_category": 2 / 3,
            "share_with_brand": 1 / 3,
            "share_with_description": 1 / 3,
            "share_with_price": 1 / 3,
            "share_with_image_urls": 1 / 3,
            "share_with_text": 3 / 4,
            "share_verified": 2 / 3,
            "share_rated": 1,
            "rating_mean": 3.5,
            "ratings:1": 1,
            "ratings:4": 2,
            "ratings:5": 1,
        }
    )


def test_all_counts_shared_users_once_and_equal_item_ids_of_two_domains_twice(
    two: CardWorld,
) -> None:
    values = {key: value for (domain, key), value in two.values().items() if domain == "all"}
    assert values == pytest.approx(
        {
            "reviews_before": 8,
            "users_before": 4,
            "items_before": 6,
            "interactions": 6,
            "users": 3,
            "items": 5,
            "overlap_users": 1,
            "density": 6 / 15,
            "sequence_length_mean": 2,
            "sequence_length_median": 1,
            "sequence_length_p95": 3.7,
            "sequence_length_max": 4,
            "share_users_with_one": 2 / 3,
            "item_count_mean": 6 / 5,
            "item_count_median": 1,
            "item_count_max": 2,
            "first_day": 16_000,
            "last_day": 16_009,
            "share_with_title": 3 / 5,
            "share_with_category": 2 / 5,
            "share_with_brand": 1 / 5,
            "share_with_description": 1 / 5,
            "share_with_price": 1 / 5,
            "share_with_image_urls": 1 / 5,
            "share_with_text": 4 / 6,
            "share_verified": 2 / 3,
            "share_rated": 4 / 6,
            "rating_mean": 3.5,
            "ratings:1": 1,
            "ratings:4": 2,
            "ratings:5": 1,
        }
    )


def test_a_domain_without_ratings_and_verification_has_no_such_rows(two: CardWorld) -> None:
    tools = {key for domain, key in two.values() if domain == "tools"}
    assert not {key for key in tools if "rat" in key} and "share_verified" not in tools
    assert "share_with_text" in tools


def test_the_table_follows_its_schema_and_the_scenarios_order(two: CardWorld) -> None:
    artifact = two.build().artifact
    table = two.store.read_table("dataset_card/little")
    assert artifact.key == "dataset_card/little" and artifact.num_rows == table.num_rows
    assert table.schema.remove_metadata() == DATASET_CARD
    assert list(dict.fromkeys(table["domain"].to_pylist())) == ["food", "tools", "all"]
    assert table["published"].null_count == table.num_rows


def test_the_card_does_not_depend_on_the_order_of_rows(two: CardWorld) -> None:
    before = two.build().artifact.digest
    for key, schema in (("interactions/little", INTERACTIONS), ("reviews/food", REVIEWS)):
        table = two.store.read_table(key)
        turned = table.take(list(range(table.num_rows))[::-1])
        two.store.write_table(key, schema, turned)
    assert two.build().artifact.digest == before


def test_facts_are_the_headline_numbers(two: CardWorld) -> None:
    assert two.build().facts == {
        "users": 3,
        "items": 5,
        "interactions": 6,
        "overlap_users": 1,
        "density": pytest.approx(0.4),
    }


def test_plots_are_small_pngs_and_stand_for_what_there_is(two: CardWorld) -> None:
    plots = two.build().plots
    assert list(plots) == [
        "Interactions of users",
        "Interactions of items",
        "Interactions over time",
        "Ratings",
    ]
    assert all(png.startswith(b"\x89PNG") and len(png) < 100_000 for png in plots.values())


def test_positions_are_not_mistaken_for_times(tmp_path: Path) -> None:
    world = CardWorld(tmp_path, food=[review("ann", "f1", 0), review("ann", "f2", 1)])
    assert not {key for _, key in world.values() if "day" in key}
    assert "| first interaction (UTC) | positions, no times |" in world.markdown()
    assert list(world.build().plots) == ["Interactions of users", "Interactions of items"]


def test_one_domain_of_positions_leaves_the_others_their_times(tmp_path: Path) -> None:
    world = CardWorld(tmp_path, food=[review("ann", "f1", 0)], tools=[review("ann", "t1")])
    values = world.values()
    assert values["tools", "first_day"] == values["all", "first_day"] == 16_000
    assert ("food", "first_day") not in values
    assert "| positions, no times | 2013-10-22 | 2013-10-22 |" in world.markdown()


def test_one_wrong_time_shows_among_true_ones(tmp_path: Path) -> None:
    rows = [review("ann", "f1"), review("ann", "f2", START + DAY), review("ann", "f3", 0)]
    world = CardWorld(tmp_path, food=rows)
    assert world.values()["food", "first_day"] == 0
    assert "Interactions over time" in world.build().plots


def test_one_domain_has_no_column_for_all_and_no_matrix(tmp_path: Path) -> None:
    world = CardWorld(tmp_path, food=[review("ann", "f1")])
    tables = world.build().tables
    assert list(tables) == ["Statistics"]
    assert tables["Statistics"].splitlines()[0] == "|  | food |"
    assert world.values()["all", "overlap_users"] == 0


def test_three_domains_have_a_symmetric_matrix(tmp_path: Path) -> None:
    world = CardWorld(
        tmp_path,
        a=[review("u", "a"), review("v", "a"), review("w", "a")],
        b=[review("u", "b"), review("v", "b")],
        c=[review("u", "c"), review("x", "c")],
    )
    values = world.values()
    assert values["all", "overlap_users"] == 2 and values["c", "overlap_users"] == 1
    assert world.build().tables["Shared users"].splitlines()[2:] == [
        "| a | 3 | 2 | 1 |",
        "| b | 2 | 2 | 1 |",
        "| c | 1 | 1 | 2 |",
    ]


def test_domains_that_share_nobody_share_zero(tmp_path: Path) -> None:
    world = CardWorld(tmp_path, a=[review("u", "a")], b=[review("v", "b")])
    assert world.values()["a", "shared_users:b"] == 0


def test_more_domains_than_a_matrix_can_show_still_have_a_card(tmp_path: Path) -> None:
    world = CardWorld(tmp_path, **{f"d{i}": [review("u", "x")] for i in range(13)})
    assert "Shared users" not in world.build().tables
    assert world.values()["d12", "overlap_users"] == 1
    assert all(len(png) < 100_000 for png in world.build().plots.values())


def test_behaviours_and_published_parts_are_counted(tmp_path: Path) -> None:
    rows = [
        review("ann", "f1", behaviour="view", part="train"),
        review("ann", "f1", behaviour="buy", part="train"),
        review("ann", "f2", behaviour="view", part="test"),
        review("bob", "f2", behaviour="view", part="train"),
    ]
    values = CardWorld(tmp_path, food=rows).values()
    for domain in ("food", "all"):
        assert values[domain, "interactions_of_behaviour:view"] == 3
        assert values[domain, "users_of_behaviour:view"] == 2
        assert values[domain, "interactions_of_behaviour:buy"] == 1
        assert values[domain, "interactions_of_part:train"] == 3
        assert values[domain, "users_of_part:train"] == 2
        assert values[domain, "users_of_part:test"] == 1
        assert values[domain, "share_with_text"] == 0


def test_users_of_a_part_in_several_domains_count_once_in_all(tmp_path: Path) -> None:
    world = CardWorld(
        tmp_path, a=[review("u", "a", part="test")], b=[review("u", "b", part="test")]
    )
    assert world.values()["all", "users_of_part:test"] == 1


def test_kept_repeats_are_matched_one_to_one(tmp_path: Path) -> None:
    rows = [review("ann", "f1", text="once"), review("ann", "f1", START + DAY)]
    assert CardWorld(tmp_path, food=rows).values()["food", "share_with_text"] == 0.5


def test_many_different_ratings_are_counted_in_ten_ranges(tmp_path: Path) -> None:
    rows = [review("ann", f"f{i}", rating=float(i)) for i in range(101)]
    values = CardWorld(tmp_path, food=rows).values()
    ranges = {key: count for (domain, key), count in values.items() if "ratings" in key}
    assert ranges["ratings_from:0"] == 10 and ranges["ratings_from:90"] == 11
    assert len(ranges) == 10
    assert values["all", "ratings_from:50"] == 10


def test_items_without_metadata_count_as_without_title(tmp_path: Path) -> None:
    assert CardWorld(tmp_path, food=[review("a", "f")]).values()["food", "share_with_title"] == 0


def test_a_domain_that_the_filters_emptied_has_a_column(tmp_path: Path) -> None:
    world = CardWorld(
        tmp_path, food=[review("ann", "f1")], tools=[review("ann", "t1", left_out=True)]
    )
    values = world.values()
    assert values["tools", "interactions"] == 0 and values["tools", "reviews_before"] == 1
    assert ("tools", "density") not in values and values["food", "shared_users:tools"] == 0


def test_reviews_made_anew_without_interactions_are_named(two: CardWorld) -> None:
    rows = two.store.read_table("reviews/food").slice(1)
    two.store.write_table("reviews/food", REVIEWS, rows)
    with pytest.raises(ValueError, match=r"reviews/food has 3 of the 4 .* interactions again"):
        two.build()


def test_nothing_kept_is_an_error_that_names_the_filters(tmp_path: Path) -> None:
    world = CardWorld(tmp_path, food=[review("ann", "f1", left_out=True)])
    with pytest.raises(ValueError, match="interactions/little is empty: widen"):
        world.build()


def test_a_domain_called_all_is_refused(tmp_path: Path) -> None:
    world = CardWorld(tmp_path, **{"all": [review("ann", "f1")]})
    with pytest.raises(ValueError, match="called 'all'"):
        world.build()


def test_titles_cannot_break_out_of_the_card(two: CardWorld) -> None:
    hostile = "a | b\n# Loud <script>x</script> [go](http://evil.example) `code`"
    two.domains["food"] = replace(two.domains["food"], title=hostile)
    text = two.markdown()
    row = next(line for line in text.splitlines() if line.startswith("| food | a"))
    escaped = r"a \| b # Loud &lt;script&gt;x&lt;/script&gt; \[go\](http\://evil.example) \`code\`"
    assert row == f"| food | {escaped} | n/a | whole |"
    assert "<script>" not in text and "\n# Loud" not in text


def test_a_part_of_a_domain_says_of_which(two: CardWorld) -> None:
    two.domains["food"] = replace(two.domains["food"], within="shop", paths=("A > Tea", "B"))
    assert "| food | fine food | n/a | A &gt; Tea, B of shop |" in two.markdown()


def test_hostile_behaviours_stay_in_their_cell(tmp_path: Path) -> None:
    text = CardWorld(tmp_path, food=[review("a", "f", behaviour="buy|*now*\n# x")]).markdown()
    assert r"| interactions of behaviour buy\|\*now\* # x | 1 |" in text


def test_filters_are_said_in_words(two: CardWorld) -> None:
    two.scenario = replace(
        two.scenario,
        filters=Filters(
            start=START,
            end=START + 365 * DAY,
            verified=True,
            k_core=5,
            k_core_rule="min-per-domain",
            min_per_domain=3,
        ),
    )
    two.domains["tools"] = replace(two.domains["tools"], keep_repeats=True)
    text = two.markdown()
    assert "- Time: from 2013-10-22 00:00 UTC to before 2014-10-22 00:00 UTC." in text
    assert "- Verified purchases alone." in text
    assert "- 5-core (min-per-domain): at least 5 interactions of each user, over all" in text
    assert "- Users with at least 3 interactions in every domain alone." in text
    assert "each counts in tools, elsewhere the first alone." in text


def test_no_filters_are_said_too(two: CardWorld) -> None:
    text = two.markdown()
    assert "- Time: from the beginning to the end." in text
    assert "- No k-core" in text
    assert "names no published statistics" in text


@pytest.fixture
def compared(two: CardWorld, monkeypatch: pytest.MonkeyPatch) -> CardWorld:
    published = PublishedStatistics(
        name="ours",
        source="A | source",
        values={
            ("food", "users"): 2,
            ("food", "items"): 4,
            ("food", "sequence_length_mean"): 2.001,
            ("food", "last_day"): 16_007,
            ("tools", "rating_mean"): 3,
            ("tools", "shared_users:food"): 2,
            ("all", "users"): 3,
        },
        remarks=("Counted by night.",),
    )
    monkeypatch.setattr(dataset_card, "published_statistics", {"ours": published}.__getitem__)
    two.scenario = replace(two.scenario, statistics="ours")
    return two


def test_published_values_stand_beside_ours(compared: CardWorld) -> None:
    outcome = compared.build()
    assert outcome.tables["Here and published"].splitlines()[2:] == [
        "| users | food | 2 | 2 | none |",
        "| users | all | 3 | 3 | none |",
        "| items | food | 3 | 4 | -1 (-25 %) |",
        "| users shared with food | tools | 1 | 2 | -1 (-50 %) |",
        "| interactions of a user, mean | food | 2.00 | 2.00 | none |",
        "| last interaction (UTC) | food | 2013-10-31 | 2013-10-29 | +2 days |",
        "| rating, mean | tools | n/a | 3.00 | not measured |",
    ]
    assert outcome.facts["as_published"] == "3 of 7 statistics"
    text = compared.markdown()
    assert r"- Published: A \| source." in text and "- Counted by night." in text


def test_the_table_holds_what_was_published_in_either_order_of_a_pair(compared: CardWorld) -> None:
    compared.build()
    rows = compared.store.read_table("dataset_card/little").to_pylist()
    published = {(row["domain"], row["statistic"]): row["published"] for row in rows}
    assert published["food", "items"] == 4 and published["all", "users"] == 3
    assert published["tools", "shared_users:food"] == published["food", "shared_users:tools"] == 2
    assert published["food", "interactions"] is None


def test_what_is_published_of_other_domains_is_left_out_with_a_remark(
    compared: CardWorld,
) -> None:
    compared.scenario = replace(compared.scenario, domains=("food",))
    rows = [row for row in compared.store.read_table("interactions/little").to_pylist()]
    ours = [row for row in rows if row["domain"] == "food"]
    table = pa.Table.from_pylist(ours, schema=INTERACTIONS)
    compared.store.write_table("interactions/little", INTERACTIONS, table)
    comparison = compared.build().tables["Here and published"]
    assert "tools" not in comparison and "all" not in comparison
    text = compared.markdown()
    assert "Left out: published statistics of 'tools', no domain here." in text
    assert "Left out: published totals" in text


def test_an_unknown_name_of_statistics_is_an_error(two: CardWorld) -> None:
    two.scenario = replace(two.scenario, statistics="nowhere")
    with pytest.raises(ValueError, match="'nowhere' are not known; known: abxi-food-kitchen"):
        two.build()
