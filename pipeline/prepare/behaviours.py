"""Cases of multi-behaviour recommendation: which item of the target behaviour comes next.

A case shows what its user did before, in the target behaviour (code 0) and in the auxiliary
ones (1, 2, ...), of each behaviour the newest events. Two kinds of split:

"leave-one-out", of sources with times: a user's last target event tests, the one before
validates, every earlier one with a history trains; users of fewer than `min_target` such events
have no cases. Only what happened strictly before the label is shown, so that the events of the
label's own moment stay hidden.

"published", of sources without times, whose timestamps are positions in a file: events of the
published parts valid and test are labels, the part train is the history, its last target
event the label of a training case. Positions of two behaviours cannot be compared: histories
list the auxiliary behaviours first, highest code first, and the target behaviour last. A
release without a part valid lends a seeded share `split.valid` of its training cases to it.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl
import pyarrow as pa

from pipeline.catalog import Scenario
from pipeline.columns import BEHAVIOUR_CASES
from pipeline.outcome import Fact, Outcome
from pipeline.prepare.behaviour_leaks import checked_behaviours
from pipeline.prepare.events import as_lists, chunks, read_events, span_indices
from pipeline.store import Store

_PARTS = ("train", "valid", "test")


def build_behaviours(scenario: Scenario, store: Store) -> Outcome:
    """Write `behaviours/<scenario>`, in batches of bounded size.

    ValueError where a named behaviour does not occur, a part would be empty, the publisher made
    no split that is asked for, or the table leaks.
    """
    events = read_events(scenario, store)
    _check_behaviours(events, scenario)
    coded = _coded(events, scenario)
    if scenario.split.kind == "published":
        _check_published(coded, scenario)
        history, cases = _published(coded)
    else:
        history, cases = _leave_one_out(coded, scenario)
    starts, lengths = _spans(cases, history, scenario)
    cases = cases.with_columns(pl.Series("length", lengths.sum(axis=0)))
    shown = ((cases["part"] != "train") | (cases["length"] > 0)).to_numpy()
    cases = cases.filter(shown).with_columns(
        pl.col("user").rle_id().cast(pl.Int32).alias("dense_user")
    )
    cases = _with_validation(cases, scenario)
    _check_parts(cases, scenario)
    batches = _batches(cases, history, starts[:, shown], lengths[:, shown])
    artifact = store.write_table(
        f"behaviours/{scenario.name}",
        BEHAVIOUR_CASES,
        checked_behaviours(batches, events, scenario),
    )
    return Outcome(
        artifact=artifact,
        facts=_facts(events, coded, cases, scenario),
        preview=cases.select("part", "label", "timestamp", "length").head(8).to_arrow(),
    )


def _check_behaviours(events: pl.DataFrame, scenario: Scenario) -> None:
    wanted = (scenario.behaviours.target, *scenario.behaviours.auxiliary)
    if len(set(wanted)) < len(wanted):
        raise ValueError(f"scenario {scenario.name!r}: behaviours {wanted} must differ")
    found = events["behaviour"].unique().drop_nulls().sort().to_list()
    missing = [name for name in wanted if name not in found]
    if missing:
        raise ValueError(
            f"scenario {scenario.name!r}: no interaction has the behaviour {missing[0]!r}; those "
            f"that occur: {', '.join(found) or 'none, the source names no behaviours'}. Set "
            "behaviours.target and behaviours.auxiliary"
        )


def _check_published(coded: pl.DataFrame, scenario: Scenario) -> None:
    wrong = coded.filter(~pl.col("part").is_in(_PARTS).fill_null(False))
    if wrong.height:
        raise ValueError(
            f"scenario {scenario.name!r} asks for the published split, but user "
            f"{wrong['user_id'][0]!r} has an interaction of part {wrong['part'][0]!r}; allowed: "
            f"{', '.join(_PARTS)}. Set split.kind = 'leave-one-out' for data with times"
        )


def _coded(events: pl.DataFrame, scenario: Scenario) -> pl.DataFrame:
    """Events of the behaviours that the scenario names, with their code, in each user's order."""
    names = [scenario.behaviours.target, *scenario.behaviours.auxiliary]
    coded = events.filter(pl.col("behaviour").is_in(names)).with_columns(
        pl.col("behaviour")
        .replace_strict(names, range(len(names)), return_dtype=pl.Int8)
        .alias("code")
    )
    if scenario.split.newest is not None:
        from_end = pl.int_range(pl.len()).reverse().over("user", "code")
        coded = coded.filter(from_end < scenario.split.newest)
    return coded


