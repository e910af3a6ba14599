"""CTR rows by the protocol of DIN: the first k clicks of a user against click k + 1.

A click is an interaction that is rated well enough; only a user's first click on an item
counts, so that no target stands in its own history. Each click but a user's first is a
positive row, followed by rows with the same history and an item that the user never had.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from pipeline.catalog import Scenario
from pipeline.columns import CLICKS
from pipeline.outcome import Fact, Outcome
from pipeline.prepare.click_leaks import checked_clicks
from pipeline.prepare.events import as_lists, chunks, read_events, span_indices
from pipeline.prepare.global_time import find_cuts
from pipeline.store import Store


def build_clicks(scenario: Scenario, store: Store) -> Outcome:
    """Write `clicks/<scenario>`, in batches: histories need not fit in memory together.

    Under "leave-one-out" a user's last click tests, the one before validates; under
    "global-time" the click's time decides. ValueError where ratings are needed and missing, a
    user had every item of a domain, a part is empty, or the table leaks.
    """
    events = read_events(scenario, store)
    clicks = _with_parts(_clicks(events, scenario), events, scenario)
    rows = clicks.filter(pl.col("position") > 0)
    _check_parts(rows, scenario)
    unseen = _unseen(events, scenario, store)
    _check_unseen(rows, unseen, scenario)
    batches = _batches(clicks, unseen, scenario)
    artifact = store.write_table(
        f"clicks/{scenario.name}", CLICKS, checked_clicks(batches, events, scenario)
    )
    length = pl.min_horizontal("position", scenario.clicks.max_history).alias("history")
    return Outcome(
        artifact=artifact,
        facts=_facts(events, clicks, rows, scenario),
        preview=rows.select("part", "item", "timestamp", length).head(8).to_arrow(),
    )


def _clicks(events: pl.DataFrame, scenario: Scenario) -> pl.DataFrame:
    """Events that are clicks, of users with two or more, with position (0-based) and count."""
    threshold = scenario.clicks.positive_rating
    if threshold is not None:
        missing = events["rating"].null_count()
        if missing:
            raise ValueError(
                f"scenario {scenario.name!r}: {missing} interactions have no rating; "
                f"clicks.positive_rating = {threshold:g} needs one for each. Leave the key out to "
                "take every interaction as a click"
            )
        events = events.filter(pl.col("rating") >= threshold)
    clicks = events.unique(["user", "item"], keep="first", maintain_order=True)
    if scenario.split.newest is not None:
        from_end = pl.int_range(pl.len()).reverse().over("user")
        clicks = clicks.filter(from_end < scenario.split.newest)
    clicks = clicks.with_columns(
        pl.int_range(pl.len()).over("user").alias("position"),
        pl.len().over("user").cast(pl.Int64).alias("count"),
    )
    return clicks.filter(pl.col("count") > 1)


def _with_parts(clicks: pl.DataFrame, events: pl.DataFrame, scenario: Scenario) -> pl.DataFrame:
    if scenario.split.kind == "leave-one-out":
        left = pl.col("count") - pl.col("position")
        is_test, is_valid = left == 1, left == 2
    else:
        cuts = find_cuts(events, scenario)
        is_test, is_valid = pl.col("timestamp") >= cuts.test, pl.col("timestamp") >= cuts.valid
    part = pl.when(is_test).then(pl.lit("test")).when(is_valid).then(pl.lit("valid"))
    return clicks.with_columns(part.otherwise(pl.lit("train")).alias("part"))


def _check_parts(rows: pl.DataFrame, scenario: Scenario) -> None:
    for part in ("train", "valid", "test"):
        if rows.filter(part=part).is_empty():
            raise ValueError(
                f"scenario {scenario.name!r}: no click falls into the {part} part "
                f"(split.kind = {scenario.split.kind!r}); lower clicks.positive_rating or "
                "filters.k_core, change the shares under split, or add users"
            )


@dataclass(frozen=True, kw_only=True)
class _Unseen:
    """Which items of each domain a user never had, without listing them.

    A group is one user in one domain. Its items' places in the domain (0-based), sorted and
    lessened by their rank, say how many unseen items stand before each; so the unseen item
    number r is found by one binary search.
    """

    domains: list[str]
    items: np.ndarray  # of all domains, one domain after the other
    first: np.ndarray  # of each domain in `items`
    sizes: np.ndarray  # of the domains
    groups: np.ndarray  # of each pair of user and item, sorted
    keys: np.ndarray  # group * stride + unseen items before it, sorted
    stride: int

    def free(self, groups: np.ndarray) -> np.ndarray:
        """How many items of its domain each group's user never had."""
        seen = np.searchsorted(self.groups, groups, "right") - np.searchsorted(self.groups, groups)
        return self.sizes[groups % len(self.domains)] - seen

    def draw(self, groups: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """One unseen item for each group, uniformly."""
        number = (generator.random(len(groups)) * self.free(groups)).astype(np.int64)
        before = np.searchsorted(self.keys, groups * self.stride + number, "right")
        place = number + before - np.searchsorted(self.groups, groups)
        return self.items[self.first[groups % len(self.domains)] + place]


def _unseen(events: pl.DataFrame, scenario: Scenario, store: Store) -> _Unseen:
    domains = list(scenario.domains)
    table = store.read_table(f"vocabulary/{scenario.name}", ["item", "domain"])
    items = pl.DataFrame(pl.from_arrow(table)).sort("item")
    own = [items.filter(pl.col("domain") == domain)["item"].to_numpy() for domain in domains]
    sizes = np.array([len(part) for part in own])
    place = pl.concat(
        pl.DataFrame({"item": part, "place": np.arange(len(part)), "number": np.full(len(part), i)})
        for i, part in enumerate(own)
    )
    pairs = (
        events.select("user", "item")
        .unique()
        .join(place, on="item")
        .select((pl.col("user") * len(domains) + pl.col("number")).alias("group"), "place")
        .sort("group", "place")
    )
    groups, stride = pairs["group"].to_numpy(), int(sizes.max()) + 1
    rank = np.arange(len(groups)) - np.searchsorted(groups, groups)
    return _Unseen(
        domains=domains,
        items=np.concatenate(own),
        first=np.cumsum(sizes) - sizes,
        sizes=sizes,
        groups=groups,
        keys=groups * stride + pairs["place"].to_numpy() - rank,
        stride=stride,
    )


def _groups(rows: pl.DataFrame, unseen: _Unseen) -> np.ndarray:
    number = rows["domain"].replace_strict(
        unseen.domains, range(len(unseen.domains)), return_dtype=pl.Int64
    )
    return (rows["user"] * len(unseen.domains) + number).to_numpy()


def _check_unseen(rows: pl.DataFrame, unseen: _Unseen, scenario: Scenario) -> None:
    full = np.flatnonzero(unseen.free(_groups(rows, unseen)) == 0)
    if len(full):
        row = rows.row(int(full[0]), named=True)
        raise ValueError(
            f"scenario {scenario.name!r}: user {row['user_id']!r} had every item of domain "
            f"{row['domain']!r}, so no negative can be drawn; add items or leave this user out"
        )


def _batches(clicks: pl.DataFrame, unseen: _Unseen, scenario: Scenario) -> Iterator[pa.RecordBatch]:
    """columns.CLICKS: each positive row and then its negatives."""
    generator = np.random.default_rng([scenario.split.seed, 2])
    copies = 1 + scenario.clicks.negatives
    items = clicks["item"].to_numpy()
    rows = clicks.with_row_index("at").filter(pl.col("position") > 0)
    rows = rows.with_columns(pl.col("user").rle_id().cast(pl.Int32).alias("dense"))
    lengths = rows["position"].clip(upper_bound=scenario.clicks.max_history).to_numpy()
    for chunk in chunks(lengths * copies):
        own, length = rows[chunk], np.repeat(lengths[chunk], copies)
        repeated = own[np.repeat(np.arange(own.height), copies)]
        label = np.tile([1] + [0] * (copies - 1), own.height).astype(np.int8)
        target = repeated["item"].to_numpy(writable=True)
        target[label == 0] = unseen.draw(_groups(repeated.filter(label == 0), unseen), generator)
        starts = repeated["at"].cast(pl.Int64).to_numpy() - length
        columns = {
            "part": repeated["part"].to_arrow(),
            "user": repeated["dense"].to_arrow(),
            "user_id": repeated["user_id"].to_arrow(),
            "item": target,
            "label": label,
            "timestamp": repeated["timestamp"].to_arrow(),
            "history": as_lists(items[span_indices(starts, length)], length),
        }
        yield pa.RecordBatch.from_pydict(columns)


def _facts(
    events: pl.DataFrame, clicks: pl.DataFrame, rows: pl.DataFrame, scenario: Scenario
) -> dict[str, Fact]:
    lengths = rows["position"].clip(upper_bound=scenario.clicks.max_history)
    return {
        "interactions": events.height,
        "clicks": clicks.height,
        "users": rows["user"].n_unique(),
        "negatives_per_click": scenario.clicks.negatives,
        **{f"{part}_clicks": rows.filter(part=part).height for part in ("train", "valid", "test")},
        "mean_history": round(int(lengths.sum()) / max(rows.height, 1), 2),
    }
