"""Training batches: where sequences are cut, and that no label is ever shown."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from torch import Tensor

from models.batch import ItemSpace, TransferBatch
from models.lgcd_cases import LGCDBatch
from pipeline.columns import PSEUDO_INTERACTIONS, SEQUENCES
from pipeline.train.batches import (
    TransferCases,
    TransferConfig,
    _cuts,
    _draw_cut,
    epoch_generator,
    load_training_sequences,
    load_transfer_cases,
    sequence_batches,
    transfer_batches,
    whole_sequences,
)
from pipeline.train.ragged import Ragged, ragged

SPACE = ItemSpace(sizes=(5, 4))  # items 1..5 and 6..9
OVERLAP = [[1, 2, 6, 3, 7], [6, 1], [1, 6], [2, 3, 8, 9], [7, 6, 4, 5, 8]]
PSEUDO_SOURCE = [[1, 2], [6, 7, 8], [3]]
PSEUDO_TARGET = [[9, 8, 7], [1, 2], [6]]


def lists(rows: list[list[int]]) -> Ragged:
    return ragged([np.array(row) for row in rows])


def shown(padded: Tensor) -> list[list[int]]:
    return [[item for item in row if item] for row in padded.tolist()]


@pytest.fixture
def cases() -> TransferCases:
    return TransferCases(
        space=SPACE,
        overlap=lists(OVERLAP),
        pseudo_source=lists(PSEUDO_SOURCE),
        pseudo_target=lists(PSEUDO_TARGET),
        pseudo_domain=np.array([1, 0, 1]),
    )


# -- whole sequences -------------------------------------------------------------------------


def test_training_sequences_are_those_of_the_parts_asked(world: Any) -> None:
    rows = world.store.read_table("sequences/little").to_pylist()
    for parts in (("single",), ("single", "overlap")):
        found = load_training_sequences(world.store, world.scenario, parts)
        expected = [row["items"] for row in rows if row["part"] in parts]
        assert [found[i].tolist() for i in range(len(found))] == expected


def test_every_sequence_comes_once_an_epoch_with_one_more_item_than_is_read() -> None:
    batches = list(sequence_batches(lists(OVERLAP), np.arange(5), 2, 3, epoch_generator(0, 0)))
    assert [len(batch.items_BL) for batch in batches] == [2, 2, 1]
    rows = [row for batch in batches for row in shown(batch.items_BL)]
    assert sorted(rows) == sorted(row[-4:] for row in OVERLAP)


def test_the_seed_and_the_epoch_decide_the_order() -> None:
    def order(seed: int, epoch: int) -> list[list[int]]:
        generator = epoch_generator(seed, epoch)
        batches = sequence_batches(lists(OVERLAP), np.arange(5), 2, 9, generator)
        return [row for batch in batches for row in shown(batch.items_BL)]

    assert order(0, 1) == order(0, 1)
    assert len({str(order(0, 1)), str(order(0, 2)), str(order(1, 1))}) == 3


def test_only_the_rows_asked_for_are_trained_on() -> None:
    batches = sequence_batches(lists(OVERLAP), np.array([3, 1]), 2, 9, epoch_generator(0, 0))
    assert sorted(row for b in batches for row in shown(b.items_BL)) == [[2, 3, 8, 9], [6, 1]]


def test_counting_sees_every_sequence_whole_and_the_short_ones_first() -> None:
    batches = list(whole_sequences(lists(OVERLAP), 2))
    assert shown(batches[0].items_BL) == [[6, 1], [1, 6]]
    rows = [row for batch in batches for row in shown(batch.items_BL)]
    assert sorted(rows) == sorted(OVERLAP)


# -- cuts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("domains", "cuts"),
    [
        ([0, 0, 1, 0], [2, 3]),
        ([0, 1], [1]),
        ([1, 0, 0], [1, 2]),
        ([0, 0, 0], []),
        ([1], []),
    ],
)
def test_a_label_has_something_of_another_domain_before_it(
    domains: list[int], cuts: list[int]
) -> None:
    assert _cuts(np.array(domains)).tolist() == cuts


def test_the_last_cut_is_the_papers() -> None:
    config = TransferConfig(cut="last")
    assert _draw_cut(np.array([0, 1, 1, 0, 0]), config, np.random.default_rng(0)) == 4


def test_geometric_cuts_favour_the_end_and_stay_inside() -> None:
    domains = np.array([0, 0, 1, 0, 1])  # cuts 2, 3, 4
    config = TransferConfig(cut_probability=0.5)
    generator = np.random.default_rng(0)
    counts = Counter(_draw_cut(domains, config, generator) for _ in range(4000))
    # 1/2 at the end, 1/4 before it, the rest at the first that is possible.
    assert set(counts) == {2, 3, 4}
    assert abs(counts[4] - 2000) < 130 and abs(counts[3] - 1000) < 110


# -- transfer --------------------------------------------------------------------------------


def check_overlap(batch: TransferBatch, whole: list[list[int]]) -> None:
    fields = zip(
        shown(batch.source_BL),
        shown(batch.target_BL),
        shown(batch.mixed_BL),
        batch.label_B.tolist(),
        batch.domain_B.tolist(),
        strict=True,
    )
    for source, target, mixed, label, domain in fields:
        (sequence,) = [row for row in whole if row[: len(mixed) + 1] == [*mixed, label]]
        assert label not in mixed, sequence
        own = SPACE.ids(domain)
        assert label in own
        assert target == [item for item in mixed if item in own]
        assert source == [item for item in mixed if item not in own]
        assert source, "a case without a source teaches no transfer"


@pytest.mark.parametrize("cut", ["last", "geometric"])
def test_a_case_shows_neither_its_label_nor_what_came_later(cases: TransferCases, cut: str) -> None:
    config = TransferConfig(overlap_size=2, pseudo_size=2, cut=cut)  # type: ignore[arg-type]
    for epoch in range(20):
        for batch in transfer_batches(cases, config, epoch_generator(0, epoch)):
            check_overlap(batch.overlap, OVERLAP)


def test_last_cuts_by_hand(cases: TransferCases) -> None:
    config = TransferConfig(overlap_size=5, cut="last", max_length=2)
    (batch,) = transfer_batches(cases, config, epoch_generator(0, 0))
    found = sorted(
        zip(
            batch.overlap.label_B.tolist(),
            shown(batch.overlap.source_BL),
            shown(batch.overlap.target_BL),
            shown(batch.overlap.mixed_BL),
            strict=True,
        )
    )
    assert found == [
        (1, [6], [], [6]),
        (6, [1], [], [1]),
        (7, [2, 3], [6], [6, 3]),  # of 1, 2, 6, 3: the newest two
        (8, [4, 5], [7, 6], [4, 5]),
        (9, [2, 3], [8], [3, 8]),
    ]


def test_a_pseudo_case_has_a_real_source_and_a_grounded_label(cases: TransferCases) -> None:
    labels = set()
    for epoch in range(20):
        for batch in transfer_batches(cases, TransferConfig(), epoch_generator(0, epoch)):
            assert batch.pseudo
            assert shown(batch.pseudo.mixed_BL) == shown(batch.pseudo.source_BL)
            fields = zip(
                shown(batch.pseudo.source_BL),
                shown(batch.pseudo.target_BL),
                batch.pseudo.label_B.tolist(),
                batch.pseudo.domain_B.tolist(),
                strict=True,
            )
            for source, target, label, domain in fields:
                user = PSEUDO_SOURCE.index(source)
                assert sorted([label, *target]) == sorted(PSEUDO_TARGET[user])
                assert label in SPACE.ids(domain)
                labels.add(label)
    assert labels == {1, 2, 6, 7, 8, 9}  # each grounded item has its turn


def seen(batches: list[LGCDBatch], part: str) -> Counter[str]:
    """How often each user was seen, by what is theirs alone: the first item and the label."""
    rows: list[str] = []
    for batch in batches:
        own = getattr(batch, part)
        rows += [str(sorted(row)) for row in shown(own.source_BL)]
    return Counter(rows)


def test_an_epoch_shows_the_longer_set_once_and_the_shorter_over_again(
    cases: TransferCases,
) -> None:
    config = TransferConfig(overlap_size=5, pseudo_size=1, cut="last")
    batches = list(transfer_batches(cases, config, epoch_generator(0, 0)))
    assert len(batches) == 3
    assert set(seen(batches, "pseudo").values()) == {1} and len(seen(batches, "pseudo")) == 3
    assert all(len(batch.overlap.label_B) == 5 for batch in batches)
    config = TransferConfig(overlap_size=1, pseudo_size=3, cut="last")
    batches = list(transfer_batches(cases, config, epoch_generator(0, 0)))
    assert sorted(int(batch.overlap.label_B) for batch in batches) == [1, 6, 7, 8, 9]


def test_no_pseudo_user_is_seen_more_often_than_an_overlap_user(cases: TransferCases) -> None:
    config = TransferConfig(overlap_size=5, pseudo_size=128, cut="last")
    batches = list(transfer_batches(cases, config, epoch_generator(0, 0)))
    assert len(batches) == 1
    assert len(batches[0].overlap.label_B) == 5
    assert set(seen(batches, "pseudo").values()) == {1} and len(seen(batches, "pseudo")) == 3


def test_without_pseudo_users_overlap_users_train_alone(cases: TransferCases) -> None:
    alone = replace(cases, pseudo_domain=np.array([], dtype=np.int64))
    batches = list(transfer_batches(alone, TransferConfig(overlap_size=2), epoch_generator(0, 0)))
    assert len(batches) == 3 and all(batch.pseudo is None for batch in batches)


def test_an_epochs_cases_depend_on_seed_and_epoch_alone(cases: TransferCases) -> None:
    def labels(seed: int, epoch: int) -> list[list[int]]:
        config = TransferConfig(overlap_size=2, pseudo_size=2)
        batches = transfer_batches(cases, config, epoch_generator(seed, epoch))
        return [[*b.overlap.label_B.tolist(), *b.pseudo.label_B.tolist()] for b in batches]

    assert labels(0, 3) == labels(0, 3)
    assert labels(0, 3) != labels(0, 4) and labels(0, 3) != labels(1, 3)


# -- from the store --------------------------------------------------------------------------


def write_pseudo(world: Any, rows: list[tuple[int, str, str, list[int]]]) -> None:
    columns = ("user", "part", "target_domain", "items")
    entries = [dict(zip(columns, row, strict=True)) | {"scores": []} for row in rows]
    table = pa.Table.from_pylist(entries, schema=PSEUDO_INTERACTIONS)
    world.store.write_table("pseudo_interactions/little", PSEUDO_INTERACTIONS, table)


def test_cases_join_grounded_items_to_their_users_and_leave_the_probe_out(world: Any) -> None:
    rows = world.store.read_table("sequences/little").to_pylist()
    food = next(r for r in rows if r["part"] == "single" and max(r["items"]) <= 12)
    tools = next(r for r in rows if r["part"] == "single" and min(r["items"]) > 12)
    probe = next(r for r in rows if r["part"] == "overlap")
    write_pseudo(
        world,
        [
            (tools["user"], "single", "food", [3, 4]),
            (probe["user"], "overlap", "tools", [13]),
            (food["user"], "single", "tools", [20]),
        ],
    )
    cases = load_transfer_cases(world.store, world.scenario, ItemSpace(sizes=(12, 12)))
    assert [cases.pseudo_source[i].tolist() for i in range(2)] == [tools["items"], food["items"]]
    assert [cases.pseudo_target[i].tolist() for i in range(2)] == [[3, 4], [20]]
    assert cases.pseudo_domain.tolist() == [0, 1]
    assert len(cases.overlap) == len([row for row in rows if row["part"] == "overlap"])


def test_sequences_of_one_domain_teach_no_transfer(world: Any) -> None:
    write_pseudo(world, [])
    rows = [{"user": 0, "user_id": "a", "part": "overlap", "items": [1, 2]}]
    for items in ([1, 2], [1, 2, 13]):
        table = pa.Table.from_pylist([{**rows[0], "items": items}], schema=SEQUENCES)
        world.store.write_table("sequences/little", SEQUENCES, table)
        if max(items) > 12:
            assert len(load_transfer_cases(world.store, world.scenario, SPACE12).overlap) == 1
        else:
            with pytest.raises(ValueError, match="'little': no overlap user"):
                load_transfer_cases(world.store, world.scenario, SPACE12)


SPACE12 = ItemSpace(sizes=(12, 12))
