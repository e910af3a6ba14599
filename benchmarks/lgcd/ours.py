"""LGCD's second stage, our LLMCDSR, and our evaluator at work on a prepared scenario."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from benchmarks.lgcd.spent import Watched, peak_mb, spent
from models.batch import ItemSpace
from models.lgcd import LGCD
from models.lgcd_encoders import DomainEncoders
from pipeline.catalog import Scenario
from pipeline.catalog.load import load_catalog
from pipeline.columns import POOLS
from pipeline.evaluate.ranking import rank_cases
from pipeline.store import Store
from pipeline.train.augmented import AugmentedCases, Titled, augmented_batches
from pipeline.train.batches import epoch_generator, load_training_sequences
from pipeline.train.build import build
from pipeline.train.cases import item_space, load_cold_cases, negatives_of, saved_candidates
from pipeline.train.checkpoint import Checkpoint
from pipeline.train.loop import LoopConfig, fit
from pipeline.train.presets import preset
from pipeline.train.presets.runs import AugmentedRun, TransferRun
from pipeline.train.pseudo_users import PseudoUsers
from pipeline.train.ragged import Ragged
from pipeline.train.transfer import load_item_text
from pipeline.train.transfer_batches import load_transfer_cases, transfer_batches

SCENARIO = "food-kitchen"
WARM_UP = 3  # steps
TITLES, TITLE_WIDTH = 10, 768  # of each user, as for the released code


def transfer(data: Path, steps: int) -> dict[str, Any]:
    """Stage 2 as `lgcd` trains it, with a pseudo user made of every single-domain user."""
    return _transfer(data, steps, lambda run: run)


def transfer_literal(data: Path, steps: int) -> dict[str, Any]:
    """The same with the paper's chain: every step of the way back, and all four losses."""

    def literal(run: TransferRun) -> TransferRun:
        model = replace(run.model, num_reverse_steps=None, pseudo_label="sampled")
        return replace(run, model=model)

    return _transfer(data, steps, literal)


