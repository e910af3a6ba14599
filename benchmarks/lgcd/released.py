"""LLMCDSR's released code (github.com/xhran2010/LLMCDSR) at work, from a checkout, unchanged.

What is not theirs here: `wandb` and `ipdb`, imported but not used, are empty modules where they
are not installed; and random vectors stand for what their release holds elsewhere (embeddings of
titles that an LLM wrote, of items, and their projection), in the shapes that their code reads.
Their defaults stand, but for the device.
"""

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.lgcd.spent import peak_mb, spent
from models.batch import ItemSpace, Query
from pipeline.evaluate.ranking import METRICS, rank_cases
from pipeline.train.cases import ColdCases

TITLES = 10  # that their prompt brings forth for a user, about
TITLE_WIDTH = 768  # of jina-embeddings-v2-base-en
WARM_UP = 3  # steps
_POOL = 10_000  # different title vectors; 437,000 would cost 1.3 GB and no other time


def training(peer: Path, steps: int) -> dict[str, Any]:
    """`steps` steps of their `train`, of which an epoch has `epoch_steps`; no evaluation."""
    args = _enter(peer)
    from model import SASRec, Selector
    from torch.utils.data import Subset
    from trainer import train
    from utils import data_partition, load_eval

    from data import AugDataset, RecDataset

    everyone, single, overlap, _, usernum_A, itemnum = data_partition(args.dataset)
    _, _, Anum, Bnum = load_eval(args.dataset, max_len=args.maxlen)
    torch.manual_seed(args.seed)
    width = args.hidden_units
    selector = Selector(
        hidden_units=TITLE_WIDTH,
        model_hidden=width,
        k=args.k,
        device=args.device,
        itemnum=itemnum,
        Anum=Anum,
        projection=(torch.randn(width, TITLE_WIDTH) / 28, torch.randn(width, TITLE_WIDTH) / 28),
        item_embeddings=(torch.randn(Anum, width), torch.randn(Bnum, width)),
    )
    model = _with_weights(SASRec(len(everyone), Anum, Bnum, args))
    settings = {"itemnum": itemnum, "Anum": Anum, "maxlen": args.maxlen}
    sequences = RecDataset(User=everyone, usernum=len(everyone), **settings)
    asked = RecDataset(User=overlap, usernum=len(overlap), **settings)
    titled = AugDataset(User=_titled(single, usernum_A))

    def run(num_steps: int) -> None:
        rows = torch.randperm(len(sequences))[: num_steps * args.batch_size].tolist()
        drawn = Subset(sequences, rows)
        train(model, drawn, titled, asked, (None, None), args, selector)

    # An epoch of as many steps as are asked for, and no evaluation after it.
    args.num_epochs, args.eval_epoch = 1, 2
    with TemporaryDirectory() as args.save_dir:
        run(WARM_UP)
        measured = spent(lambda: run(steps))
    epoch_steps = -(-len(sequences) // args.batch_size)
    return {
        **vars(measured),
        "peak_mb": peak_mb(),
        "steps": min(steps, epoch_steps),
        "epoch_steps": epoch_steps,
    }


def evaluation(peer: Path, users: int) -> dict[str, Any]:
    """Their evaluator on their model and test users, then ours on the same, and what both found."""
    args = _enter(peer)
    from evaluation import Evaluator
    from model import SASRec
    from utils import data_partition, load_eval

    _, test, Anum, Bnum = load_eval(args.dataset, max_len=args.maxlen)
    test = test[:: -(-len(test) // users)]
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    model = _with_weights(SASRec(1, Anum, Bnum, args)).eval()
    _favour(model, data_partition(args.dataset)[0])
    made: list[Any] = []
    size = args.batch_size
    drawing = spent(lambda: made.append(Evaluator(test, Anum, Bnum, args.maxlen, size, "cpu")))
    evaluator = made[0]
    found: list[Any] = []
    with torch.no_grad():
        evaluator(model)  # both warm up
        theirs = spent(lambda: found.append(evaluator(model)))
    cases, negatives_NM = _as_ours(test, evaluator.neg_cands, args.maxlen)
    space = ItemSpace(sizes=(Anum, Bnum))
    tables: list[Any] = []

    def rank() -> None:
        ranked = rank_cases(
            _Theirs(model),
            cases,
            {("target", 0): negatives_NM},
            space,
            system="llmcdsr",
            train_seed=0,
            domains=("A", "B"),
        )
        tables.append(ranked)

    rank()
    ours = spent(rank)
    return {
        "users": len(test),
        "drawing": vars(drawing),
        "theirs": vars(theirs),
        "ours": vars(ours),
        "theirs_found": _their_figures(*found[0]),
        "ours_found": _our_figures(tables[-1]),
    }


def _enter(peer: Path) -> Any:
    """Make their modules importable and their files readable; their settings."""
    for name, why in (("higher", "higher==0.2.1"), ("tqdm", "tqdm")):
        if importlib.util.find_spec(name) is None:
            raise SystemExit(
                f"LLMCDSR's code needs {name}: `pip install --no-deps --target FOLDER {why}`, and "
                "run again with PYTHONPATH=FOLDER"
            )
    for name in ("wandb", "ipdb"):
        if importlib.util.find_spec(name) is None:
            sys.modules[name] = ModuleType(name)
            sys.modules[name].set_trace = breakpoint
    sys.path.insert(0, str(peer))
    os.chdir(peer)
    sys.argv = ["main.py", "--dataset", "food-kitchen", "--device", "cpu"]
    from config import get_args

    return get_args()


def _with_weights(model: Any) -> Any:
    """Xavier normal, as their main does it."""
    for weight in model.parameters():
        if weight.dim() > 1:
            torch.nn.init.xavier_normal_(weight)
    return model


def _favour(model: Any, everyone: dict[int, list[int]]) -> None:
    """Make it lean towards popular items: evaluators that agree on no hit at all say little."""
    items = torch.tensor([item for sequence in everyone.values() for item in sequence])
    count_V = torch.bincount(items, minlength=len(model.item_emb.weight))
    with torch.no_grad():
        model.last_layernorm.bias.fill_(1)
        model.item_emb.weight += 0.1 * count_V.log1p().unsqueeze(1)


def _titled(single: dict[int, list[int]], usernum_A: int) -> list[tuple[int, list[int], Tensor]]:
    pool = torch.randn(_POOL, TITLE_WIDTH)
    users = []
    for number, (user, items) in enumerate(single.items()):
        first = number * TITLES % (_POOL - TITLES)
        users.append((int(user > usernum_A), items, pool[first : first + TITLES]))
    return users


class _Theirs(torch.nn.Module):
    """Their recommender as ours are asked: many users at once, all items."""

    def __init__(self, model: Any):
        super().__init__()
        self.model = model

    def score(self, query: Query) -> Tensor:
        state_BD = self.model.log2feats(query.history_BL)[:, -1]
        scores_BV: Tensor = state_BD @ self.model.item_emb.weight.T
        return scores_BV


def _as_ours(
    test: list[tuple[list[int], int, int]], negatives: list[list[int]], length: int
) -> tuple[ColdCases, Tensor]:
    history_NL = torch.zeros(len(test), length, dtype=torch.int64)
    for row, (items, _, _) in enumerate(test):
        kept = items[-length:]
        history_NL[row, length - len(kept) :] = torch.tensor(kept)
    cases = ColdCases(
        part="test",
        user_N=torch.arange(len(test)),
        query=Query(history_NL, torch.tensor([domain for _, domain, _ in test])),
        label_N=torch.tensor([label for _, _, label in test]),
    )
    return cases, torch.tensor(negatives)


def _their_figures(*found: dict[int, float]) -> dict[str, float]:
    names = [("A", "NDCG"), ("A", "HR"), ("B", "NDCG"), ("B", "HR")]
    return {
        f"{domain} {metric}@{k}": float(values[k])
        for (domain, metric), values in zip(names, found, strict=True)
        for k in (5, 10)
    }


def _our_figures(ranks: Any) -> dict[str, float]:
    rows = [row for row in ranks.to_pylist() if row["pool"] == "target"]
    figures = {}
    for domain in ("A", "B"):
        rank_N = torch.tensor([row["rank"] for row in rows if row["target_domain"] == domain])
        for name, metric in METRICS.items():
            figures[f"{domain} {name}"] = float(metric(rank_N).mean())
    return figures


WORKLOADS: dict[str, Callable[..., dict[str, Any]]] = {
    "released_training": training,
    "released_evaluation": evaluation,
}
