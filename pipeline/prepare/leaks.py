"""What must hold of sequences before anything is learnt from them; each breach is an error.

What holds depends on the split. By user: an evaluation user does not train at all. Leave-one-out
and by time: a user trains on exactly what its validation case shows, so no label can have got
into it. In the inter-domain task, besides, no case shows the domain of its label.
"""

import polars as pl

from pipeline.catalog import Scenario
from pipeline.prepare.leave_one_out import LEAST
from pipeline.prepare.sequence_rows import TRAINING_PARTS
from pipeline.store import Store

_TRAINS = pl.col("part").is_in(TRAINING_PARTS)


def check_no_leak(sequences: pl.DataFrame, item_domain: pl.DataFrame, scenario: Scenario) -> None:
    """Raise ValueError where an answer could be known in training, or shown in a history.

    `sequences` follows columns.SEQUENCES; `item_domain` maps `item` to `domain`.
    """
    where = f"scenario {scenario.name!r}"
    _check_parts(sequences, scenario, where)
    _check_items(sequences, item_domain, where)
    if scenario.task == "inter-domain":
        _check_cold(sequences, item_domain, where)
    _check_labels(sequences, item_domain, where)
    _check_rows_of_users(sequences, where)
    if scenario.split.kind == "leave-one-out":
        _check_leave_one_out(sequences, where)
    elif scenario.split.kind == "global-time":
        _check_global_time(sequences, where)
    else:
        _check_users(sequences, where)
    if scenario.split.kind == "published":
        _check_copies(sequences, where)


def _check_parts(sequences: pl.DataFrame, scenario: Scenario, where: str) -> None:
    # What carries over to cold users is learnt from users of several domains.
    training = ("overlap",) if scenario.task == "inter-domain" else TRAINING_PARTS
    for name, parts in (
        (" or ".join(training), training),
        ("valid", ("valid",)),
        ("test", ("test",)),
    ):
        if sequences.filter(pl.col("part").is_in(parts)).is_empty():
            raise ValueError(
                f"{where}: the {name} set is empty; raise its share under split, add users, or "
                "lower filters.k_core"
            )


def _check_items(sequences: pl.DataFrame, item_domain: pl.DataFrame, where: str) -> None:
    blank = sequences.filter(pl.col("items").list.len() == 0)
    if blank.height:
        raise ValueError(
            f"{where}: the {blank['part'][0]} sequence of user {blank['user_id'][0]!r} is empty"
        )
    known = item_domain["item"].implode()
    used = pl.concat([sequences["items"].explode(), sequences["label"].drop_nulls()])
    unknown = used.filter(~used.is_in(known) | used.is_null())
    if len(unknown):
        raise ValueError(f"{where}: a sequence names item {unknown[0]!r}, which does not exist")


def _check_labels(sequences: pl.DataFrame, item_domain: pl.DataFrame, where: str) -> None:
    """Cases, and they alone, have a label and its domain."""
    odd = sequences.join(
        item_domain.select(pl.col("item").alias("label"), "domain"), on="label", how="left"
    ).filter(
        (pl.col("label").is_null() != _TRAINS)
        | pl.col("domain").ne_missing(pl.col("target_domain"))
    )
    if odd.height:
        row = odd.row(0, named=True)
        raise ValueError(
            f"{where}: the {row['part']} sequence of user {row['user_id']!r} has label "
            f"{row['label']} and target domain {row['target_domain']!r}; a case has both, of one "
            "domain, and what trains has neither"
        )


def _check_rows_of_users(sequences: pl.DataFrame, where: str) -> None:
    part = pl.when(_TRAINS).then(pl.lit("training")).otherwise("part").alias("part")
    rows = sequences.select("user_id", part)
    twice = rows.filter(rows.is_duplicated())
    if twice.height:
        user, name = twice.row(0)
        raise ValueError(f"{where}: user {user!r} has more than one {name} sequence")


def _check_users(sequences: pl.DataFrame, where: str) -> None:
    twice = sequences.filter(pl.col("user_id").is_duplicated())
    if twice.height:
        user = twice["user_id"][0]
        count = twice.filter(user_id=user).height
        raise ValueError(
            f"{where}: user {user!r} has {count} sequences; one user belongs to one part"
        )


