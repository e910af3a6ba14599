"""What must hold of the table of clicks; each breach is an error.

Judged by the interactions alone, not by the steps that build the table. `checked_clicks` passes
on what it found sound, so that a table is checked while it is written and the writer never
finishes one that leaks.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import polars as pl
import pyarrow as pa

from pipeline.catalog import Scenario
from pipeline.prepare.event_index import NEVER, EventIndex, event_users, index_events
from pipeline.prepare.events import read_events, span_indices
from pipeline.store import Store


def check_stored_clicks(scenario: Scenario, store: Store) -> None:
    """ValueError where `clicks/<scenario>` leaks."""
    batches = _whole_groups(store.read_batches(f"clicks/{scenario.name}"))
    for _ in checked_clicks(batches, read_events(scenario, store), scenario):
        pass


def check_click_leaks(table: pl.DataFrame, events: pl.DataFrame, scenario: Scenario) -> None:
    """ValueError where a row shows its answer, or what came later, or draws what the user had.

    `table` follows columns.CLICKS; `events` are those of `read_events`.
    """
    for _ in checked_clicks(table.to_arrow().combine_chunks().to_batches(), events, scenario):
        pass


def checked_clicks(
    batches: Iterable[pa.RecordBatch], events: pl.DataFrame, scenario: Scenario
) -> Iterator[pa.RecordBatch]:
    """The batches once they are found sound; each begins with a positive row.

    The order of the parts in time is known, and an error, at the end alone.
    """
    where = f"scenario {scenario.name!r}"
    events = events.with_row_index("at")
    threshold = scenario.clicks.positive_rating
    clicks = events if threshold is None else events.filter(pl.col("rating") >= threshold)
    clicked = index_events(clicks["user"], clicks["item"], clicks["at"])
    had = index_events(events["user"], events["item"], events["at"])
    spans = []
    for batch in batches:
        rows = pl.DataFrame(pl.from_arrow(batch))
        users = event_users(rows, events, where)
        _check_copies(rows, users, scenario.clicks.negatives, where)
        positives = rows.with_columns(pl.Series("of_events", users)).filter(label=1)
        _check_positives(positives, clicked, events["timestamp"].to_numpy(), where)
        _check_negatives(rows, users, had, where)
        spans.append(_spans(positives, clicked))
        yield batch
    if spans:
        _check_order(pl.concat(spans), scenario, where)


def _whole_groups(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Batches cut anew, so that a positive row and its negatives stand in one."""
    rest: list[pa.RecordBatch] = []
    for batch in batches:
        starts = np.flatnonzero(batch.column("label").to_numpy() == 1)
        if not len(starts):
            rest.append(batch)
            continue
        whole = [*rest, batch.slice(0, starts[-1])]
        yield from pa.Table.from_batches(whole).combine_chunks().to_batches()
        rest = [batch.slice(starts[-1])]
    if rest:
        yield from pa.Table.from_batches(rest).combine_chunks().to_batches()


def _check_copies(rows: pl.DataFrame, users: np.ndarray, negatives: int, where: str) -> None:
    """Each positive row is followed by its negatives, which differ from it in the item alone."""
    is_positive = (rows["label"] == 1).to_numpy()
    starts = np.flatnonzero(is_positive)
    if len(starts) * (1 + negatives) != rows.height or (starts % (1 + negatives)).any():
        raise ValueError(f"{where}: a positive row is not followed by {negatives} negative ones")
    of_row = np.repeat(starts, 1 + negatives)
    lengths = rows["history"].list.len().to_numpy().astype(np.int64)
    differs = (users != users[of_row]) | (lengths != lengths[of_row])
    for column in ("part", "timestamp"):
        differs |= (rows[column] != rows[column][of_row]).to_numpy()
    if not differs.any():
        flat = rows["history"].explode(empty_as_null=False).to_numpy()
        first = np.cumsum(lengths) - lengths
        others = np.flatnonzero(~is_positive)
        own = flat[span_indices(first[others], lengths[others])]
        same = own == flat[span_indices(first[of_row[others]], lengths[others])]
        differs[np.repeat(others, lengths[others])[~same]] = True
    if differs.any():
        user = rows["user_id"][int(np.argmax(differs))]
        raise ValueError(f"{where}: a negative row of user {user!r} differs from its positive row")


