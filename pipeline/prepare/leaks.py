"""What must hold of sequences before anything is learnt from them; each breach is an error."""

import polars as pl


def check_no_leak(sequences: pl.DataFrame, item_domain: pl.DataFrame, scenario: str) -> None:
    """Raise ValueError where an evaluation user could be known, or an answer seen, in training.

    `sequences` follows columns.SEQUENCES; `item_domain` maps `item` to `domain`.
    """
    where = f"scenario {scenario!r}"
    _check_parts(sequences, where)
    _check_users(sequences, where)
    _check_items(sequences, item_domain, where)
    _check_histories(sequences, item_domain, where)
    _check_copies(sequences, where)


def _check_parts(sequences: pl.DataFrame, where: str) -> None:
    for part in ("overlap", "valid", "test"):
        if sequences.filter(part=part).is_empty():
            raise ValueError(
                f"{where}: the {part} set is empty; raise its share under split, add users, or "
                "lower filters.k_core"
            )


def _check_users(sequences: pl.DataFrame, where: str) -> None:
    twice = sequences.filter(pl.col("user_id").is_duplicated())
    if twice.height:
        raise ValueError(
            f"{where}: user {twice['user_id'][0]!r} has {twice.height} sequences; one user belongs "
            "to one part"
        )


def _check_items(sequences: pl.DataFrame, item_domain: pl.DataFrame, where: str) -> None:
    known = item_domain["item"].implode()
    used = pl.concat([sequences["items"].explode(), sequences["label"].drop_nulls()])
    unknown = used.filter(~used.is_in(known) | used.is_null())
    if len(unknown):
        raise ValueError(f"{where}: a sequence names item {unknown[0]!r}, which does not exist")


def _check_histories(sequences: pl.DataFrame, item_domain: pl.DataFrame, where: str) -> None:
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


def _check_copies(sequences: pl.DataFrame, where: str) -> None:
    """No evaluation user's visible history and label may together be a training sequence."""
    train = sequences.filter(pl.col("part") == "overlap").select(pl.col("items").alias("whole"))
    cold = sequences.filter(pl.col("label").is_not_null()).select(
        "user_id", pl.concat_list("items", "label").alias("whole")
    )
    copied = cold.join(train, on="whole", how="inner")
    if copied.height:
        raise ValueError(
            f"{where}: the sequence of evaluation user {copied['user_id'][0]!r} also trains"
        )
