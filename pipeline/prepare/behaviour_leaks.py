"""What must hold of the table of behaviour cases; each breach is an error.

Judged by the interactions alone, not by the steps that build the table. `checked_behaviours`
passes on what it found sound, so that a table is checked while it is written and the writer
never finishes one that leaks.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import polars as pl
import pyarrow as pa

from pipeline.catalog import Scenario
from pipeline.prepare.event_index import NEVER, EventIndex, event_users, index_events
from pipeline.prepare.events import read_events
from pipeline.store import Store


def check_stored_behaviours(scenario: Scenario, store: Store) -> None:
    """ValueError where `behaviours/<scenario>` leaks."""
    batches = store.read_batches(f"behaviours/{scenario.name}")
    for _ in checked_behaviours(batches, read_events(scenario, store), scenario):
        pass


def check_behaviour_leaks(table: pl.DataFrame, events: pl.DataFrame, scenario: Scenario) -> None:
    """ValueError where a case shows its label, what came later, or what the publisher held out.

    `table` follows columns.BEHAVIOUR_CASES; `events` are those of `read_events`.
    """
    for _ in checked_behaviours(table.to_arrow().combine_chunks().to_batches(), events, scenario):
        pass


def checked_behaviours(
    batches: Iterable[pa.RecordBatch], events: pl.DataFrame, scenario: Scenario
) -> Iterator[pa.RecordBatch]:
    """The batches once they are found sound.

    What concerns several cases of one user is known, and an error, at the end alone.
    """
    where = f"scenario {scenario.name!r}"
    names = [scenario.behaviours.target, *scenario.behaviours.auxiliary]
    events = events.filter(pl.col("behaviour").is_in(names)).with_columns(
        pl.col("behaviour")
        .replace_strict(names, range(len(names)), return_dtype=pl.Int64)
        .alias("code")
    )
    published = scenario.split.kind == "published"
    targets = events.filter(code=0)
    shown = _index(events.filter(part="train") if published else events, len(names))
    held_out = _index(targets.filter(pl.col("part").is_in(["valid", "test"])), len(names))
    labels = []
    for batch in batches:
        cases = pl.DataFrame(pl.from_arrow(batch))
        cases = cases.with_columns(pl.Series("of_events", event_users(cases, events, where)))
        history = _history(cases, scenario, where)
        before = np.full(history.height, NEVER) if published else history["timestamp"].to_numpy()
        keys = history["of_events"].to_numpy() * len(names) + history["code"].to_numpy()
        found = shown.find(keys, history["item"].to_numpy()) < before
        _refuse(history.filter(~found), "it had not happened before, or is held out", where)
        if published:
            _check_published(cases, history, targets, held_out, len(names), where)
        else:
            _check_labels(cases, targets, ["user", "item", "timestamp"], where)
        labels.append(cases.select("of_events", "user_id", "part", "label", "timestamp"))
        yield batch
    if labels:
        _check_cases(pl.concat(labels), targets, scenario, where)


def _index(events: pl.DataFrame, behaviours: int) -> EventIndex:
    """When a user first did this to an item, by user * behaviours + code."""
    users = events["user"] * behaviours + events["code"]
    return index_events(users, events["item"], events["timestamp"])


def _history(cases: pl.DataFrame, scenario: Scenario, where: str) -> pl.DataFrame:
    """One row for each event that a case shows, with the case's columns."""
    uneven = cases.filter(pl.col("items").list.len() != pl.col("behaviours").list.len())
    if uneven.height:
        user = uneven["user_id"][0]
        raise ValueError(f"{where}: a case of user {user!r} has not one behaviour for each item")
    most = scenario.behaviours.max_length
    history = (
        cases.with_row_index("case")
        .explode("items", "behaviours", empty_as_null=False)
        .rename({"items": "item", "behaviours": "code"})
    )
    if not history["code"].is_between(0, len(scenario.behaviours.auxiliary)).all():
        raise ValueError(f"{where}: a history holds an unknown behaviour code")
    many = history.group_by("case", "code", maintain_order=True).len().filter(pl.col("len") > most)
    if many.height:
        user = cases["user_id"][many["case"][0]]
        raise ValueError(
            f"{where}: a case of user {user!r} shows {many['len'][0]} events of one behaviour; "
            f"behaviours.max_length allows {most}"
        )
    return history


