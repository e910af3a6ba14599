"""EASE across domains: linear regression from what users did elsewhere to a target domain.

Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019: item-to-item weights by
ridge regression of the user-item matrix X on itself, in closed form, with a diagonal
of zero. Here the overlapping users' items outside the target domain, X_s, are regressed on their
items in it, X_t, and a query q is scored by q W:

    W = (X_s' X_s + ridge I)^-1 X_s' X_t = X_s' (X_s X_s' + ridge I)^-1 X_t

Departs from the paper: the constraint on the diagonal is void, since no item is on both sides.
The dual form on the right (equal by the push-through identity) inverts users x users instead of
items x items, and there are far fewer overlapping users than items; it is solved for each query
by conjugate gradients, so that nothing larger than the sequences themselves is stored. The
paper's X is binary; here newer items may weigh more, on both sides, and popular inputs less.

Shapes: B batch, L history length, V items + 1, U overlapping users, N interactions of theirs,
S interactions on one side, C distinct inputs.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.baselines.popularity import from_the_end, spans_domains
from models.batch import PADDING, ItemSpace, Query, SequenceBatch
from models.blocks.stored_counts import load_at_stored_size

_TOLERANCE = 1e-5  # residual of the equations, relative to their right-hand side
_MAX_STEPS = 1000


@dataclass(frozen=True, kw_only=True)
class EASEConfig:
    space: ItemSpace
    ridge: float = 1000.0  # greater than zero
    input_decay: float = 1.0  # weight of an input = decay ** (newer inputs of its user)
    target_decay: float = 0.6  # likewise of a target, among its user's targets
    # An input is divided by (its occurrences among overlapping users) ** damping; 0: not at all.
    popularity_damping: float = 0.0


class EASE(nn.Module):
    """Holds the overlapping users' interactions, user by user and in order of time."""

    item_N: Tensor
    user_N: Tensor

    def __init__(self, config: EASEConfig):
        super().__init__()
        if config.ridge <= 0:
            raise ValueError(f"ridge must be greater than zero, is {config.ridge}")
        self.config = config
        self.register_buffer("item_N", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("user_N", torch.zeros(0, dtype=torch.int64))  # 0..U-1, ascending
        load_at_stored_size(self, "item_N", "user_N")

    def count(self, batches: Iterable[SequenceBatch]) -> None:
        """Keeps the sequences of overlapping users; those of one domain are passed over."""
        items, users, num_users = [self.item_N], [self.user_N], self._num_users()
        for batch in batches:
            items_BL = batch.items_BL[spans_domains(batch.items_BL, self.config.space)]
            row_N, position_N = (items_BL != PADDING).nonzero(as_tuple=True)
            items.append(items_BL[row_N, position_N])
            users.append(row_N + num_users)
            num_users += len(items_BL)
        self.item_N, self.user_N = torch.cat(items), torch.cat(users)

    @torch.no_grad()
    def score(self, query: Query) -> Tensor:
        """[B, V] float32; zero outside a query's target domain and for an empty history.

        Raises ValueError where `ridge` is too small for the equations to be solved.
        """
        weight_BL = from_the_end(query.history_BL, self.config.input_decay).float()
        weight_BL = weight_BL.masked_fill(query.history_BL == PADDING, 0)
        weight_BV = weight_BL.new_zeros(len(weight_BL), self.config.space.num_items + 1)
        weight_BV.scatter_add_(1, query.history_BL, weight_BL)
        score_BV = torch.zeros_like(weight_BV)
        for domain in query.domain_B.unique().tolist():
            asked_B = query.domain_B == domain
            score_BV[asked_B] = self._scores_in(domain, weight_BV[asked_B])
        return score_BV

    def _scores_in(self, domain: int, weight_BV: Tensor) -> Tensor:
        """q W for queries of one target domain, [B, V], from the queries' decayed weights."""
        config, num_users = self.config, self._num_users()
        own_N = config.space.contains(domain, self.item_N)
        item_S, user_S = self.item_N[own_N], self.user_N[own_N]
        target_S = config.target_decay ** _newer(user_S, num_users).float()
        target_VU = _csr(item_S, user_S, target_S, (weight_BV.shape[1], num_users))

        item_C, column_S, count_C = self.item_N[~own_N].unique(
            return_inverse=True, return_counts=True
        )
        user_S, damping_C = self.user_N[~own_N], count_C.float() ** -config.popularity_damping
        source_S = config.input_decay ** _newer(user_S, num_users).float() * damping_C[column_S]
        query_CB = (weight_BV[:, item_C] * damping_C).T
        source_UC = _csr(user_S, column_S, source_S, (num_users, len(item_C)))
        source_CU = _csr(column_S, user_S, source_S, (len(item_C), num_users))
        return (target_VU @ _solve(source_UC, source_CU, config.ridge, source_UC @ query_CB)).T

    def _num_users(self) -> int:
        return int(self.user_N[-1]) + 1 if len(self.user_N) else 0


def _newer(user_S: Tensor, num_users: int) -> Tensor:
    """How many interactions of the same user follow each one, [S]; users ascending."""
    last_U = user_S.bincount(minlength=num_users).cumsum(0) - 1
    return last_U[user_S] - torch.arange(len(user_S), device=user_S.device)


def _csr(row_S: Tensor, column_S: Tensor, weight_S: Tensor, shape: tuple[int, int]) -> Tensor:
    """A sparse matrix; entries of the same place are added up."""
    places = torch.stack([row_S, column_S])
    matrix = torch.sparse_coo_tensor(places, weight_S, shape, check_invariants=False)
    return matrix.coalesce().to_sparse_csr()


def _solve(source_UC: Tensor, source_CU: Tensor, ridge: float, right_UB: Tensor) -> Tensor:
    """(X_s X_s' + ridge I)^-1 times each column of `right_UB`, by conjugate gradients [U, B].

    A column that is solved stays as it is, so no answer depends on who else asks.
    """
    tiny = torch.finfo(right_UB.dtype).tiny
    solution_UB = torch.zeros_like(right_UB)
    residual_UB = direction_UB = right_UB
    squared_B = right_UB.square().sum(dim=0)
    enough_B = _TOLERANCE**2 * squared_B
    for _ in range(_MAX_STEPS):
        open_B = squared_B > enough_B
        if not open_B.any():
            return solution_UB
        image_UB = source_UC @ (source_CU @ direction_UB) + ridge * direction_UB
        curvature_B = (direction_UB * image_UB).sum(dim=0).clamp_min(tiny)
        step_B = torch.where(open_B, squared_B / curvature_B, 0)
        solution_UB = solution_UB + step_B * direction_UB
        residual_UB = residual_UB - step_B * image_UB
        previous_B, squared_B = squared_B, residual_UB.square().sum(dim=0)
        direction_UB = residual_UB + squared_B / previous_B.clamp_min(tiny) * direction_UB
    raise ValueError(
        f"ridge = {ridge} leaves the regression unsolved after {_MAX_STEPS} steps: raise it"
    )
