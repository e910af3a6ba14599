"""What a system costs: how many numbers it learns and keeps, and its time to train and to score.

Seconds differ from run to run. They lie beside the ranks, in `scores/<scenario>/<system>.json`,
and in no table: the digests of ranks and leaderboard tell of figures alone, and ranks that come
out as before make nothing stale.
"""

import json
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from models.batch import ItemSpace
from pipeline.evaluate.ranking import Scorer, target_scores
from pipeline.store import Store
from pipeline.train.cases import ColdCases


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """What was measured of one training seed's model where it was ranked."""

    num_trained: int  # numbers that its last stage of training changes; 0: it counts
    num_stored: int  # numbers in a weights file; frozen text vectors are not among them
    seconds: float  # to score all test users of the scenario once
    num_users: int
    machine: str


@dataclass(frozen=True, kw_only=True)
class SystemCost:
    system: str
    scoring: Scoring
    train_seconds: float | None  # of one seed, in the mean; None: it counts
    encoder_seconds: float | None  # of the encoders that it starts from; None: it starts afresh
    epochs: tuple[int, ...]  # that were trained, one number a seed


def measure_scoring(model: Scorer, cases: ColdCases, space: ItemSpace) -> Scoring:
    """Score every user of `cases` once, without ranking, and see how long it takes."""
    assert isinstance(model, torch.nn.Module)
    started = time.perf_counter()
    for _ in target_scores(model, cases, space):
        pass
    seconds = time.perf_counter() - started
    return Scoring(
        num_trained=sum(one.numel() for one in model.parameters() if one.requires_grad),
        num_stored=sum(one.numel() for one in model.state_dict().values()),
        seconds=seconds,
        num_users=len(cases.user_N),
        machine=machine(),
    )


def save_scoring(store: Store, key: str, scoring: Scoring) -> None:
    store.write_text(key, ".json", json.dumps(asdict(scoring), indent=1))


def load_scoring(store: Store, key: str) -> Scoring:
    """ValueError where the system was not ranked."""
    return Scoring(**json.loads(store.read_text(key, ".json")))


def machine() -> str:
    """The processor, how many threads torch uses of it, and the versions that compute."""
    return (
        f"{_processor()}, threads: {torch.get_num_threads()}, torch {torch.__version__},"
        f" Python {platform.python_version()}"
    )


def _processor() -> str:
    listed = Path("/proc/cpuinfo")  # Linux; what Python knows itself is but the architecture
    lines = listed.read_text().splitlines() if listed.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
