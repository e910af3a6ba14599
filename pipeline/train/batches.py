"""Training batches, from the saved tables, in an order that a seed and an epoch decide."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from models.batch import ItemSpace, SequenceBatch, TransferBatch
from models.lgcd_cases import LGCDBatch
from pipeline.catalog import Scenario
from pipeline.store import Store
from pipeline.train.ragged import Ragged, ragged


def epoch_generator(seed: int, epoch: int) -> np.random.Generator:
    """The only source of randomness of an epoch's data, so that a resumed run sees the same."""
    return np.random.default_rng([seed, epoch])


def load_training_sequences(store: Store, scenario: Scenario, parts: tuple[str, ...]) -> Ragged:
    """Whole sequences of the training users of the given parts."""
    table = store.read_table(f"sequences/{scenario.name}", ["part", "items"])
    return Ragged.of(table.filter(pc.is_in(table["part"], pa.array(parts)))["items"])


def sequence_batches(
    sequences: Ragged, rows: np.ndarray, size: int, max_length: int, generator: np.random.Generator
) -> Iterator[SequenceBatch]:
    """All `rows` once, shuffled; one entry more than `max_length`, since the first is no label."""
    order = generator.permutation(rows)
    for first in range(0, len(order), size):
        yield SequenceBatch(sequences.padded(order[first : first + size], max_length + 1))


def whole_sequences(sequences: Ragged, size: int) -> Iterator[SequenceBatch]:
    """Every sequence once, uncut; sorted by length, so that little is padding."""
    order = np.argsort(np.diff(sequences.bounds), kind="stable")
    for first in range(0, len(order), size):
        rows = order[first : first + size]
        yield SequenceBatch(sequences.padded(rows, sequences.longest))


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


@dataclass(frozen=True, kw_only=True)
class TransferCases:
    """Overlap sequences with at least one usable cut, and users with pseudo-interactions."""

    space: ItemSpace
    overlap: Ragged
    pseudo_source: Ragged  # the user's real items
    pseudo_target: Ragged  # the grounded items of the other domain, nearest first
    pseudo_domain: np.ndarray  # int64 [users], the grounded items' domain


def load_transfer_cases(store: Store, scenario: Scenario, space: ItemSpace) -> TransferCases:
    """ValueError where no training overlap user has an item of both domains."""
    sequences = load_training_sequences(store, scenario, ("overlap",))
    usable = [
        sequence
        for sequence in map(sequences.__getitem__, range(len(sequences)))
        if len(_cuts(_domains(sequence, space)))
    ]
    if not usable:
        raise ValueError(f"scenario {scenario.name!r}: no overlap user to learn transfer from")
    table = store.read_table(f"sequences/{scenario.name}", ["user", "items"])
    row_of = {user: row for row, user in enumerate(table["user"].to_pylist())}
    everyone = Ragged.of(table["items"])
    pseudo = store.read_table(f"pseudo_interactions/{scenario.name}")
    pseudo = pseudo.filter(pc.equal(pseudo["part"], "single"))
    domains = [scenario.domains.index(name) for name in pseudo["target_domain"].to_pylist()]
    return TransferCases(
        space=space,
        overlap=ragged(usable),
        pseudo_source=ragged([everyone[row_of[user]] for user in pseudo["user"].to_pylist()]),
        pseudo_target=Ragged.of(pseudo["items"]),
        pseudo_domain=np.array(domains, dtype=np.int64),
    )


def transfer_batches(
    cases: TransferCases, config: TransferConfig, generator: np.random.Generator
) -> Iterator[LGCDBatch]:
    """One epoch: the longer of the two sets once, the other over again (cyclic; LGCD 3.5)."""
    num_pseudo = len(cases.pseudo_domain)
    pseudo_size = _pseudo_size(len(cases.overlap), num_pseudo, config)
    overlap = _cycle(len(cases.overlap), config.overlap_size, generator)
    pseudo = _cycle(num_pseudo, pseudo_size, generator)
    steps = max(_ceil(len(cases.overlap), config.overlap_size), _ceil(num_pseudo, pseudo_size))
    for _ in range(steps):
        yield LGCDBatch(
            overlap=_overlap_batch(cases, next(overlap), config, generator),
            pseudo=_pseudo_batch(cases, next(pseudo), config, generator) if num_pseudo else None,
        )


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


def _domains(items: np.ndarray, space: ItemSpace) -> np.ndarray:
    """The domain of each item id."""
    last_ids = np.cumsum(space.sizes)
    return np.searchsorted(last_ids, items)


def _cuts(domains: np.ndarray) -> np.ndarray:
    """Positions that can be a label: something of another domain stands before them."""
    changes = domains != domains[0]
    first_change = int(changes.argmax()) if changes.any() else len(domains)
    # From the first change on, both domains have been seen, and so has "another" one.
    return np.arange(first_change, len(domains))


def _draw_cut(domains: np.ndarray, config: TransferConfig, generator: np.random.Generator) -> int:
    cuts = _cuts(domains)
    if config.cut == "last":
        return int(cuts[-1])
    distance = min(int(generator.geometric(config.cut_probability)), len(cuts))
    return int(cuts[-distance])


def _overlap_batch(
    cases: TransferCases,
    rows: np.ndarray,
    config: TransferConfig,
    generator: np.random.Generator,
) -> TransferBatch:
    source, target, mixed, label, domain = [], [], [], [], []
    for row in rows:
        items = cases.overlap[row]
        domains = _domains(items, cases.space)
        cut = _draw_cut(domains, config, generator)
        before, own = items[:cut], domains[:cut] == domains[cut]
        source.append(before[~own])
        target.append(before[own])
        mixed.append(before)
        label.append(items[cut])
        domain.append(domains[cut])
    return _transfer_batch(source, target, mixed, label, domain, config.max_length)


def _pseudo_batch(
    cases: TransferCases,
    rows: np.ndarray,
    config: TransferConfig,
    generator: np.random.Generator,
) -> TransferBatch:
    """Real source items; one grounded item, drawn anew, is the label, the others are x0.

    LGCD leaves the label of a pseudo user open: its rule (the last item) would make a real
    source item the label and never train the direction that is asked at test time.
    """
    source, target, label = [], [], []
    for row in rows:
        grounded = generator.permutation(cases.pseudo_target[row])
        source.append(cases.pseudo_source[row])
        target.append(grounded[1:])
        label.append(grounded[0])
    domain = cases.pseudo_domain[rows].tolist()
    return _transfer_batch(source, target, source, label, domain, config.max_length)


def _transfer_batch(
    source: list[np.ndarray],
    target: list[np.ndarray],
    mixed: list[np.ndarray],
    label: list[int],
    domain: list[int],
    max_length: int,
) -> TransferBatch:
    everyone = np.arange(len(label))
    return TransferBatch(
        source_BL=ragged(source).padded(everyone, max_length),
        target_BL=ragged(target).padded(everyone, max_length),
        mixed_BL=ragged(mixed).padded(everyone, max_length),
        label_B=torch.tensor(np.array(label, dtype=np.int64)),
        domain_B=torch.tensor(np.array(domain, dtype=np.int64)),
    )