def _leave_one_out(coded: pl.DataFrame, scenario: Scenario) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What histories are made of, in their order, and the cases; see `_spans`."""
    history = coded.with_columns(
        (pl.col("timestamp").rank("dense") - 1).cast(pl.Int64).alias("moment")
    )
    left = pl.int_range(pl.len()).reverse().over("user")
    part = pl.when(left == 0).then(pl.lit("test")).when(left == 1).then(pl.lit("valid"))
    cases = history.filter(
        (pl.col("code") == 0)
        & ((pl.col("code") == 0).sum().over("user") >= scenario.behaviours.min_target)
    ).select(
        "user",
        "user_id",
        part.otherwise(pl.lit("train")).alias("part"),
        pl.col("item").alias("label"),
        "timestamp",
        pl.col("moment").alias("before"),
    )
    return history, cases


def _published(coded: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What histories are made of, in their order, and the cases; see `_spans`."""
    held_out = coded.filter((pl.col("code") == 0) & (pl.col("part") != "train"))
    # A release may also train on an answer: it would be seen in its own history.
    history = (
        coded.filter(part="train")
        .join(held_out, on=["user", "item", "code"], how="anti", maintain_order="left")
        .unique(["user", "item", "code"], keep="last", maintain_order=True)
        .sort("user", "code", descending=[False, True], maintain_order=True)
    )
    newest = (pl.int_range(pl.len()).reverse().over("user", "code") == 0) & (pl.col("code") == 0)
    history = history.with_columns(newest.cast(pl.Int64).alias("moment"))
    training = history.filter(pl.col("moment") == 1).with_columns(before=pl.lit(1, pl.Int64))
    columns = ["user", "user_id", "part", pl.col("item").alias("label"), "before"]
    cases = pl.concat(
        [
            training.select(columns),
            held_out.with_columns(before=pl.lit(2, pl.Int64)).select(columns),
        ]
    )
    cases = cases.with_columns(pl.lit(None, dtype=pl.Int64).alias("timestamp"))
    return history, cases.sort("user", pl.col("part").cast(pl.Enum(_PARTS)), maintain_order=True)


def _spans(
    cases: pl.DataFrame, history: pl.DataFrame, scenario: Scenario
) -> tuple[np.ndarray, np.ndarray]:
    """Starts and lengths, (behaviours, cases) each, of what the cases show.

    A case shows the user's newest events whose `moment` lies below the case's `before`. Starts
    count the rows of `history` that have the behaviour.
    """
    users, before = cases["user"].to_numpy(), cases["before"].to_numpy()
    stride = int(before.max(initial=history["moment"].to_numpy().max(initial=0))) + 1
    starts, lengths = [], []
    for code in range(1 + len(scenario.behaviours.auxiliary)):
        own = history.filter(code=code)
        keys = own["user"].to_numpy() * stride + own["moment"].to_numpy()
        end = np.searchsorted(keys, users * stride + before)
        first = np.searchsorted(keys, users * stride)
        start = np.maximum(first, end - scenario.behaviours.max_length)
        starts.append(start)
        lengths.append(end - start)
    return np.stack(starts), np.stack(lengths)


def _with_validation(cases: pl.DataFrame, scenario: Scenario) -> pl.DataFrame:
    """The cases; where a release has no part valid, a share of the training ones validates."""
    if scenario.split.kind != "published" or "valid" in cases["part"]:
        return cases
    training = np.flatnonzero(cases["part"].to_numpy() == "train")
    order = np.random.default_rng(scenario.split.seed).permutation(len(training))
    parts = cases["part"].to_numpy(writable=True)
    parts[training[order[: round(scenario.split.valid * len(training))]]] = "valid"
    return cases.with_columns(pl.Series("part", parts.tolist(), dtype=pl.String))


def _check_parts(cases: pl.DataFrame, scenario: Scenario) -> None:
    for part in _PARTS:
        if cases.filter(part=part).is_empty():
            raise ValueError(
                f"scenario {scenario.name!r}: no case falls into the {part} part (split.kind = "
                f"{scenario.split.kind!r}); lower behaviours.min_target or filters.k_core, or add "
                "users with several events of the target behaviour"
            )


def _batches(
    cases: pl.DataFrame, history: pl.DataFrame, starts: np.ndarray, lengths: np.ndarray
) -> Iterator[pa.RecordBatch]:
    """columns.BEHAVIOUR_CASES."""
    items, codes = history["item"].to_numpy(), history["code"].to_numpy()
    rows = [np.flatnonzero(codes == code) for code in range(len(starts))]
    for chunk in chunks(lengths.sum(axis=0)):
        own = cases[chunk]
        shown = [
            at[span_indices(start[chunk], length[chunk])]
            for at, start, length in zip(rows, starts, lengths, strict=True)
        ]
        of_case = np.concatenate(
            [np.repeat(np.arange(own.height), each[chunk]) for each in lengths]
        )
        merged = np.concatenate(shown)
        merged = merged[np.argsort(of_case * len(items) + merged)]  # history's order, in each case
        total = own["length"].to_numpy()
        yield pa.RecordBatch.from_pydict(
            {
                "part": own["part"].to_arrow(),
                "user": own["dense_user"].to_arrow(),
                "user_id": own["user_id"].to_arrow(),
                "label": own["label"].to_arrow(),
                "timestamp": own["timestamp"].to_arrow(),
                "items": as_lists(items[merged], total),
                "behaviours": as_lists(codes[merged], total),
            }
        )


def _facts(
    events: pl.DataFrame, coded: pl.DataFrame, cases: pl.DataFrame, scenario: Scenario
) -> dict[str, Fact]:
    names = (scenario.behaviours.target, *scenario.behaviours.auxiliary)
    held_out = cases.filter(pl.col("part") != "train")
    return {
        **{f"{name}_events": coded.filter(code=i).height for i, name in enumerate(names)},
        "ignored_events": events.height - coded.height,
        "users": cases["user"].n_unique(),
        **{f"{part}_cases": cases.filter(part=part).height for part in _PARTS},
        "mean_history": round(int(cases["length"].sum()) / max(cases.height, 1), 2),
        "held_out_without_history": held_out.filter(pl.col("length") == 0).height,
    }