def _check_positives(
    rows: pl.DataFrame, clicked: EventIndex, timestamps: np.ndarray, where: str
) -> None:
    """A target was clicked at its time, and its history strictly before it."""
    users, items = rows["of_events"].to_numpy(), rows["item"].to_numpy()
    at = clicked.find(users, items)
    known = at != NEVER
    known[known] = timestamps[at[known]] == rows["timestamp"].to_numpy()[known]
    if not known.all():
        row = rows.row(int(np.argmin(known)), named=True)
        raise ValueError(
            f"{where}: user {row['user_id']!r} did not click item {row['item']} at "
            f"{row['timestamp']} first"
        )
    lengths = rows["history"].list.len().to_numpy()
    if not lengths.all():
        user = rows["user_id"][int(np.argmin(lengths))]
        raise ValueError(f"{where}: a row of user {user!r} has an empty history")
    shown = rows["history"].explode(empty_as_null=False).to_numpy()
    early = clicked.find(np.repeat(users, lengths), shown) < np.repeat(at, lengths)
    if not early.all():
        worst = int(np.argmin(early))
        row = rows.row(int(np.repeat(np.arange(rows.height), lengths)[worst]), named=True)
        raise ValueError(
            f"{where}: user {row['user_id']!r} shows item {shown[worst]} in the history of item "
            f"{row['item']}, but did not click it earlier"
        )


def _check_negatives(rows: pl.DataFrame, users: np.ndarray, had: EventIndex, where: str) -> None:
    is_had = (rows["label"] == 0).to_numpy() & (had.find(users, rows["item"].to_numpy()) != NEVER)
    if is_had.any():
        row = rows.row(int(np.argmax(is_had)), named=True)
        raise ValueError(
            f"{where}: item {row['item']} is a negative of user {row['user_id']!r}, who had it"
        )


def _spans(positives: pl.DataFrame, clicked: EventIndex) -> pl.DataFrame:
    """First and last place and time of each user's clicks of one part."""
    at = clicked.find(positives["of_events"].to_numpy(), positives["item"].to_numpy())
    return (
        positives.with_columns(pl.Series("at", at))
        .group_by("user_id", "part", maintain_order=True)
        .agg(
            pl.col("at").min().alias("first"),
            pl.col("at").max().alias("last"),
            pl.col("timestamp").min().alias("from"),
            pl.col("timestamp").max().alias("to"),
        )
    )


def _check_order(spans: pl.DataFrame, scenario: Scenario, where: str) -> None:
    """Each user trains before validating before testing; global-time: all users do."""
    firsts = [pl.col("first").filter(part=part).min() for part in ("valid", "test")]
    lasts = [pl.col("last").filter(part=part).max() for part in ("train", "valid", "test")]
    order = spans.group_by("user_id", maintain_order=True).agg(
        *(expression.alias(f"first_{i}") for i, expression in enumerate(firsts, start=1)),
        *(expression.alias(f"last_{i}") for i, expression in enumerate(lasts)),
    )
    breach = (
        (pl.col("last_0") >= pl.min_horizontal("first_1", "first_2"))
        | (pl.col("last_1") >= pl.col("first_2"))
    ).fill_null(False)
    if scenario.split.kind == "leave-one-out":
        several = (pl.col("first_1") < pl.col("last_1")) | (pl.col("first_2") < pl.col("last_2"))
        breach = breach | several.fill_null(False)
    wrong = order.filter(breach)
    if wrong.height:
        raise ValueError(
            f"{where}: the clicks of user {wrong['user_id'][0]!r} do not train before they "
            "validate before they test"
        )
    if scenario.split.kind == "global-time":
        _check_global_order(spans, where)


def _check_global_order(spans: pl.DataFrame, where: str) -> None:
    for early, late in (("train", "valid"), ("valid", "test"), ("train", "test")):
        before = spans.filter(part=early)["to"].to_numpy()
        after = spans.filter(part=late)["from"].to_numpy()
        if len(before) and len(after) and before.max() >= after.min():
            raise ValueError(
                f"{where}: a click of part {early} at {before.max()} does not precede one of part "
                f"{late} at {after.min()}"
            )
