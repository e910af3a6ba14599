"""LLMCDSR's training: whole sequences, and beside them users for whom titles were generated."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.baselines.llmcdsr import LLMCDSR, LLMCDSRBatch, TitledUsers
from pipeline.catalog import Scenario
from pipeline.store import Store
from pipeline.train.batches import load_training_sequences
from pipeline.train.checkpoint import Checkpoint
from pipeline.train.loop import FitReport
from pipeline.train.presets.runs import AugmentedRun
from pipeline.train.ragged import Ragged, ragged
from pipeline.train.selected import fit_selected

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Titled:
    """Single-domain users with at least one generated title."""

    items: Ragged  # the user's real items
    titles: Ragged  # of each user, rows of `vectors`
    vectors: Tensor  # float32 [titles, width]
    domain: np.ndarray  # int64 [users], the titles' domain
    num_without: int  # users for whom nothing usable was generated, left out

    def batch(self, rows: np.ndarray, max_length: int) -> TitledUsers:
        # Padded rows are numbered from one, so that zero is padding.
        title_BT = self.titles.padded(rows, self.titles.longest)
        return TitledUsers(
            items_BL=self.items.padded(rows, max_length + 1),
            title_BTE=self.vectors[(title_BT - 1).clamp_min(0)],
            valid_BT=title_BT > 0,
            domain_B=torch.from_numpy(self.domain[rows]),
        )


@dataclass(frozen=True, kw_only=True)
class AugmentedCases:
    sequences: Ragged  # of all training users, single-domain and overlapping
    overlap: Ragged  # of the overlapping ones, whom the meta step asks
    titled: Titled


def load_titled(store: Store, scenario: Scenario) -> Titled:
    """From `title_vectors`. ValueError where it is missing, and where no user has a title."""
    stored = store.read_tensors(f"title_vectors/{scenario.name}")
    start, end = stored["bounds"][:-1].numpy(), stored["bounds"][1:].numpy()
    single = stored["single"].numpy()
    rows = np.flatnonzero(single & (end > start))
    if len(rows) == 0:
        raise ValueError(
            f"scenario {scenario.name!r}: no single-domain user has a generated title to train "
            "with; raise titles.max_users or take another titles.model, then materialize "
            "generated_titles and title_vectors again"
        )
    table = store.read_table(f"sequences/{scenario.name}", ["user", "items"])
    row_of = {user: row for row, user in enumerate(table["user"].to_pylist())}
    everyone = Ragged.of(table["items"])
    users = stored["user"].numpy()[rows].tolist()
    return Titled(
        items=ragged([everyone[row_of[user]] for user in users]),
        titles=ragged([np.arange(start[row], end[row]) + 1 for row in rows]),
        vectors=stored["vectors"],
        domain=stored["target"].numpy()[rows],
        num_without=int(single.sum()) - len(rows),
    )


def load_augmented_cases(store: Store, scenario: Scenario) -> AugmentedCases:
    """ValueError where there are no generated titles, or no overlap user among those trained on."""
    overlap = load_training_sequences(store, scenario, ("overlap",))
    if len(overlap) == 0:
        raise ValueError(f"scenario {scenario.name!r}: no overlap user to learn pooling from")
    return AugmentedCases(
        sequences=load_training_sequences(store, scenario, ("single", "overlap")),
        overlap=overlap,
        titled=load_titled(store, scenario),
    )


def augmented_batches(
    cases: AugmentedCases, run: AugmentedRun, generator: np.random.Generator
) -> Iterator[LLMCDSRBatch]:
    """One epoch: every sequence once; titled users over again, however many steps that takes.

    Overlap users, for the meta step, come with the first of every `meta_interval` steps.
    """
    order = generator.permutation(len(cases.sequences))
    num_steps = -(-len(order) // run.batch_size)
    titled = _cyclic(len(cases.titled.domain), num_steps, run.titled_size, generator)
    asked = _cyclic(len(cases.overlap), num_steps, run.overlap_size, generator)
    for step in range(num_steps):
        rows = order[step * run.batch_size : (step + 1) * run.batch_size]
        due = step % run.meta_interval == 0
        yield LLMCDSRBatch(
            items_BL=cases.sequences.padded(rows, run.max_length + 1),
            titled=cases.titled.batch(titled[step], run.max_length),
            overlap_BL=cases.overlap.padded(asked[step], run.max_length + 1) if due else None,
        )


def _cyclic(count: int, num_steps: int, size: int, generator: np.random.Generator) -> np.ndarray:
    """Row numbers [num_steps, at most size]: shuffled, and from the start again at the end."""
    return np.resize(generator.permutation(count), (num_steps, min(size, count)))


def train_augmented(
    run: AugmentedRun,
    model: LLMCDSR,
    scenario: Scenario,
    store: Store,
    seed: int,
    checkpoint: Checkpoint,
) -> FitReport:
    """Fit `model` in place, selected on validation users."""
    cases = load_augmented_cases(store, scenario)
    log.info(
        "%s: %d single-domain users have generated titles, %d asked for have none and are left out",
        checkpoint.name,
        len(cases.titled.domain),
        cases.titled.num_without,
    )
    return fit_selected(
        model,
        lambda generator: augmented_batches(cases, run, generator),
        run.loop,
        scenario,
        store,
        seed,
        checkpoint,
    )
