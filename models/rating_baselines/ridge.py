"""Ridge: a linear regression on the frozen features, the floor of every model that reads them.

One row is a training rating of the target domain. The squared error is summed over rows, and
`strength` times the squared weights is added, the constant's left out; solved in closed form.

The columns, in this order:
- the item's features along their first principal axes, and a flag: it has none;
- what the user wrote in the auxiliary domain along its axes, and a flag: they wrote nothing;
- of users who wrote nothing, the mean features of what they rated there along their axes, and a
  flag: they rated nothing there either (side users, whose rows then tell of items alone);
- products of the item's first scores with the user's first scores, of either kind;
- the item's shrunk mean deviation in the target domain; a training row's own rating is left out;
- a constant.

Axes are those of the covariance of: target items with features; auxiliary sides with text, cold
users' among them; mean features of all auxiliary sides. Scores of a kind are divided by
the spread of their first axis, not by each axis's own, so that the penalty is heavier on small
axes. Deviations are divided by their spread over training rows.

Known weakness: where a rating is high, its being left out lowers the deviation of its row, so
that within one item the two go against each other; the penalty alone keeps the fit from that.

Shapes: N rows, V items + 1, U users, E width of item features, F of user features, K axes, P
columns.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.rating_baselines.means import centred, least_error, ratings_in, shrunk_mean
from models.ratings import AUXILIARY, TARGET, Known, Pairs, Ratings

_ROWS_AT_ONCE = 8192  # of which features are gathered
_LEAST_SHARE = 1e-10  # of the rows' squares on an axis; what lies below is rounding


@dataclass(frozen=True, kw_only=True)
class RidgeConfig:
    axes: int = 64  # of items, of users' texts and of what users rated, each
    product_axes: int = 8  # the first of each, which are multiplied: item x user
    shrinkage: float = 10.0  # as many ratings of the mean are added to an item's
    strengths: tuple[float, ...] = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4)  # one chosen


class Axes(nn.Module):
    """Principal axes of rows of features."""

    mean_E: Tensor
    axis_EK: Tensor

    def __init__(self, width: int, num_axes: int):
        super().__init__()
        self.register_buffer("mean_E", torch.zeros(width, dtype=torch.float64))
        self.register_buffer("axis_EK", torch.zeros(width, num_axes, dtype=torch.float64))

    def fit(self, row_NE: Tensor) -> None:
        """Scores of `row_NE` have mean zero, the first variance one; axes past their rank are zero.

        By the eigenvectors of the smaller of the two products of the rows with themselves.
        """
        self.mean_E.zero_()
        self.axis_EK.zero_()
        if not len(row_NE):
            return
        self.mean_E += row_NE.double().mean(dim=0)
        centred_NE = row_NE.double() - self.mean_E
        few_rows = len(row_NE) < row_NE.shape[1]
        gram = centred_NE @ centred_NE.T if few_rows else centred_NE.T @ centred_NE
        square_K, vector = (part.flip(-1) for part in torch.linalg.eigh(gram))
        rank = int((square_K > _LEAST_SHARE * row_NE.double().square().sum()).sum())
        num_axes = min(rank, self.axis_EK.shape[1])
        axis_EK = vector[:, :num_axes]
        if few_rows:
            axis_EK = centred_NE.T @ axis_EK / square_K[:num_axes].sqrt()
        self.axis_EK[:, :num_axes] = axis_EK * (len(row_NE) / square_K[0]).sqrt()

    def forward(self, row_NE: Tensor, has_N: Tensor) -> Tensor:
        """Scores [N, K] float64, zero in rows whose flag is False."""
        score_NK = (row_NE.double() - self.mean_E) @ self.axis_EK
        return torch.where(has_N.unsqueeze(1), score_NK, 0.0)


class Ridge(nn.Module):
    """Holds the features of items and of auxiliary sides; no other is ever read."""

    item_VE: Tensor
    has_item_V: Tensor
    text_UF: Tensor
    has_text_U: Tensor
    rated_UE: Tensor
    has_rated_U: Tensor
    deviation_V: Tensor
    weight_P: Tensor
    strength: Tensor

    def __init__(self, config: RidgeConfig, known: Known):
        super().__init__()
        _check(config)
        if known.features is None:
            raise ValueError("ridge regresses on features, and this scenario's run has none")
        self.config, self.space = config, known.space
        features = known.features
        for name, data in {
            "item_VE": features.item_VE,
            "has_item_V": features.has_item_V,
            "text_UF": features.user_SUF[AUXILIARY],
            "has_text_U": features.has_user_SU[AUXILIARY],
            "rated_UE": features.rated_SUE[AUXILIARY],
            "has_rated_U": features.has_rated_SU[AUXILIARY],
        }.items():
            self.register_buffer(name, data, persistent=False)
        self.item_axes = Axes(self.item_VE.shape[1], config.axes)
        self.text_axes = Axes(self.text_UF.shape[1], config.axes)
        self.rated_axes = Axes(self.rated_UE.shape[1], config.axes)
        num_columns = 3 * (config.axes + 1) + 2 * config.product_axes**2 + 2
        self.register_buffer("deviation_V", torch.zeros(len(self.item_VE), dtype=torch.float64))
        self.register_buffer("weight_P", torch.zeros(num_columns, dtype=torch.float64))
        self.register_buffer("strength", torch.zeros((), dtype=torch.float64))

    def count(self, train: Ratings, valid: Ratings) -> None:
        """The strength is the one of least squared error on `valid`: 1, 3, 10, ... 10000 unless
        the config lists others; of equals, the one listed first.

        ValueError where the target domain has no training rating, or `valid` is empty.
        """
        target = ratings_in(TARGET, train, self.space)
        self._fit_axes()
        others_N = mean_of_others(target, self.config.shrinkage)
        spread = others_N.std(correction=0)
        spread = torch.where(spread > 0, spread, 1.0)
        deviation_V = shrunk_mean(
            centred(target), target.item_N, len(self.deviation_V), self.config.shrinkage
        )
        self.deviation_V = deviation_V / spread
        gram_PP, moment_P = self._normal_equations(target, others_N / spread)
        weights = {
            strength: _solve(gram_PP, moment_P, strength) for strength in self.config.strengths
        }
        row_NP = torch.cat(list(self._rows(valid.pairs, self.deviation_V[valid.item_N])))
        chosen = least_error(
            self.config.strengths, lambda strength: row_NP @ weights[strength], valid
        )
        self.weight_P, self.strength = weights[chosen], self.strength.new_tensor(chosen)

    def predict(self, pairs: Pairs) -> Tensor:
        """Ratings [N], not clamped."""
        rows = self._rows(pairs, self.deviation_V[pairs.item_N])
        return torch.cat([row_NP @ self.weight_P for row_NP in rows]).float()

    def _fit_axes(self) -> None:
        in_target_V = torch.zeros_like(self.has_item_V)
        in_target_V[self.space.columns(TARGET)] = True
        self.item_axes.fit(self.item_VE[self.has_item_V & in_target_V])
        self.text_axes.fit(self.text_UF[self.has_text_U])
        self.rated_axes.fit(self.rated_UE[self.has_rated_U])

    def _normal_equations(self, target: Ratings, others_N: Tensor) -> tuple[Tensor, Tensor]:
        """X'X and X'y of the training rows."""
        num_columns = len(self.weight_P)
        gram_PP = self.weight_P.new_zeros(num_columns, num_columns)
        moment_P = self.weight_P.new_zeros(num_columns)
        ratings = target.rating_N.double().split(_ROWS_AT_ONCE)
        for row_NP, rating_N in zip(self._rows(target.pairs, others_N), ratings, strict=True):
            gram_PP += row_NP.T @ row_NP
            moment_P += row_NP.T @ rating_N
        return gram_PP, moment_P

    def _rows(self, pairs: Pairs, deviation_N: Tensor) -> Iterator[Tensor]:
        """The columns of the module's docstring, [N, P] float64, a part of the rows at a time."""
        parts = (column_N.split(_ROWS_AT_ONCE) for column_N in (*pairs, deviation_N))
        num_products = self.config.product_axes
        for user_N, item_N, deviation_part_N in zip(*parts, strict=True):
            has_item_N, has_text_N = self.has_item_V[item_N], self.has_text_U[user_N]
            has_rated_N = self.has_rated_U[user_N] & ~has_text_N
            item_NK = self.item_axes(self.item_VE[item_N], has_item_N)
            text_NK = self.text_axes(self.text_UF[user_N], has_text_N)
            rated_NK = self.rated_axes(self.rated_UE[user_N], has_rated_N)
            first_NK = item_NK[:, :num_products]
            columns = (
                item_NK,
                ~has_item_N,
                text_NK,
                ~has_text_N,
                rated_NK,
                ~(has_text_N | has_rated_N),
                _products(first_NK, text_NK[:, :num_products]),
                _products(first_NK, rated_NK[:, :num_products]),
                deviation_part_N,
                torch.ones_like(deviation_part_N),
            )
            yield torch.column_stack(columns)


