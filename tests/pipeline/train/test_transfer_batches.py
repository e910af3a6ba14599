"""Cross-domain training cases: where they are cut, how they are mixed, and that no label shows."""

import logging
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import Tensor

from models.batch import ItemSpace, TransferBatch
from models.lgcd_cases import LGCDBatch
from pipeline.columns import PSEUDO_INTERACTIONS, SEQUENCES
from pipeline.train.batches import epoch_generator
from pipeline.train.cuts import Cuttable
from pipeline.train.pseudo_users import PseudoUsers, no_users
from pipeline.train.ragged import Ragged, ragged
from pipeline.train.transfer_batches import (
    TransferCases,
    TransferConfig,
    load_transfer_cases,
    transfer_batches,
)

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
        overlap=Cuttable.of(lists(OVERLAP), SPACE),
        pseudo=PseudoUsers(
            row_N=np.arange(3),
            source=lists(PSEUDO_SOURCE),
            item_NK=np.array([[9, 8, 7], [1, 2, 0], [6, 0, 0]]),
            score_NK=np.array(
                [[0.9, 0.8, 0.7], [0.5, 0.4, -np.inf], [0.1, -np.inf, -np.inf]], dtype=np.float32
            ),
            domain_N=np.array([1, 0, 1]),
        ),
    )


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
    config = TransferConfig(overlap_size=2, pseudo_size=2, cut=cut)
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
    alone = replace(cases, pseudo=no_users())
    batches = list(transfer_batches(alone, TransferConfig(overlap_size=2), epoch_generator(0, 0)))
    assert len(batches) == 3 and all(batch.pseudo is None for batch in batches)


def test_an_epochs_cases_depend_on_seed_and_epoch_alone(cases: TransferCases) -> None:
    def labels(seed: int, epoch: int) -> list[list[int]]:
        config = TransferConfig(overlap_size=2, pseudo_size=2)
        batches = transfer_batches(cases, config, epoch_generator(seed, epoch))
        return [[*b.overlap.label_B.tolist(), *b.pseudo.label_B.tolist()] for b in batches]

    assert labels(0, 3) == labels(0, 3)
    assert labels(0, 3) != labels(0, 4) and labels(0, 3) != labels(1, 3)


# -- switches --------------------------------------------------------------------------------


def test_plain_overlap_users_come_once_and_pseudo_users_alone_after_them(
    cases: TransferCases,
) -> None:
    config = TransferConfig(overlap_size=5, pseudo_size=1, overlap_loader="plain")
    batches = list(transfer_batches(cases, config, epoch_generator(0, 0)))
    assert [batch.overlap is not None for batch in batches] == [True, False, False]
    assert all(batch.pseudo is not None for batch in batches)
    # Where overlap users are the longer set, nothing changes.
    config = TransferConfig(overlap_size=1, pseudo_size=3, overlap_loader="plain")
    batches = list(transfer_batches(cases, config, epoch_generator(0, 0)))
    assert len(batches) == 5 and all(batch.overlap is not None for batch in batches)


def test_soft_labels_are_all_grounded_items_of_the_same_rows(cases: TransferCases) -> None:
    for batch in transfer_batches(cases, TransferConfig(), epoch_generator(0, 0)):
        assert batch.pseudo and batch.grounded
        for source, items, scores in zip(
            shown(batch.pseudo.source_BL), *batch.grounded, strict=True
        ):
            user = PSEUDO_SOURCE.index(source)
            assert items[items > 0].tolist() == PSEUDO_TARGET[user]
            assert scores.isfinite().tolist() == (items > 0).tolist()


@pytest.mark.parametrize("changes", [{"overlap_ratio": 0.0}, {"overlap_ratio": 1.2}])
def test_an_impossible_share_of_overlap_users_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="overlap_ratio="):
        TransferConfig(**changes)


def test_no_pseudo_items_are_asked_for_by_leaving_pseudo_users_out() -> None:
    with pytest.raises(ValueError, match="num_pseudo_items=0; give 1 or more, or use_pseudo"):
        TransferConfig(num_pseudo_items=0)


