"""What diffusing a user costs: MuSiC beside a DiffCDR-style diffusion of MF vectors.

    OMP_NUM_THREADS=1 python -m benchmarks.ratings.sampling

Random features and ratings of the size of a scenario stand for real ones: what they say changes
no cost. Models take turns in one process; medians over rounds.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from models.batch import ItemSpace
from models.music import MuSiC
from models.music_config import MuSiCConfig
from models.rating_baselines.diffcdr import DiffCDR, DiffCDRConfig
from models.ratings import Features, Known, Pairs, Ratings, Users

STEPS = 40  # of training, in a round


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=2000)
    parser.add_argument("--items", type=int, default=300, help="of each domain")
    parser.add_argument("--width", type=int, default=576, help="of the frozen features")
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.manual_seed(0)
    known = _known(options.users, options.items, options.width)
    work = _work(known, options.batch)
    seconds: dict[str, list[float]] = {label: [] for label in work}
    for _ in range(options.rounds):
        for label, (run, units) in work.items():
            started = time.process_time()
            run()
            seconds[label].append((time.process_time() - started) / units)
    print("| what | CPU microseconds a user or a step's user |")
    print("|---|---:|")
    for label, found in seconds.items():
        print(f"| {label} | {1e6 * statistics.median(found):,.1f} |")


def _work(known: Known, batch: int) -> dict[str, tuple[Callable[[], None], int]]:
    """By label: what to run, and how many users that is."""
    config = MuSiCConfig()
    music = {
        "10 steps, 8 samples": config,
        "10 steps, 1 sample": replace(config, num_samples=1),
        "5 of 10 steps, 1 sample": replace(config, num_samples=1, num_reverse_steps=5),
    }
    work: dict[str, tuple[Callable[[], None], int]] = {}
    for label, own in music.items():
        model = MuSiC(own, known).eval()
        work[f"MuSiC, sampling, {label}"] = _sampling(model, known, batch)
    diffcdr = DiffCDR(DiffCDRConfig(), known).eval()
    work["DiffCDR-style, sampling, 30 calls"] = _sampling(diffcdr, known, batch)
    users = Users(torch.arange(batch) % known.num_users)
    ratings = Ratings(users.user_N, _target_items(known, batch), torch.full((batch,), 4.0))
    trained = MuSiC(config, known)
    work["MuSiC, training, stage 2"] = _training(trained, "overlap_users", users, batch)
    rival = DiffCDR(DiffCDRConfig(), known)
    work["DiffCDR-style, training"] = _training(rival, "diffusion", ratings, batch)
    return work


def _sampling(model: MuSiC | DiffCDR, known: Known, batch: int) -> tuple[Callable[[], None], int]:
    """One rating for each user, so that the way back is what costs."""
    item_N = _target_items(known, known.num_users)
    parts = [Pairs(user_N, item_N[user_N]) for user_N in torch.arange(known.num_users).split(batch)]

    def run() -> None:
        for part in parts:
            model.predict(part)

    return run, known.num_users


def _training(
    model: MuSiC | DiffCDR, stage: str, batch: Users | Ratings, size: int
) -> tuple[Callable[[], None], int]:
    model.begin(stage)
    model.train()
    held = [one for one in model.parameters() if one.requires_grad]
    optimizer = torch.optim.Adam(held, lr=1e-3, fused=True)

    def run() -> None:
        for _ in range(STEPS):
            optimizer.zero_grad()
            torch.stack(list(model.loss(stage, batch).values())).sum().backward()
            nn.utils.clip_grad_norm_(held, 1.0)
            optimizer.step()

    return run, STEPS * size


def _target_items(known: Known, count: int) -> Tensor:
    ids = known.space.ids(1)
    return torch.randint(ids.start, ids.stop, (count,))


def _known(num_users: int, num_items: int, width: int) -> Known:
    space = ItemSpace(sizes=(num_items, num_items))
    item_VE = torch.randn(space.num_items + 1, width)
    features = Features(
        item_VE=item_VE,
        has_item_V=torch.arange(len(item_VE)) > 0,
        user_SUF=torch.randn(2, num_users, width),
        has_user_SU=torch.ones(2, num_users, dtype=torch.bool),
        rated_SUE=torch.randn(2, num_users, width),
        has_rated_SU=torch.ones(2, num_users, dtype=torch.bool),
    )
    history_UL = torch.randint(1, num_items + 1, (num_users, 20))
    return Known(
        space=space,
        num_users=num_users,
        mean_rating=4.0,
        history_UL=history_UL,
        history_rating_UL=torch.randint(1, 6, history_UL.shape).float(),
        features=features,
    )


if __name__ == "__main__":
    main()
