"""Saved ranks read back as arrays, and proof that systems can be compared.

Two systems are comparable where the same users met the same candidates. The table of ranks
keeps how many candidates competed, not which; in the pool "all" that number differs from user
to user and from draw to draw, so other candidates do not pass unnoticed there.

Letters: S training seeds, C candidate seeds, N users.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from pipeline.columns import RANKS
from pipeline.evaluate.ranking import METRICS

_TEXTS = ("system", "part", "target_domain", "pool")
_GRID = ("train_seed", "candidate_seed", "user")


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """One system's ranks in one target domain and pool; seeds and users ascend."""

    system: str
    train_seed_S: np.ndarray
    candidate_seed_C: np.ndarray
    user_N: np.ndarray
    num_candidates_CN: np.ndarray
    rank_SCN: np.ndarray

    def metric_SN(self, metric: str) -> np.ndarray:
        """The metric of each training seed and user, averaged over candidate seeds."""
        flat = METRICS[metric](torch.from_numpy(self.rank_SCN.reshape(-1)))
        return flat.double().numpy().reshape(self.rank_SCN.shape).mean(axis=1)


def read_rankings(ranks: pa.Table, domain: str, pool: str) -> list[Ranking]:
    """Every system's ranks in one domain and pool, all of the same users and candidates."""
    here = pc.and_(pc.equal(ranks["target_domain"], domain), pc.equal(ranks["pool"], pool))
    part = ranks.filter(here)
    systems = pc.unique(ranks["system"]).to_pylist()
    rankings = [
        _ranking(part.filter(pc.equal(part["system"], system)), system, f"{domain}, pool {pool!r}")
        for system in systems
    ]
    for other in rankings[1:]:
        _check_alike(rankings[0], other, f"{domain}, pool {pool!r}")
    return rankings


def _ranking(part: pa.Table, system: str, where: str) -> Ranking:
    if part.num_rows == 0:
        raise ValueError(f"system {system!r} has no ranks in {where}; rank it again")
    columns = {name: part[name].to_numpy() for name in RANKS.names if name not in _TEXTS}
    order = np.lexsort([columns[name] for name in reversed(_GRID)])
    columns = {name: column[order] for name, column in columns.items()}
    axes = [np.unique(columns[name]) for name in _GRID]
    shape = tuple(len(axis) for axis in axes)
    expected = np.stack(np.meshgrid(*axes, indexing="ij")).reshape(len(_GRID), -1)
    if not np.array_equal(np.stack([columns[name] for name in _GRID]), expected):
        raise ValueError(
            f"system {system!r} in {where}: {part.num_rows} ranks for {shape[0]} training seeds x"
            f" {shape[1]} candidate seeds x {shape[2]} users, each once; rank it again"
        )
    rank_SCN, count_SCN = (columns[name].reshape(shape) for name in ("rank", "num_candidates"))
    if not ((rank_SCN >= 1) & (rank_SCN <= count_SCN)).all():
        raise ValueError(
            f"system {system!r} in {where}: a rank outside 1..candidates; rank it again"
        )
    if (count_SCN != count_SCN[0]).any():
        raise ValueError(
            f"system {system!r} in {where}: training seeds met different candidates; rank it again"
        )
    return Ranking(
        system=system,
        train_seed_S=axes[0],
        candidate_seed_C=axes[1],
        user_N=axes[2],
        num_candidates_CN=count_SCN[0],
        rank_SCN=rank_SCN,
    )


def _check_alike(one: Ranking, other: Ranking, where: str) -> None:
    """Figures of different users or candidates cannot be compared."""
    pair = f"systems {one.system!r} and {other.system!r} in {where}"
    remedy = "rank both again from the same sequences and candidates"
    lost = np.setdiff1d(one.user_N, other.user_N)
    extra = np.setdiff1d(other.user_N, one.user_N)
    if len(lost) or len(extra):
        first = int(np.concatenate([lost, extra])[0])
        raise ValueError(
            f"{pair} have different users ({len(lost)} only in the first, {len(extra)} only in"
            f" the second, for instance user {first}); {remedy}"
        )
    if not np.array_equal(one.candidate_seed_C, other.candidate_seed_C):
        seeds = f"{one.candidate_seed_C.tolist()} and {other.candidate_seed_C.tolist()}"
        raise ValueError(f"{pair} have different candidate seeds ({seeds}); {remedy}")
    unlike_CN = one.num_candidates_CN != other.num_candidates_CN
    if unlike_CN.any():
        c, n = np.argwhere(unlike_CN)[0]
        raise ValueError(
            f"{pair} met different candidates (user {one.user_N[n]}, seed"
            f" {one.candidate_seed_C[c]}: {one.num_candidates_CN[c, n]} and"
            f" {other.num_candidates_CN[c, n]}); {remedy}"
        )
