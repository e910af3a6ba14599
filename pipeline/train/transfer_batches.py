"""Cross-domain training cases, cut and mixed anew in an order that a seed and an epoch decide."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from models.baselines.cooccurrence import Cooccurrence, CooccurrenceConfig
from models.batch import PADDING, ItemSpace, TransferBatch
from models.lgcd_cases import Grounded, LGCDBatch
from pipeline.catalog import Scenario
from pipeline.store import Store
from pipeline.train.batches import load_training_sequences
from pipeline.train.counts import count
from pipeline.train.cuts import Cuttable, chosen, domains_of
from pipeline.train.pseudo_users import (
    PseudoUsers,
    by_cooccurrence,
    by_text_neighbours,
    by_titles,
    no_users,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TransferConfig:
    """How cross-domain training cases are cut and mixed.

    LGCD cuts every overlap sequence at its last item. Default "geometric" draws the cut anew
    in each epoch, most often near the end: a few thousand last items are few labels, and on
    food-kitchen a net trained on them alone overfits within an epoch or two.
    """

    overlap_size: int = 64
    pseudo_size: int = 128  # at most, see _pseudo_size
    max_length: int = 50
    cut: Literal["last", "geometric"] = "geometric"
    cut_probability: float = 0.3  # of stopping at each position, counted from the end
    overlap_ratio: float = 1.0  # of the overlap sequences: the first of them, which lie shuffled
    # LGCD begins the overlap users again until all pseudo users were seen ("cyclic"). Its
    # ablation sees them once, and pseudo users alone after that ("plain").
    overlap_loader: Literal["cyclic", "plain"] = "cyclic"
    use_pseudo: bool = True
    pseudo: Literal["titles", "text_neighbours", "cooccurrence"] = "titles"
    num_pseudo_items: int = 10  # nK; the best, where more are stored

    def __post_init__(self) -> None:
        if not 0 < self.overlap_ratio <= 1:
            raise ValueError(f"overlap_ratio={self.overlap_ratio} is not within 0..1 (0 excluded)")
        if self.num_pseudo_items < 1:
            raise ValueError(
                f"num_pseudo_items={self.num_pseudo_items}; give 1 or more, or use_pseudo=False"
            )


@dataclass(frozen=True, kw_only=True)
class TransferCases:
    """Overlap sequences with at least one usable cut, and pseudo users, who may be none."""

    space: ItemSpace
    overlap: Cuttable
    pseudo: PseudoUsers


def load_transfer_cases(
    store: Store, scenario: Scenario, space: ItemSpace, config: TransferConfig
) -> TransferCases:
    """ValueError where no training overlap user has an item of both domains."""
    overlap = Cuttable.of(load_training_sequences(store, scenario, ("overlap",)), space)
    if not len(overlap):
        raise ValueError(f"scenario {scenario.name!r}: no overlap user to learn transfer from")
    overlap = overlap.first(max(1, round(config.overlap_ratio * len(overlap))))
    pseudo = _pseudo_users(store, scenario, space, config) if config.use_pseudo else no_users()
    if len(pseudo):
        given = (pseudo.item_NK != PADDING).sum(axis=1)
        source = (len(overlap), len(pseudo), config.pseudo, given.mean())
        log.info("training on %d overlap users and %d pseudo users (%s, %.1f items each)", *source)
    else:
        log.info("training on %d overlap users alone: there is no pseudo user", len(overlap))
    return TransferCases(space=space, overlap=overlap, pseudo=pseudo)


def _pseudo_users(
    store: Store, scenario: Scenario, space: ItemSpace, config: TransferConfig
) -> PseudoUsers:
    if config.pseudo == "titles":
        return by_titles(store, scenario, config.num_pseudo_items)
    single = load_training_sequences(store, scenario, ("single",))
    if not len(single):
        return no_users()
    if config.pseudo == "text_neighbours":
        text_VE = store.read_tensors(f"item_text/{scenario.name}")["vectors"]
        return by_text_neighbours(single, space, text_VE, config.num_pseudo_items)
    counted = Cooccurrence(CooccurrenceConfig(space=space))
    count(counted, scenario, store)
    return by_cooccurrence(single, space, counted, config.num_pseudo_items)


def transfer_batches(
    cases: TransferCases, config: TransferConfig, generator: np.random.Generator
) -> Iterator[LGCDBatch]:
    """One epoch: the longer of the two sets once, the other over again (cyclic; LGCD 3.5).

    Under overlap_loader="plain" overlap users come once and are missing from later steps.
    """
    num_overlap, num_pseudo = len(cases.overlap), len(cases.pseudo)
    pseudo_size = _pseudo_size(num_overlap, num_pseudo, config)
    overlap = _cycle(num_overlap, config.overlap_size, generator)
    pseudo = _cycle(num_pseudo, pseudo_size, generator)
    overlap_steps = _ceil(num_overlap, config.overlap_size)
    for step in range(max(overlap_steps, _ceil(num_pseudo, pseudo_size))):
        batch = LGCDBatch(None, None)
        if config.overlap_loader == "cyclic" or step < overlap_steps:
            drawn = _overlap_batch(cases, next(overlap), config, generator)
            batch = batch._replace(overlap=drawn)
        if num_pseudo:
            rows = next(pseudo)
            batch = batch._replace(
                pseudo=_pseudo_batch(cases.pseudo, rows, config.max_length, generator),
                grounded=_grounded(cases.pseudo, rows),
            )
        yield batch


def _pseudo_size(num_overlap: int, num_pseudo: int, config: TransferConfig) -> int:
    """Pseudo users a step: LGCD's size, but none is seen more often than an overlap user.

    LGCD has many more pseudo than overlap users and repeats the latter. Where an LLM wrote
    titles for a few only, a fixed size would repeat those few instead, and they are guesses.
    """
    return max(1, min(config.pseudo_size, config.overlap_size * num_pseudo // num_overlap))


def _ceil(count: int, size: int) -> int:
    return -(-count // size)


def _cycle(count: int, size: int, generator: np.random.Generator) -> Iterator[np.ndarray]:
    """Batches of row numbers for ever, reshuffled whenever all have been seen."""
    while True:
        order = generator.permutation(count)
        for first in range(0, count, size):
            yield order[first : first + size]


def _overlap_batch(
    cases: TransferCases,
    rows: np.ndarray,
    config: TransferConfig,
    generator: np.random.Generator,
) -> TransferBatch:
    distance_B = np.ones(len(rows), dtype=np.int64)
    if config.cut == "geometric":
        distance_B = generator.geometric(config.cut_probability, len(rows))
    mixed_BL, label_B = cases.overlap.cut(rows, distance_B)
    domain_B = domains_of(label_B, cases.space)
    own_BL = domains_of(mixed_BL, cases.space) == domain_B[:, None]
    given_BL = mixed_BL != PADDING
    return TransferBatch(
        source_BL=torch.from_numpy(chosen(mixed_BL, ~own_BL & given_BL, config.max_length)),
        target_BL=torch.from_numpy(chosen(mixed_BL, own_BL & given_BL, config.max_length)),
        mixed_BL=torch.from_numpy(mixed_BL[:, -config.max_length :]),
        label_B=torch.from_numpy(label_B),
        domain_B=torch.from_numpy(domain_B),
    )


def _pseudo_batch(
    pseudo: PseudoUsers, rows: np.ndarray, max_length: int, generator: np.random.Generator
) -> TransferBatch:
    """Real source items; one grounded item, drawn anew, is the label, the others are x0.

    LGCD leaves the label of a pseudo user open: its rule (the last item) would make a real
    source item the label and never train the direction that is asked at test time.
    """
    order_BK = generator.random((len(rows), pseudo.item_NK.shape[1])).argsort(axis=1)
    item_BK = np.take_along_axis(pseudo.item_NK[rows], order_BK, axis=1)
    item_BK = chosen(item_BK, item_BK != PADDING, item_BK.shape[1])
    source_BL = pseudo.source.padded(rows, max_length)
    target_BL = item_BK[:, :-1] if item_BK.shape[1] > 1 else np.zeros_like(item_BK)
    return TransferBatch(
        source_BL=source_BL,
        target_BL=torch.from_numpy(np.ascontiguousarray(target_BL[:, -max_length:])),
        mixed_BL=source_BL,
        label_B=torch.from_numpy(item_BK[:, -1].copy()),
        domain_B=torch.from_numpy(pseudo.domain_N[rows]),
    )


def _grounded(pseudo: PseudoUsers, rows: np.ndarray) -> Grounded:
    return Grounded(torch.from_numpy(pseudo.item_NK[rows]), torch.from_numpy(pseudo.score_NK[rows]))