def _transfer(
    data: Path, steps: int, change: Callable[[TransferRun], TransferRun]
) -> dict[str, Any]:
    store, scenario, space = _opened(data)
    text_VE = load_item_text(store, scenario)
    run = preset("lgcd", scenario, space, text_VE.shape[1])
    assert isinstance(run, TransferRun)
    run = change(run)
    torch.manual_seed(0)
    model = LGCD(run.model, DomainEncoders(run.model.encoders, text_VE))
    cases = load_transfer_cases(store, scenario, space, replace(run.cases, use_pseudo=False))
    cases = replace(cases, pseudo=_invented_users(store, scenario, space))

    def batches(epoch: int) -> Iterator[Any]:
        return transfer_batches(cases, run.cases, epoch_generator(0, epoch))

    first = next(batches(0))
    calls = [_calls(model, strength) for strength in run.model.strengths]
    composition = (
        f"{len(first.pseudo.label_B)} pseudo + {len(first.overlap.label_B)} overlap users, "
        f"{calls[0]} and {calls[1]} denoiser calls back"
    )
    epoch_steps = -(-len(cases.pseudo) // len(first.pseudo.label_B))
    return {**_epoch(model, batches, steps, epoch_steps), "composition": composition}


def _calls(model: LGCD, strength: float) -> int:
    start = model.diffusion.start_step(strength)
    return len(model.diffusion.path(start, model.config.num_reverse_steps))


def _invented_users(store: Store, scenario: Scenario, space: ItemSpace) -> PseudoUsers:
    """Every single-domain user, with ten items of the other domain drawn uniformly."""
    single = load_training_sequences(store, scenario, ("single",))
    target_N = 1 - _domains(single, space)
    start, size = np.array([space.ids(domain).start for domain in (0, 1)]), np.array(space.sizes)
    share_NK = np.random.default_rng(0).random((len(single), TITLES))
    item_NK = start[target_N][:, None] + (share_NK * size[target_N][:, None]).astype(np.int64)
    return PseudoUsers(
        source=single,
        item_NK=item_NK,
        score_NK=np.zeros(item_NK.shape, dtype=np.float32),
        domain_N=target_N,
        row_N=np.arange(len(single)),
    )


def cooccurrence_users(data: Path) -> dict[str, Any]:
    """What making pseudo users of co-occurrences costs, once before stage 2."""
    store, scenario, space = _opened(data)
    run = preset("lgcd", scenario, space, load_item_text(store, scenario).shape[1])
    assert isinstance(run, TransferRun)
    config = replace(run.cases, pseudo="cooccurrence")
    made: list[Any] = []
    measured = spent(lambda: made.append(load_transfer_cases(store, scenario, space, config)))
    return {**vars(measured), "peak_mb": peak_mb(), "users": len(made[0].pseudo)}


def llmcdsr(data: Path, steps: int) -> dict[str, Any]:
    """Our `llmcdsr`, as it is trained."""
    return _llmcdsr(data, steps, lambda run: run)


def llmcdsr_every_step(data: Path, steps: int) -> dict[str, Any]:
    """The same with a meta step at every step, as the released code has it."""
    return _llmcdsr(data, steps, lambda run: replace(run, meta_interval=1))


def _llmcdsr(
    data: Path, steps: int, change: Callable[[AugmentedRun], AugmentedRun]
) -> dict[str, Any]:
    store, scenario, space = _opened(data)
    run = preset("llmcdsr", scenario, space, TITLE_WIDTH)
    assert isinstance(run, AugmentedRun)
    run = change(run)
    torch.manual_seed(0)
    model = build(run.model, torch.randn(space.num_items + 1, TITLE_WIDTH))
    single = load_training_sequences(store, scenario, ("single",))
    sequences = load_training_sequences(store, scenario, ("single", "overlap"))
    cases = AugmentedCases(
        sequences=sequences,
        overlap=load_training_sequences(store, scenario, ("overlap",)),
        titled=_invented_titles(single, space),
    )

    def batches(epoch: int) -> Iterator[Any]:
        return augmented_batches(cases, run, epoch_generator(0, epoch))

    return _epoch(model, batches, steps, -(-len(sequences) // run.batch_size))


def _invented_titles(single: Ragged, space: ItemSpace) -> Titled:
    pool = torch.randn(10_000, TITLE_WIDTH)
    rows = np.arange(len(single) * TITLES) % len(pool)
    return Titled(
        items=single,
        titles=Ragged(flat=rows + 1, bounds=np.arange(len(single) + 1) * TITLES),
        vectors=pool,
        domain=1 - _domains(single, space),
        num_without=0,
    )


def _epoch(
    model: Any, batches: Callable[[int], Iterator[Any]], steps: int, epoch_steps: int
) -> dict[str, Any]:
    """The training loop for `steps` steps, of which the first few are not counted."""
    watched = Watched(WARM_UP)
    with TemporaryDirectory() as folder:
        fit(
            model=model,
            epoch_batches=lambda epoch: watched(islice(batches(epoch), steps)),
            validate=lambda: 0.0,
            config=LoopConfig(max_epochs=1, min_steps=1),
            seed=0,
            checkpoint=Checkpoint(store=Store(Path(folder)), name="benchmark", fingerprint=""),
            loss=model.loss,
            device=torch.device("cpu"),
        )
    return {
        **vars(watched.spent),
        "peak_mb": peak_mb(),
        "steps": watched.steps,
        "epoch_steps": epoch_steps,
    }


def evaluation(data: Path) -> dict[str, Any]:
    """All test users with LGCD, and with a SASRec of the released one's size: every pool and
    candidate seed, and the full domain. What is read is read once for both parts."""
    store, scenario, space = _opened(data)
    text_VE = load_item_text(store, scenario)
    cases_of = {part: load_cold_cases(store, scenario, part) for part in ("valid", "test")}
    read: dict[str, Any] = {}

    def load() -> None:
        candidates, seeds = saved_candidates(store, scenario), scenario.candidates.seeds
        for part, cases in cases_of.items():
            read[part] = negatives_of(candidates, scenario, cases, POOLS, seeds)

    reading = spent(load)
    cases, negatives = cases_of["test"], read["test"]

    def ranking(system: str) -> dict[str, Any]:
        torch.manual_seed(0)
        run = preset(system, scenario, space, text_VE.shape[1])
        model = build(run.model, text_VE if system == "lgcd" else None)

        def rank() -> None:
            rank_cases(
                model,
                cases,
                negatives,
                space,
                system=system,
                train_seed=0,
                domains=scenario.domains,
            )

        rank()
        return vars(spent(rank))

    return {
        "users": len(cases.user_N),
        "users_read": sum(len(cases.user_N) for cases in cases_of.values()),
        "sets": len(negatives) + 1,
        "reading": vars(reading),
        "sasrec": ranking("sasrec"),
        "lgcd": ranking("lgcd"),
        "peak_mb": peak_mb(),
    }


def _domains(sequences: Ragged, space: ItemSpace) -> np.ndarray:
    """Of single-domain sequences, by their first item."""
    return (sequences.flat[sequences.bounds[:-1]] >= space.ids(1).start).astype(np.int64)


def _opened(data: Path) -> tuple[Store, Scenario, ItemSpace]:
    store, scenario = Store(data / "store"), load_catalog(data / "catalog.toml").scenarios[SCENARIO]
    return store, scenario, item_space(store, scenario)


WORKLOADS: dict[str, Callable[..., dict[str, Any]]] = {
    "lgcd": transfer,
    "lgcd_literal": transfer_literal,
    "llmcdsr": llmcdsr,
    "llmcdsr_every_step": llmcdsr_every_step,
    "cooccurrence_users": cooccurrence_users,
    "evaluation": evaluation,
}
