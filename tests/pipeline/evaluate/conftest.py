"""A small world to rank in, and tables of ranks written by hand."""

from collections.abc import Callable

import pyarrow as pa
import pytest
import torch
from torch import Tensor

from models.batch import ItemSpace, Query
from pipeline.columns import RANKS
from pipeline.train.cases import ColdCases

MakeRanks = Callable[..., pa.Table]


class FixedScores(torch.nn.Module):
    """Knows each user by the first item of the history; says what it was told."""

    def __init__(self, score_UV: Tensor) -> None:
        super().__init__()
        self.score_UV = score_UV
        self.num_scored = 0

    def loss(self, batch: object) -> dict[str, Tensor]:
        raise AssertionError("evaluation never trains")

    def score(self, query: Query) -> Tensor:
        self.num_scored += len(query.domain_B)
        return self.score_UV[query.history_BL[:, -1]]


@pytest.fixture
def space() -> ItemSpace:
    """Domain 0 holds items 1..4, domain 1 items 5..10."""
    return ItemSpace(sizes=(4, 6))


@pytest.fixture
def cases() -> ColdCases:
    """Users 7 and 8 want an item of domain 1, user 9 one of domain 0."""
    return ColdCases(
        part="test",
        user_N=torch.tensor([7, 8, 9]),
        query=Query(
            history_BL=torch.tensor([[0, 1], [0, 2], [0, 6]]), domain_B=torch.tensor([1, 1, 0])
        ),
        label_N=torch.tensor([5, 8, 3]),
    )


@pytest.fixture
def model() -> FixedScores:
    """By item:                  0   1   2   3   4   5   6   7   8   9  10."""
    score_UV = torch.zeros(11, 11)
    score_UV[1] = torch.tensor([99, 99, 99, 99, 99, 0.5, 0.9, 0.1, 0.5, 0.2, 0.7])  # user 7
    score_UV[2] = torch.tensor([99, 0.1, 0.2, 0.3, 0.4, 0.1, 0.2, 0.3, 0.9, 0.4, 0.5])  # user 8
    score_UV[6] = torch.tensor([99, 0.3, 0.3, 0.3, 0.8, 9, 9, 9, 9, 9, 9.0])  # user 9
    return FixedScores(score_UV)


@pytest.fixture
def make_ranks() -> MakeRanks:
    """Ranks by system, as nested lists [training seed][candidate seed][user] or [user]."""

    def build(
        systems: dict[str, list],
        *,
        part: str = "test",
        domain: str = "food",
        pools: tuple[str, ...] = ("target", "all", "full"),
        num_candidates: int = 1000,
        first_user: int = 0,
    ) -> pa.Table:
        rows = []
        for system, nested in systems.items():
            rank_SCN = torch.tensor(nested, dtype=torch.float)
            rank_SCN = rank_SCN.reshape((1,) * (3 - rank_SCN.dim()) + rank_SCN.shape)
            for s, c, n in torch.cartesian_prod(
                *(torch.arange(k) for k in rank_SCN.shape)
            ).tolist():
                for pool in pools:
                    if pool == "full" and c > 0:
                        continue
                    rows.append(
                        {
                            "system": system,
                            "train_seed": s,
                            "part": part,
                            "user": first_user + n,
                            "target_domain": domain,
                            "pool": pool,
                            "candidate_seed": c,
                            "num_candidates": num_candidates,
                            "rank": rank_SCN[s, c, n].item(),
                        }
                    )
        return pa.Table.from_pylist(rows, schema=RANKS)

    return build