def mean_of_others(ratings: Ratings, shrinkage: float) -> Tensor:
    """[N] float64: the item's shrunk mean deviation, from all ratings but the row's own.

    The mean that the others deviate from is that of the others, too: nothing of a row's rating is
    in its own value. Zero where the item has no other rating.
    """
    rating_N, item_N = ratings.rating_N.double(), ratings.item_N
    mean_N = (rating_N.sum() - rating_N) / max(len(rating_N) - 1, 1)
    others_N = torch.bincount(item_N)[item_N] - 1
    total_V = torch.zeros(int(item_N.max()) + 1, dtype=torch.float64, device=item_N.device)
    total_N = total_V.index_add(0, item_N, rating_N)[item_N] - rating_N
    return (total_N - others_N * mean_N) / (others_N + shrinkage)


def _products(item_NK: Tensor, user_NK: Tensor) -> Tensor:
    return (item_NK.unsqueeze(2) * user_NK.unsqueeze(1)).flatten(1)


def _solve(gram_PP: Tensor, moment_P: Tensor, strength: float) -> Tensor:
    """[P]: the ridge weights; the last one, the constant's, bears no penalty."""
    penalty_P = torch.full_like(moment_P, strength)
    penalty_P[-1] = 0
    factor_PP = torch.linalg.cholesky(gram_PP + penalty_P.diag())
    return torch.cholesky_solve(moment_P.unsqueeze(1), factor_PP).squeeze(1)


def _check(config: RidgeConfig) -> None:
    if not 0 <= config.product_axes <= config.axes:
        raise ValueError(
            f"product_axes must be in 0..axes = {config.axes}, is {config.product_axes}"
        )
    for name, value in (("shrinkage", config.shrinkage), ("strengths", min(config.strengths))):
        if value <= 0:
            raise ValueError(f"{name} must be greater than zero, is {value}")