# -- from the store --------------------------------------------------------------------------

SPACE12 = ItemSpace(sizes=(12, 12))


def write_pseudo(world: Any, rows: list[tuple[int, str, str, list[int]]]) -> None:
    columns = ("user", "part", "target_domain", "items")
    entries = [
        dict(zip(columns, row, strict=True)) | {"scores": [0.5] * len(row[3])} for row in rows
    ]
    table = pa.Table.from_pylist(entries, schema=PSEUDO_INTERACTIONS)
    world.store.write_table("pseudo_interactions/little", PSEUDO_INTERACTIONS, table)


def load(world: Any, **changes: Any) -> TransferCases:
    return load_transfer_cases(world.store, world.scenario, SPACE12, TransferConfig(**changes))


def rows_of(world: Any, part: str) -> list[dict[str, Any]]:
    rows = world.store.read_table("sequences/little").to_pylist()
    return [row for row in rows if row["part"] == part]


def test_cases_hold_every_overlap_sequence_and_the_grounded_users(world: Any) -> None:
    user = rows_of(world, "single")[0]["user"]
    write_pseudo(world, [(user, "single", "food", [3, 4])])
    cases = load(world)
    overlap = [row["items"] for row in rows_of(world, "overlap")]
    assert [cases.overlap.sequences[i].tolist() for i in range(len(cases.overlap))] == overlap
    assert cases.pseudo.item_NK.tolist() == [[3, 4]]
    assert not len(load(world, use_pseudo=False).pseudo)


def test_a_share_of_the_overlap_users_is_the_first_of_them(world: Any) -> None:
    write_pseudo(world, [])
    everyone = [row["items"] for row in rows_of(world, "overlap")]
    for ratio, count in ((0.5, round(len(everyone) / 2)), (0.01, 1)):
        overlap = load(world, overlap_ratio=ratio).overlap
        assert [overlap.sequences[i].tolist() for i in range(len(overlap))] == everyone[:count]


@pytest.mark.parametrize("pseudo", ["text_neighbours", "cooccurrence"])
def test_pseudo_users_without_titles_are_all_single_domain_users(world: Any, pseudo: str) -> None:
    vectors = np.random.default_rng(0).normal(size=(25, 4)).astype(np.float32)
    world.store.write_tensors("item_text/little", {"vectors": torch.from_numpy(vectors)})
    users = load(world, pseudo=pseudo, num_pseudo_items=3).pseudo
    single = [row["items"] for row in rows_of(world, "single")]
    assert [users.source[i].tolist() for i in range(len(users))] == single
    for items, own, domain in zip(users.item_NK, single, users.domain_N, strict=True):
        assert all(item in SPACE12.ids(domain) for item in items) and len(set(items)) == 3
        assert own[0] in SPACE12.ids(1 - domain)


def test_without_any_title_overlap_users_train_alone_and_the_log_says_so(
    world: Any, caplog: pytest.LogCaptureFixture
) -> None:
    write_pseudo(world, [])
    with caplog.at_level(logging.INFO, logger="pipeline.train.transfer_batches"):
        cases = load(world)
    assert len(cases.pseudo) == 0
    assert f"training on {len(cases.overlap)} overlap users alone" in caplog.text
    batches = list(transfer_batches(cases, TransferConfig(), epoch_generator(0, 0)))
    assert batches and all(batch.pseudo is None and batch.grounded is None for batch in batches)


def test_sequences_of_one_domain_teach_no_transfer(world: Any) -> None:
    write_pseudo(world, [])
    row = {"user": 0, "user_id": "a", "part": "overlap"}
    for items in ([1, 2], [1, 2, 13]):
        table = pa.Table.from_pylist([row | {"items": items}], schema=SEQUENCES)
        world.store.write_table("sequences/little", SEQUENCES, table)
        if max(items) > 12:
            assert len(load(world).overlap) == 1
        else:
            with pytest.raises(ValueError, match="'little': no overlap user"):
                load(world)
