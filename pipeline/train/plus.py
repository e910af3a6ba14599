"""lgcd_plus: all sequences mixed, cold-start views, pseudo items for single-domain users."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from models.lgcd_plus import LGCDPlus, PlusBatch
from pipeline.catalog import Scenario
from pipeline.store import Store
from pipeline.train.batches import load_training_sequences
from pipeline.train.checkpoint import Checkpoint
from pipeline.train.counts import count
from pipeline.train.loop import FitReport
from pipeline.train.presets.runs import PlusRun
from pipeline.train.pseudo_users import PseudoUsers, by_cooccurrence, no_users
from pipeline.train.ragged import Ragged, joined
from pipeline.train.selected import fit_selected


@dataclass(frozen=True, kw_only=True)
class PlusCases:
    """Training sequences, those of single-domain users first."""

    sequences: Ragged
    overlap: Ragged  # those of overlapping users alone, once more
    pseudo: PseudoUsers
    pseudo_row_N: np.ndarray  # int64 [sequences], a sequence's place among `pseudo`; -1: none


def train_plus(
    run: PlusRun,
    model: nn.Module,
    scenario: Scenario,
    store: Store,
    seed: int,
    checkpoint: Checkpoint,
) -> FitReport:
    """Fit `model` in place, selected on validation users; counts co-occurrence first."""
    assert isinstance(model, LGCDPlus)
    count(model, scenario, store)
    cases = load_plus_cases(store, scenario, run, model)
    return fit_selected(
        model,
        lambda generator: plus_batches(cases, run, generator),
        run.loop,
        scenario,
        store,
        seed,
        checkpoint,
    )


def load_plus_cases(store: Store, scenario: Scenario, run: PlusRun, model: LGCDPlus) -> PlusCases:
    """ValueError where no training user is active in several domains."""
    single = load_training_sequences(store, scenario, ("single",))
    overlap = load_training_sequences(store, scenario, ("overlap",))
    if not len(overlap):
        raise ValueError(f"scenario {scenario.name!r}: no overlap user to learn transfer from")
    pseudo = no_users()
    if run.model.pseudo:
        space, counted = run.model.space, model.cooccurrence
        pseudo = by_cooccurrence(single, space, counted, run.num_pseudo_items)
    row_N = np.full(len(single) + len(overlap), -1, dtype=np.int64)
    row_N[pseudo.row_N] = np.arange(len(pseudo))
    return PlusCases(
        sequences=joined(single, overlap), overlap=overlap, pseudo=pseudo, pseudo_row_N=row_N
    )


def plus_batches(
    cases: PlusCases, run: PlusRun, generator: np.random.Generator
) -> Iterator[PlusBatch]:
    """All sequences once, shuffled; beside them overlap sequences, over and over (cyclic)."""
    order = generator.permutation(len(cases.sequences))
    num_steps = -(-len(order) // run.batch_size)
    rounds = -(-num_steps * run.overlap_size // len(cases.overlap))
    overlap = np.concatenate([generator.permutation(len(cases.overlap)) for _ in range(rounds)])
    for step in range(num_steps):
        rows = order[step * run.batch_size : (step + 1) * run.batch_size]
        views = overlap[step * run.overlap_size : (step + 1) * run.overlap_size]
        yield PlusBatch(
            items_BL=cases.sequences.padded(rows, run.max_length),
            pseudo_B=torch.from_numpy(_pseudo_items(cases, rows, generator)),
            overlap_BL=cases.overlap.padded(views, run.max_length),
        )


def _pseudo_items(cases: PlusCases, rows: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """One item for each row that has any, int64 [B], drawn by the softmax of its scores."""
    place_B = cases.pseudo_row_N[rows]
    items_B = np.zeros(len(rows), dtype=np.int64)
    has = np.flatnonzero(place_B >= 0)
    if len(has):
        score_NK = cases.pseudo.score_NK[place_B[has]]
        # The largest score after Gumbel noise is a draw from their softmax.
        best_N = (score_NK + generator.gumbel(size=score_NK.shape)).argmax(axis=1)
        items_B[has] = cases.pseudo.item_NK[place_B[has], best_N]
    return items_B