def _check_cold(sequences: pl.DataFrame, item_domain: pl.DataFrame, where: str) -> None:
    cold = sequences.filter(pl.col("label").is_not_null())
    seen = (
        cold.select("user_id", "target_domain", "label", pl.col("items").alias("item"))
        .explode("item")
        .join(item_domain, on="item", how="left")
    )
    leaked = seen.filter(
        (pl.col("domain") == pl.col("target_domain")) | (pl.col("item") == pl.col("label"))
    )
    if leaked.height:
        raise ValueError(
            f"{where}: cold user {leaked['user_id'][0]!r} shows item {leaked['item'][0]} of the "
            f"target domain {leaked['target_domain'][0]!r}"
        )


def _check_leave_one_out(sequences: pl.DataFrame, where: str) -> None:
    users = _beside_each_other(sequences)
    has_valid, has_test = pl.col("valid").is_not_null(), pl.col("test").is_not_null()
    half = users.filter((has_valid != has_test) | pl.col("train").is_null())
    if half.height:
        raise ValueError(
            f"{where}: user {half['user_id'][0]!r} has a case, but not one training sequence, one "
            "validation case and one test case"
        )
    _check_training_shows_no_more(users, where)
    skipped = users.filter(has_test & (pl.col("test") != pl.concat_list("valid", "valid_label")))
    if skipped.height:
        raise ValueError(
            f"{where}: the test case of user {skipped['user_id'][0]!r} does not show the history "
            "and label of its validation case, and nothing else"
        )
    whole = users.filter(~has_test & (pl.col("train").list.len() >= LEAST))
    if whole.height:
        raise ValueError(
            f"{where}: all {whole['train'].list.len()[0]} interactions of user "
            f"{whole['user_id'][0]!r} train; from {LEAST} on the last two are held out"
        )


def _check_global_time(sequences: pl.DataFrame, where: str) -> None:
    users = _beside_each_other(sequences)
    _check_training_shows_no_more(users, where)
    begun = pl.col("train").list.len()
    other = users.filter(
        pl.col("train").is_not_null()
        & pl.col("test").is_not_null()
        & (pl.col("test").list.head(begun) != pl.col("train"))
    )
    if other.height:
        raise ValueError(
            f"{where}: the test case of user {other['user_id'][0]!r} does not begin with what the "
            "user trains on"
        )
    since = pl.col("test").list.slice(begun)
    forgotten = users.filter(
        pl.col("test").is_not_null()
        & pl.col("valid_label").is_not_null()
        & ~since.list.contains(pl.col("valid_label"))
    )
    if forgotten.height:
        raise ValueError(
            f"{where}: the test case of user {forgotten['user_id'][0]!r} does not show the label "
            "of its validation case, which came before"
        )


def _check_training_shows_no_more(users: pl.DataFrame, where: str) -> None:
    """What a user trains on is what its validation case shows: then no label is in it."""
    leaked = users.filter(
        pl.col("valid").is_not_null() & pl.col("train").ne_missing(pl.col("valid"))
    )
    if leaked.height:
        raise ValueError(
            f"{where}: user {leaked['user_id'][0]!r} trains on other items than its validation "
            "case shows; a label may be among them"
        )


def _beside_each_other(sequences: pl.DataFrame) -> pl.DataFrame:
    """One row a user: the items `train`, `valid` and `test`, and `valid_label`; null where none."""
    train = sequences.filter(_TRAINS).select("user_id", pl.col("items").alias("train"))
    valid = sequences.filter(part="valid").select(
        "user_id", pl.col("items").alias("valid"), pl.col("label").alias("valid_label")
    )
    test = sequences.filter(part="test").select("user_id", pl.col("items").alias("test"))
    return train.join(valid, on="user_id", how="full", coalesce=True).join(
        test, on="user_id", how="full", coalesce=True
    )


def _check_copies(sequences: pl.DataFrame, where: str) -> None:
    """No evaluation user's visible history and label may together be a training sequence.

    Of published splits alone: their files seldom tell users apart, and one may stand in two.
    """
    train = sequences.filter(pl.col("part") == "overlap").select(pl.col("items").alias("whole"))
    cold = sequences.filter(pl.col("label").is_not_null()).select(
        "user_id", pl.concat_list("items", "label").alias("whole")
    )
    copied = cold.join(train, on="whole", how="inner")
    if copied.height:
        raise ValueError(
            f"{where}: the sequence of evaluation user {copied['user_id'][0]!r} also trains"
        )


def check_stored_sequences(scenario: Scenario, store: Store) -> None:
    """`check_no_leak` of what is in the store. ValueError as there."""
    sequences = pl.DataFrame(pl.from_arrow(store.read_table(f"sequences/{scenario.name}")))
    items = store.read_table(f"vocabulary/{scenario.name}", ["item", "domain"])
    check_no_leak(sequences, pl.DataFrame(pl.from_arrow(items)), scenario)