def _refuse(history: pl.DataFrame, why: str, where: str) -> None:
    if history.height:
        row = history.row(0, named=True)
        raise ValueError(
            f"{where}: a {row['part']} case of user {row['user_id']!r} with label {row['label']} "
            f"shows item {row['item']} of behaviour {row['code']}: {why}"
        )


def _check_labels(cases: pl.DataFrame, targets: pl.DataFrame, on: list[str], where: str) -> None:
    """Each label is an event of the target behaviour, `on` these columns."""
    named = cases.drop("user").rename({"of_events": "user", "label": "item"})
    wrong = named.join(targets.select(on).unique(), on=on, how="anti", maintain_order="left")
    if wrong.height:
        row = wrong.row(0, named=True)
        raise ValueError(
            f"{where}: label {row['item']} of a {row['part']} case of user {row['user_id']!r} is "
            f"no event of the target behaviour with this {on[-1]}"
        )


def _check_published(
    cases: pl.DataFrame,
    history: pl.DataFrame,
    targets: pl.DataFrame,
    held_out: EventIndex,
    behaviours: int,
    where: str,
) -> None:
    """No target event that a history shows, and no label that trains, is an answer."""
    own = history.filter(code=0)
    _refuse(own.filter(pl.col("item") == pl.col("label")), "its label", where)
    hidden = held_out.find(own["of_events"].to_numpy() * behaviours, own["item"].to_numpy())
    _refuse(own.filter(hidden != NEVER), "the publisher held it out", where)
    sources = cases.with_columns(_source(targets))
    _check_labels(sources, targets, ["user", "item", "part"], where)
    training = sources.filter(part="train")
    users = training["of_events"].to_numpy() * behaviours
    taught = training.filter(held_out.find(users, training["label"].to_numpy()) != NEVER)
    if taught.height:
        raise ValueError(
            f"{where}: user {taught['user_id'][0]!r} trains on item {taught['label'][0]}, which "
            "the publisher held out"
        )


def _source(targets: pl.DataFrame) -> pl.Expr:
    """The published part that a case's label is of: a release without a part valid lends it."""
    if "valid" in targets["part"]:
        return pl.col("part")
    return pl.col("part").replace({"valid": "train"})


def _check_cases(
    cases: pl.DataFrame, targets: pl.DataFrame, scenario: Scenario, where: str
) -> None:
    """What one user's cases must be to each other."""
    if scenario.split.kind == "published":
        training = cases.with_columns(_source(targets)).filter(part="train")
        several = training.filter(pl.col("user_id").is_duplicated())
        _refuse_user(several, "has several cases of the published part train", where)
        return
    once = cases.filter(pl.col("part") != "train").select("user_id", "part")
    _refuse_user(once.filter(once.is_duplicated()), "validates or tests several times", where)
    event = ["of_events", "label", "timestamp"]
    happened = targets.group_by("user", "item", "timestamp").len("happened")
    reused = (
        cases.group_by(*event, maintain_order=True)
        .agg(pl.col("user_id").first(), pl.len().alias("used"))
        .join(happened, left_on=event, right_on=["user", "item", "timestamp"])
        .filter(pl.col("used") > pl.col("happened"))
        .sort("user_id")
    )
    _refuse_user(reused, "has one event as the label of several cases", where)
    times = cases.group_by("user_id", maintain_order=True).agg(
        pl.col("timestamp").filter(part="train").max().alias("train"),
        pl.col("timestamp").filter(part="valid").min().alias("valid"),
        pl.col("timestamp").filter(part="test").min().alias("test"),
    )
    late = (pl.col("train") > pl.min_horizontal("valid", "test")) | (
        pl.col("valid") > pl.col("test")
    )
    _refuse_user(times.filter(late), "does not train before validating before testing", where)


def _refuse_user(found: pl.DataFrame, what: str, where: str) -> None:
    if found.height:
        raise ValueError(f"{where}: user {found['user_id'][0]!r} {what}")
