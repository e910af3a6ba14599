"""Ratings of one cold ratio as tensors: who trains with what, and what is asked of cold users.

Users are numbered as in the ratings table, dense over all roles.

Shapes: N ratings, U users, M users of one kind, L history length.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from models.batch import ItemSpace
from models.ratings import AUXILIARY, TARGET, Ratings
from pipeline.catalog import Scenario
from pipeline.columns import RATING_ROLES
from pipeline.store import Store
from pipeline.train.cases import item_space
from pipeline.train.ragged import Ragged
from pipeline.train.ratings.runs import RatingUnits, UserUnits

_READ = ["cold_ratio", "part", "role", "user", "item", "rating", "timestamp"]


@dataclass(frozen=True, kw_only=True)
class RatingCases:
    cold_ratio: float
    space: ItemSpace  # the auxiliary domain, then the target
    num_users: int
    train: Ratings  # of both domains; no target rating of a cold user
    valid: Ratings  # target ratings of cold users
    test: Ratings  # of other cold users
    role_U: np.ndarray  # int8, place in RATING_ROLES; of users without ratings too
    overlap_users_M: np.ndarray  # int64, ascending; they train with both domains
    side_users_M: np.ndarray  # int64, ascending; they train with the target domain alone
    history_UL: Tensor  # int64, newest auxiliary items, oldest first, zeros on the left
    history_rating_UL: Tensor  # float32, their ratings
    mean_rating: float  # of the target domain's training ratings
    rating_range: tuple[float, float]  # lowest and highest of them

    def is_cold(self) -> np.ndarray:
        """Whose target side is hidden, validating and testing users alike: bool [num_users]."""
        return self.role_U == RATING_ROLES.index("cold")

    def training_users(self, units: UserUnits) -> np.ndarray:
        """int64 [M], ascending."""
        if units == "side_users":
            return self.side_users_M
        if units == "overlap_users":
            return self.overlap_users_M
        return np.union1d(self.overlap_users_M, self.side_users_M)

    def training_ratings(self, units: RatingUnits) -> Ratings:
        if units == "ratings":
            return self.train
        domain = AUXILIARY if units == "auxiliary_ratings" else TARGET
        wanted_N = self.space.contains(domain, self.train.item_N)
        if units == "overlap_ratings":
            wanted_N &= torch.isin(self.train.user_N, torch.from_numpy(self.overlap_users_M))
        return take(self.train, wanted_N)


def load_rating_cases(store: Store, scenario: Scenario, cold_ratio: float) -> RatingCases:
    """The ratings of one cold ratio.

    `split.cold_items` above 0 is the dual cold start: of the target items that have training
    ratings, this share, drawn by the split's seed, loses them all; `valid` and `test` are then
    ratings of items without any training rating, and no others. Users left without a target
    training rating train with the target domain no more. What users wrote of these items stays
    in their review features, which are of whole domains.

    ValueError where the table lacks the cold ratio, or nothing would be left to train on, to
    validate or to test.
    """
    table = _read(store, scenario, cold_ratio)
    space = item_space(store, scenario)
    part_N = table["part"].to_numpy()
    ratings = Ratings(
        torch.from_numpy(table["user"].to_numpy().astype(np.int64)),
        torch.from_numpy(table["item"].to_numpy().astype(np.int64)),
        torch.from_numpy(table["rating"].to_numpy().astype(np.float32)),
    )
    parts = {part: take(ratings, part_N == part) for part in ("train", "valid", "test")}
    if scenario.split.cold_items:
        parts = _dual_cold(parts, space, scenario)
    roles = pc.index_in(table["role"], pa.array(RATING_ROLES))
    role_U = np.full(int(ratings.user_N.max()) + 1, -1, dtype=np.int8)
    role_U[ratings.user_N.numpy()] = roles.to_numpy()
    train = parts["train"]
    target = take(train, space.contains(TARGET, train.item_N))
    raters_M = np.unique(target.user_N.numpy())
    overlap_users_M, side_users_M = (
        raters_M[role_U[raters_M] == RATING_ROLES.index(role)] for role in ("overlap", "side")
    )
    _check_some(parts, overlap_users_M, scenario, cold_ratio)
    assert not (role_U[raters_M] == RATING_ROLES.index("cold")).any(), "a hidden rating trains"
    history_UL, history_rating_UL = _histories(table, space, len(role_U), scenario)
    return RatingCases(
        cold_ratio=cold_ratio,
        space=space,
        num_users=len(role_U),
        **parts,
        role_U=role_U,
        overlap_users_M=overlap_users_M,
        side_users_M=side_users_M,
        history_UL=history_UL,
        history_rating_UL=history_rating_UL,
        mean_rating=float(target.rating_N.double().mean()),
        rating_range=(float(target.rating_N.min()), float(target.rating_N.max())),
    )


def take(ratings: Ratings, rows: np.ndarray | Tensor) -> Ratings:
    """The ratings at `rows`, which are numbers or a mask."""
    chosen = torch.as_tensor(rows)
    return Ratings(*(part[chosen] for part in ratings))


def _read(store: Store, scenario: Scenario, cold_ratio: float) -> pa.Table:
    """The rows of one cold ratio; those of others are dropped batch by batch."""
    key, ratio = f"ratings/{scenario.name}", pa.scalar(cold_ratio, pa.float32())

    def own() -> Iterator[pa.RecordBatch]:
        for batch in store.read_batches(key, _READ):
            yield batch.filter(pc.equal(batch.column("cold_ratio"), ratio))

    batches = list(own())
    if not sum(batch.num_rows for batch in batches):
        raise ValueError(
            f"{key} has no ratings at cold ratio {cold_ratio:g}: add it to split.cold_ratios of "
            f"scenario {scenario.name!r} and materialize ratings again"
        )
    return pa.Table.from_batches(batches)


def _dual_cold(
    parts: dict[str, Ratings], space: ItemSpace, scenario: Scenario
) -> dict[str, Ratings]:
    train = parts["train"]
    items = train.item_N[space.contains(TARGET, train.item_N)].unique().numpy()
    order = np.random.default_rng(scenario.split.seed).permutation(items)
    cold = torch.from_numpy(order[: round(scenario.split.cold_items * len(items))])
    left = take(train, ~torch.isin(train.item_N, cold))
    return {
        "train": left,
        **{
            part: take(parts[part], ~torch.isin(parts[part].item_N, left.item_N))
            for part in ("valid", "test")
        },
    }


def _check_some(
    parts: dict[str, Ratings],
    overlap_users_M: np.ndarray,
    scenario: Scenario,
    cold_ratio: float,
) -> None:
    counts = {part: len(ratings.user_N) for part, ratings in parts.items()}
    if all(counts.values()) and len(overlap_users_M):
        return
    raise ValueError(
        f"scenario {scenario.name!r} at cold ratio {cold_ratio:g} with cold_items = "
        f"{scenario.split.cold_items:g}: {counts['train']} ratings and {len(overlap_users_M)} "
        f"overlap users train, {counts['valid']} ratings validate, {counts['test']} test; none may "
        "be 0. Change the scenario's split.cold_items, split.cold_ratios, split.valid or split.seed"
    )


def _histories(
    table: pa.Table, space: ItemSpace, num_users: int, scenario: Scenario
) -> tuple[Tensor, Tensor]:
    """Auxiliary items and their ratings, of every user: [U, L] each."""
    item = table["item"].to_numpy().astype(np.int64)
    auxiliary = space.ids(AUXILIARY)
    rows = np.flatnonzero((item >= auxiliary.start) & (item < auxiliary.stop))
    user, time = table["user"].to_numpy()[rows], table["timestamp"].to_numpy()[rows]
    rows = rows[np.lexsort((time, user))]  # stable: ties stay in the table's order
    bounds = np.concatenate([[0], np.cumsum(np.bincount(user, minlength=num_users))])
    # Row numbers from 1 are padded, and 0 then stands for an item and a rating of nought.
    row_UL = Ragged(flat=rows + 1, bounds=bounds).padded(
        np.arange(num_users), scenario.training.max_length
    )
    rating = table["rating"].to_numpy().astype(np.float32)
    return _with_nought(item)[row_UL], _with_nought(rating)[row_UL]


def _with_nought(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.concatenate([np.zeros(1, values.dtype), values]))
